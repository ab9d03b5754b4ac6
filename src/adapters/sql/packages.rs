//! The port of packages.

use std::collections::HashMap;

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::{Any, AnyConnection, QueryBuilder, any::AnyRow};
use watchme_actors::{
    domain::{
        ApplyTo, GenreSet, Package, PackageId, PackageVersion, Page, PageRequest, Timestamp, UserId,
    },
    ports::{
        ArchivedFilter, Created, IdempotencyKey, NewPackage, PackageEdit, PackageError,
        PackageFilter, Packages, StoreError,
    },
};

use super::{
    SqlStore, audit,
    dialect::{Dialect, for_update},
    errors::{Db, is_taken, store_error},
    idempotency::{self, Claim},
    rows::{self, contains, number, offset, optional, optional_time, parsed, time, to_json},
};

/// Versions that one statement asks for.
const BATCH: usize = 50;

pub(super) const ONE: &str = "SELECT * FROM packages WHERE id = ?";

pub(super) const VERSIONS: &str = "SELECT version, name, genres, created_at FROM package_versions
    WHERE package_id = ? ORDER BY version DESC LIMIT ? OFFSET ?";

const COUNT_VERSIONS: &str = "SELECT COUNT(*) AS total FROM package_versions WHERE package_id = ?";

fn package_of(row: &AnyRow) -> Result<Package, StoreError> {
    Ok(Package {
        id: parsed(row, "id")?,
        name: parsed(row, "name")?,
        genres: rows::json(row, "genres")?,
        version: number(row, "version")?,
        floor_version: number(row, "floor_version")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        archived_at: optional_time(row, "archived_at")?,
        created_by: optional(row, "created_by")?,
    })
}

fn name_taken(error: sqlx::Error) -> PackageError {
    if is_taken(&error) {
        PackageError::NameTaken
    } else {
        PackageError::Store(store_error(&error))
    }
}

async fn lock_package(
    conn: &mut AnyConnection,
    dialect: Dialect,
    id: PackageId,
) -> Result<Option<Package>, StoreError> {
    let row = sqlx::query(for_update!(dialect, "SELECT * FROM packages WHERE id = ?"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await
        .db()?;
    row.as_ref().map(package_of).transpose()
}

/// The maker, unless the account went while the package was being made.
async fn maker(
    conn: &mut AnyConnection,
    created_by: Option<UserId>,
) -> Result<Option<UserId>, StoreError> {
    let Some(user) = created_by else { return Ok(None) };
    let found = sqlx::query("SELECT id FROM users WHERE id = ?")
        .bind(user.to_string())
        .fetch_optional(conn)
        .await
        .db()?;
    Ok(found.map(|_| user))
}

/// What the audit log tells of a package.
fn state_of(package: &Package) -> Value {
    json!({ "name": package.name, "genres": package.genres, "version": package.version,
        "floorVersion": package.floor_version, "archivedAt": package.archived_at })
}

/// Notes a change of a package.
async fn note(
    conn: &mut AnyConnection,
    action: &'static str,
    (before, after): (Option<&Package>, &Package),
) -> Result<(), StoreError> {
    let entry = audit::Entry {
        action,
        subject_kind: "package",
        subject_id: &after.id.to_string(),
        before: before.map(state_of),
        after: Some(state_of(after)),
    };
    audit::record(conn, entry, after.updated_at).await
}

/// Makes a package with its first version.
async fn insert(conn: &mut AnyConnection, new: NewPackage) -> Result<Package, PackageError> {
    let package = Package {
        id: PackageId::generate(),
        name: new.name,
        genres: new.genres,
        version: 1,
        floor_version: 1,
        created_at: new.now,
        updated_at: new.now,
        archived_at: None,
        created_by: maker(conn, new.created_by).await?,
    };
    sqlx::query(
        "INSERT INTO packages (id, name, name_key, live_name_key, genres, version,
            floor_version, created_at, updated_at, created_by)
         VALUES (?, ?, ?, ?, ?, 1, 1, ?, ?, ?)",
    )
    .bind(package.id.to_string())
    .bind(package.name.as_str())
    .bind(package.name.key())
    .bind(package.name.key())
    .bind(to_json(&package.genres)?)
    .bind(package.created_at.as_millis())
    .bind(package.updated_at.as_millis())
    .bind(package.created_by.map(|user| user.to_string()))
    .execute(&mut *conn)
    .await
    .map_err(name_taken)?;
    insert_version(conn, &package).await?;
    Ok(package)
}

/// Writes the version that `package` is now at.
async fn insert_version(conn: &mut AnyConnection, package: &Package) -> Result<(), StoreError> {
    let id = package.id.to_string();
    sqlx::query(
        "INSERT INTO package_versions (package_id, version, name, genres, created_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(id.as_str())
    .bind(i64::from(package.version))
    .bind(package.name.as_str())
    .bind(to_json(&package.genres)?)
    .bind(package.updated_at.as_millis())
    .execute(&mut *conn)
    .await
    .db()?;
    if package.genres.is_empty() {
        return Ok(());
    }
    QueryBuilder::<Any>::new("INSERT INTO package_version_genres (package_id, version, genre_id) ")
        .push_values(package.genres.iter(), |mut row, genre| {
            row.push_bind(id.clone());
            row.push_bind(i64::from(package.version));
            row.push_bind(i64::from(genre));
        })
        .build()
        .persistent(false)
        .execute(conn)
        .await
        .db()?;
    Ok(())
}

fn push_filter(query: &mut QueryBuilder<Any>, filter: &PackageFilter) {
    query.push(match filter.archived {
        ArchivedFilter::Exclude => " WHERE p.archived_at IS NULL",
        ArchivedFilter::Only => " WHERE p.archived_at IS NOT NULL",
    });
    if let Some(name) = &filter.name {
        query.push(" AND p.name_key LIKE ").push_bind(contains(name)).push(" ESCAPE '!'");
    }
    if let Some(genre) = filter.genre {
        query
            .push(
                " AND EXISTS (SELECT 1 FROM package_version_genres g WHERE g.package_id = p.id
                 AND g.version = p.version AND g.genre_id = ",
            )
            .push_bind(i64::from(genre))
            .push(")");
    }
}

/// The statement that counts what a filter lets through.
pub(super) fn count_query(filter: &PackageFilter) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT COUNT(*) AS total FROM packages p");
    push_filter(&mut query, filter);
    query
}

/// The statement of one page of packages.
pub(super) fn page_query(filter: &PackageFilter, page: PageRequest) -> QueryBuilder<Any> {
    let mut query = QueryBuilder::new("SELECT p.* FROM packages p");
    push_filter(&mut query, filter);
    query.push(" ORDER BY p.id LIMIT ").push_bind(i64::from(page.size()));
    query.push(" OFFSET ").push_bind(offset(page));
    query
}

/// The statement that asks for the genres of versions.
pub(super) fn genres_query(versions: &[(PackageId, u32)]) -> QueryBuilder<Any> {
    let mut query =
        QueryBuilder::new("SELECT package_id, version, genres FROM package_versions WHERE ");
    let mut either = query.separated(" OR ");
    for (package, version) in versions {
        either.push("(package_id = ").push_bind_unseparated(package.to_string());
        either.push_unseparated(" AND version = ");
        either.push_bind_unseparated(i64::from(*version)).push_unseparated(")");
    }
    query
}

#[async_trait]
impl Packages for SqlStore {
    async fn create(
        &self,
        package: NewPackage,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Package>, PackageError> {
        let package = &package;
        self.write(|mut tx| async move {
            let claim = idempotency::claim(&mut tx, idempotency, package.now).await?;
            if let Claim::Repeated(package) = claim {
                return Ok(Created::Before(package));
            }
            let package = insert(&mut tx, package.clone()).await?;
            note(&mut tx, "package.created", (None, &package)).await?;
            idempotency::answer(&mut tx, idempotency, package.created_by, &package).await?;
            Ok(Created::Now(package))
        })
        .await
    }

    async fn made_before(
        &self,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Package>, PackageError> {
        self.snapshot(|mut tx| async move { Ok(idempotency::answered(&mut tx, key, now).await?) })
            .await
    }

    async fn package(&self, id: PackageId) -> Result<Option<Package>, StoreError> {
        self.read(|mut tx| async move {
            let row = sqlx::query(ONE).bind(id.to_string()).fetch_optional(&mut *tx).await.db()?;
            row.as_ref().map(package_of).transpose()
        })
        .await
    }

    async fn packages(
        &self,
        filter: &PackageFilter,
        page: PageRequest,
    ) -> Result<Page<Package>, StoreError> {
        self.snapshot(|mut tx| async move {
            let count = count_query(filter).build().fetch_one(&mut *tx).await.db()?;
            let rows = page_query(filter, page).build().fetch_all(&mut *tx).await.db()?;
            Ok(Page {
                items: rows.iter().map(package_of).collect::<Result<_, _>>()?,
                total_items: number(&count, "total")?,
                request: page,
            })
        })
        .await
    }

    async fn versions(
        &self,
        id: PackageId,
        page: PageRequest,
    ) -> Result<Page<PackageVersion>, StoreError> {
        let version = |row: &AnyRow| {
            Ok(PackageVersion {
                package: id,
                version: number(row, "version")?,
                name: parsed(row, "name")?,
                genres: rows::json(row, "genres")?,
                created_at: time(row, "created_at")?,
            })
        };
        self.snapshot(|mut tx| async move {
            let count =
                sqlx::query(COUNT_VERSIONS).bind(id.to_string()).fetch_one(&mut *tx).await.db()?;
            let rows = sqlx::query(VERSIONS)
                .bind(id.to_string())
                .bind(i64::from(page.size()))
                .bind(offset(page))
                .fetch_all(&mut *tx)
                .await
                .db()?;
            Ok(Page {
                items: rows.iter().map(version).collect::<Result<_, StoreError>>()?,
                total_items: number(&count, "total")?,
                request: page,
            })
        })
        .await
    }

    async fn edit(&self, id: PackageId, edit: PackageEdit) -> Result<Package, PackageError> {
        let edit = &edit;
        self.write(|mut tx| async move {
            let old =
                lock_package(&mut tx, self.dialect, id).await?.ok_or(PackageError::NotFound)?;
            if old.archived_at.is_some() {
                return Err(PackageError::Archived);
            }
            if old.version != edit.expected_version {
                return Err(PackageError::VersionMismatch { current: old.version });
            }
            let version = old.version + 1;
            let package = Package {
                name: edit.name.clone(),
                genres: edit.genres.clone(),
                version,
                floor_version: match edit.apply_to {
                    ApplyTo::New => old.floor_version,
                    ApplyTo::All => version,
                },
                updated_at: edit.now,
                ..old.clone()
            };
            sqlx::query(
                "UPDATE packages SET name = ?, name_key = ?, live_name_key = ?, genres = ?,
                version = ?, floor_version = ?, updated_at = ? WHERE id = ?",
            )
            .bind(package.name.as_str())
            .bind(package.name.key())
            .bind(package.name.key())
            .bind(to_json(&package.genres)?)
            .bind(i64::from(package.version))
            .bind(i64::from(package.floor_version))
            .bind(package.updated_at.as_millis())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .map_err(name_taken)?;
            insert_version(&mut tx, &package).await?;
            note(&mut tx, "package.edited", (Some(&old), &package)).await?;
            Ok(package)
        })
        .await
    }

    async fn archive(&self, id: PackageId, now: Timestamp) -> Result<Package, PackageError> {
        self.write(|mut tx| async move {
            let old =
                lock_package(&mut tx, self.dialect, id).await?.ok_or(PackageError::NotFound)?;
            if old.archived_at.is_some() {
                return Ok(old);
            }
            sqlx::query(
                "UPDATE packages SET archived_at = ?, updated_at = ?, live_name_key = NULL
             WHERE id = ?",
            )
            .bind(now.as_millis())
            .bind(now.as_millis())
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .db()?;
            let package = Package { archived_at: Some(now), updated_at: now, ..old.clone() };
            note(&mut tx, "package.archived", (Some(&old), &package)).await?;
            Ok(package)
        })
        .await
    }

    async fn version_genres(
        &self,
        versions: &[(PackageId, u32)],
    ) -> Result<HashMap<(PackageId, u32), GenreSet>, StoreError> {
        let mut found = HashMap::with_capacity(versions.len());
        for batch in versions.chunks(BATCH) {
            let rows = self
                .read(|mut tx| async move {
                    let mut query = genres_query(batch);
                    query.build().persistent(false).fetch_all(&mut *tx).await.db()
                })
                .await?;
            for row in &rows {
                let key = (parsed(row, "package_id")?, number(row, "version")?);
                found.insert(key, rows::json(row, "genres")?);
            }
        }
        Ok(found)
    }
}

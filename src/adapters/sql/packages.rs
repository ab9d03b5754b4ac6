//! The port of packages.

use std::collections::HashMap;

use async_trait::async_trait;
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
    SqlStore,
    dialect::{Dialect, for_update},
    errors::{Db, is_taken, store_error},
    idempotency::{self, Claim},
    rows::{contains, json, number, offset, optional, optional_time, parsed, time, to_json},
};

/// Versions that one statement asks for.
const BATCH: usize = 50;

fn package_of(row: &AnyRow) -> Result<Package, StoreError> {
    Ok(Package {
        id: parsed(row, "id")?,
        name: parsed(row, "name")?,
        genres: json(row, "genres")?,
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

#[async_trait]
impl Packages for SqlStore {
    async fn create(
        &self,
        package: NewPackage,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Package>, PackageError> {
        let mut tx = self.begin_write().await?;
        if let Claim::Repeated(package) =
            idempotency::claim(&mut tx, idempotency, package.now).await?
        {
            return Ok(Created::Before(package));
        }
        let created_by = maker(&mut tx, package.created_by).await?;
        let package = Package {
            id: PackageId::generate(),
            name: package.name,
            genres: package.genres,
            version: 1,
            floor_version: 1,
            created_at: package.now,
            updated_at: package.now,
            archived_at: None,
            created_by,
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
        .execute(&mut *tx)
        .await
        .map_err(name_taken)?;
        insert_version(&mut tx, &package).await?;
        idempotency::answer(&mut tx, idempotency, package.created_by, &package).await?;
        tx.commit().await.db()?;
        Ok(Created::Now(package))
    }

    async fn made_before(
        &self,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Package>, PackageError> {
        let mut tx = self.begin_snapshot().await?;
        Ok(idempotency::answered(&mut tx, key, now).await?)
    }

    async fn package(&self, id: PackageId) -> Result<Option<Package>, StoreError> {
        let row = sqlx::query("SELECT * FROM packages WHERE id = ?")
            .bind(id.to_string())
            .fetch_optional(self.reader())
            .await
            .db()?;
        row.as_ref().map(package_of).transpose()
    }

    async fn packages(
        &self,
        filter: &PackageFilter,
        page: PageRequest,
    ) -> Result<Page<Package>, StoreError> {
        let mut tx = self.begin_snapshot().await?;
        let mut count = QueryBuilder::new("SELECT COUNT(*) AS total FROM packages p");
        push_filter(&mut count, filter);
        let count = count.build().fetch_one(&mut *tx).await.db()?;
        let mut list = QueryBuilder::new("SELECT p.* FROM packages p");
        push_filter(&mut list, filter);
        list.push(" ORDER BY p.id LIMIT ").push_bind(i64::from(page.size()));
        list.push(" OFFSET ").push_bind(offset(page));
        let rows = list.build().fetch_all(&mut *tx).await.db()?;
        tx.commit().await.db()?;
        Ok(Page {
            items: rows.iter().map(package_of).collect::<Result<_, _>>()?,
            total_items: number(&count, "total")?,
            request: page,
        })
    }

    async fn versions(
        &self,
        id: PackageId,
        page: PageRequest,
    ) -> Result<Page<PackageVersion>, StoreError> {
        let mut tx = self.begin_snapshot().await?;
        let count =
            sqlx::query("SELECT COUNT(*) AS total FROM package_versions WHERE package_id = ?")
                .bind(id.to_string())
                .fetch_one(&mut *tx)
                .await
                .db()?;
        let rows = sqlx::query(
            "SELECT version, name, genres, created_at FROM package_versions
             WHERE package_id = ? ORDER BY version DESC LIMIT ? OFFSET ?",
        )
        .bind(id.to_string())
        .bind(i64::from(page.size()))
        .bind(offset(page))
        .fetch_all(&mut *tx)
        .await
        .db()?;
        tx.commit().await.db()?;
        let version = |row: &AnyRow| {
            Ok(PackageVersion {
                package: id,
                version: number(row, "version")?,
                name: parsed(row, "name")?,
                genres: json(row, "genres")?,
                created_at: time(row, "created_at")?,
            })
        };
        Ok(Page {
            items: rows.iter().map(version).collect::<Result<_, StoreError>>()?,
            total_items: number(&count, "total")?,
            request: page,
        })
    }

    async fn edit(&self, id: PackageId, edit: PackageEdit) -> Result<Package, PackageError> {
        let mut tx = self.begin_write().await?;
        let old = lock_package(&mut tx, self.dialect, id).await?.ok_or(PackageError::NotFound)?;
        if old.archived_at.is_some() {
            return Err(PackageError::Archived);
        }
        if old.version != edit.expected_version {
            return Err(PackageError::VersionMismatch { current: old.version });
        }
        let version = old.version + 1;
        let package = Package {
            name: edit.name,
            genres: edit.genres,
            version,
            floor_version: match edit.apply_to {
                ApplyTo::New => old.floor_version,
                ApplyTo::All => version,
            },
            updated_at: edit.now,
            ..old
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
        tx.commit().await.db()?;
        Ok(package)
    }

    async fn archive(&self, id: PackageId, now: Timestamp) -> Result<Package, PackageError> {
        let mut tx = self.begin_write().await?;
        let old = lock_package(&mut tx, self.dialect, id).await?.ok_or(PackageError::NotFound)?;
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
        tx.commit().await.db()?;
        Ok(Package { archived_at: Some(now), updated_at: now, ..old })
    }

    async fn version_genres(
        &self,
        versions: &[(PackageId, u32)],
    ) -> Result<HashMap<(PackageId, u32), GenreSet>, StoreError> {
        let mut found = HashMap::with_capacity(versions.len());
        for batch in versions.chunks(BATCH) {
            let mut query = QueryBuilder::new(
                "SELECT package_id, version, genres FROM package_versions WHERE ",
            );
            let mut either = query.separated(" OR ");
            for (package, version) in batch {
                either.push("(package_id = ").push_bind_unseparated(package.to_string());
                either.push_unseparated(" AND version = ");
                either.push_bind_unseparated(i64::from(*version)).push_unseparated(")");
            }
            let rows = query.build().persistent(false).fetch_all(self.reader()).await.db()?;
            for row in &rows {
                let key = (parsed(row, "package_id")?, number(row, "version")?);
                found.insert(key, json(row, "genres")?);
            }
        }
        Ok(found)
    }
}

//! Packages and their versions.

use std::collections::HashMap;

use async_trait::async_trait;

use super::{Created, IdempotencyKey, StoreError};
use crate::domain::{
    ApplyTo, GenreId, GenreSet, Package, PackageId, PackageName, PackageVersion, Page, PageRequest,
    Timestamp, UserId,
};

/// A package to be made. Its genres were checked against the synced list.
#[derive(Debug, Clone)]
pub struct NewPackage {
    /// Unique among packages that are not archived.
    pub name: PackageName,
    /// At least one.
    pub genres: GenreSet,
    /// Who makes it; `None` for the service itself.
    pub created_by: Option<UserId>,
    /// Now.
    pub now: Timestamp,
}

/// An edit of a package: it makes the next version.
#[derive(Debug, Clone)]
pub struct PackageEdit {
    /// The version that the editor saw.
    pub expected_version: u32,
    /// The new name.
    pub name: PackageName,
    /// The new genres, at least one.
    pub genres: GenreSet,
    /// Whom it concerns.
    pub apply_to: ApplyTo,
    /// Now.
    pub now: Timestamp,
}

/// Whether archived packages are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArchivedFilter {
    /// Only packages that are not archived.
    #[default]
    Exclude,
    /// Only archived ones.
    Only,
}

/// Which packages a list shows; everything that is set has to match.
#[derive(Debug, Clone, Default)]
pub struct PackageFilter {
    /// Text that the name contains, without regard to case.
    pub name: Option<String>,
    /// A genre that the latest version has.
    pub genre: Option<GenreId>,
    /// Archived ones.
    pub archived: ArchivedFilter,
}

/// Why a package was not made or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PackageError {
    /// There is no such package.
    #[error("there is no such package")]
    NotFound,
    /// Another package that is not archived has the name.
    #[error("another package has this name")]
    NameTaken,
    /// The editor saw another version.
    #[error("the package is at version {current}")]
    VersionMismatch {
        /// The latest version.
        current: u32,
    },
    /// It is archived and cannot be edited.
    #[error("the package is archived")]
    Archived,
    /// The idempotency key was used with other parameters.
    #[error("the idempotency key was used with other parameters")]
    KeyReused,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The store of packages.
#[async_trait]
pub trait Packages: Send + Sync {
    /// Makes a package with its version 1.
    ///
    /// # Errors
    /// `NameTaken`, `KeyReused`, `Store`.
    async fn create(
        &self,
        package: NewPackage,
        idempotency: Option<&IdempotencyKey>,
    ) -> Result<Created<Package>, PackageError>;

    /// What an earlier request with this key has made, as it was then; `None` where there was none.
    ///
    /// # Errors
    /// `KeyReused`, `Store`.
    async fn made_before(
        &self,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Option<Package>, PackageError>;

    /// One package, archived or not.
    async fn package(&self, id: PackageId) -> Result<Option<Package>, StoreError>;

    /// A page of packages in order of id, which is the order of their making.
    async fn packages(
        &self,
        filter: &PackageFilter,
        page: PageRequest,
    ) -> Result<Page<Package>, StoreError>;

    /// A page of a package's versions, newest first; empty when there is no such package.
    async fn versions(
        &self,
        id: PackageId,
        page: PageRequest,
    ) -> Result<Page<PackageVersion>, StoreError>;

    /// Makes the next version; with [`ApplyTo::All`] raises the floor version to it.
    ///
    /// # Errors
    /// `NotFound`, `Archived`, `NameTaken`, `VersionMismatch`, `Store`.
    async fn edit(&self, id: PackageId, edit: PackageEdit) -> Result<Package, PackageError>;

    /// Archives a package; one that is archived stays as it is.
    ///
    /// # Errors
    /// `NotFound`, `Store`.
    async fn archive(&self, id: PackageId, now: Timestamp) -> Result<Package, PackageError>;

    /// The genres of package versions; versions that do not exist are absent.
    async fn version_genres(
        &self,
        versions: &[(PackageId, u32)],
    ) -> Result<HashMap<(PackageId, u32), GenreSet>, StoreError>;
}

//! Packages of genres and their immutable versions.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    GenreSet, Invalid, PackageId, Timestamp, UserId, account::string_conversions, bounded_line,
};

/// A package as it stands now: its latest version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its identifier, the same over all versions.
    pub id: PackageId,
    /// Unique among packages that are not archived, compared without regard to case.
    pub name: PackageName,
    /// At least one genre.
    pub genres: GenreSet,
    /// From 1; every edit makes the next.
    pub version: u32,
    /// The lowest version that a subscription may be on.
    pub floor_version: u32,
    /// When the first version was made.
    pub created_at: Timestamp,
    /// When the latest version was made, or when it was archived.
    pub updated_at: Timestamp,
    /// Since when it takes no new subscriptions.
    pub archived_at: Option<Timestamp>,
    /// Who made it; `None` for what the service made itself and for accounts that are gone.
    pub created_by: Option<UserId>,
}

/// One immutable version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersion {
    /// The package.
    pub package: PackageId,
    /// From 1.
    pub version: u32,
    /// The name that this version gave.
    pub name: PackageName,
    /// The genres that this version gave.
    pub genres: GenreSet,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A package version, named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageRef {
    /// The package.
    pub id: PackageId,
    /// Its name in that version.
    pub name: PackageName,
    /// The version.
    pub version: u32,
}

/// Whom an edit of a package concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplyTo {
    /// Subscriptions made from now on.
    #[default]
    New,
    /// Today's subscribers too: the package's floor version is raised.
    All,
}

/// A package's name: one line of 1 to 100 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

impl PackageName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names are compared by: the name in lower case.
    #[must_use]
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for PackageName {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        bounded_line(raw, 100).map(Self)
    }
}

string_conversions!(PackageName);

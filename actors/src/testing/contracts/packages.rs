//! Contract of the `packages` port.

use futures_util::future::join_all;

use super::setup::{at, created_now, genre, genres, key, new_package, package, page, user};
use crate::{
    domain::{ApplyTo, Package, PackageId, UserId},
    ports::{ArchivedFilter, Created, NewPackage, PackageEdit, PackageError, PackageFilter},
    testing::SqlPorts,
};

fn edit(seen: u32, name: &str, ids: &[i64]) -> PackageEdit {
    PackageEdit {
        expected_version: seen,
        name: name.parse().unwrap(),
        genres: genres(ids),
        apply_to: ApplyTo::New,
        now: at(10),
    }
}

async fn names(ports: &SqlPorts, filter: PackageFilter) -> Vec<String> {
    let found = ports.packages.packages(&filter, page(1, 100)).await.unwrap();
    assert_eq!(found.total_items, found.items.len() as u64);
    found.items.iter().map(|package| package.name.to_string()).collect()
}

/// A new package is at version 1 and found again, with its maker if the account is there.
pub async fn a_package_is_found_again(ports: &SqlPorts) {
    let ada = user(ports, "ada").await.id;
    let new = NewPackage { created_by: Some(ada), ..new_package("Classics", &[35, 18, 18]) };
    let made = match ports.packages.create(new, None).await.unwrap() {
        Created::Now(package) => package,
        Created::Before(_) => panic!("it was made just now"),
    };
    assert_eq!((made.version, made.floor_version, made.archived_at), (1, 1, None));
    assert_eq!((made.created_at, made.updated_at), (at(0), at(0)));
    assert_eq!((&made.genres, made.created_by), (&genres(&[18, 35]), Some(ada)));
    assert_eq!(ports.packages.package(made.id).await.unwrap(), Some(made));
    assert_eq!(ports.packages.package(PackageId::generate()).await.unwrap(), None);

    let gone = NewPackage { created_by: Some(UserId::generate()), ..new_package("Gone", &[18]) };
    let gone = ports.packages.create(gone, None).await.unwrap().into_inner();
    assert_eq!(gone.created_by, None);
    assert_eq!(ports.packages.package(gone.id).await.unwrap(), Some(gone));
}

/// Names are unique, without regard to case, among packages that are not archived.
pub async fn a_name_belongs_to_one_live_package(ports: &SqlPorts) {
    let first = package(ports, "Élite", &[18]).await;
    let other = package(ports, "Other", &[18]).await;
    let taken = ports.packages.create(new_package("éLITE", &[18]), None).await;
    assert!(matches!(taken, Err(PackageError::NameTaken)));
    let renamed = ports.packages.edit(other.id, edit(1, "ÉLITE", &[18])).await;
    assert!(matches!(renamed, Err(PackageError::NameTaken)));
    assert_eq!(ports.packages.package(other.id).await.unwrap().unwrap().version, 1);
    let own = ports.packages.edit(first.id, edit(1, "ÉLITE", &[18])).await.unwrap();
    assert_eq!(own.name.as_str(), "ÉLITE");

    ports.packages.archive(first.id, at(1)).await.unwrap();
    let second = package(ports, "Élite", &[18]).await;
    ports.packages.archive(second.id, at(2)).await.unwrap();
    package(ports, "Élite", &[18]).await;
}

/// An edit makes the next version and leaves the earlier ones as they were.
pub async fn an_edit_makes_the_next_version(ports: &SqlPorts) {
    let made = package(ports, "Classics", &[18]).await;
    let second = ports.packages.edit(made.id, edit(1, "Classics 2", &[18, 35])).await.unwrap();
    let expected = Package {
        name: "Classics 2".parse().unwrap(),
        genres: genres(&[18, 35]),
        version: 2,
        updated_at: at(10),
        ..made.clone()
    };
    assert_eq!(second, expected);
    let for_all = PackageEdit { apply_to: ApplyTo::All, ..edit(2, "Classics 3", &[35]) };
    let third = ports.packages.edit(made.id, for_all).await.unwrap();
    assert_eq!((third.version, third.floor_version), (3, 3));
    let fourth = ports.packages.edit(made.id, edit(3, "Classics 4", &[99])).await.unwrap();
    assert_eq!((fourth.version, fourth.floor_version), (4, 3));
    assert_eq!(ports.packages.package(made.id).await.unwrap(), Some(fourth));

    let versions = ports.packages.versions(made.id, page(1, 3)).await.unwrap();
    assert_eq!(versions.total_items, 4);
    let seen: Vec<_> =
        versions.items.iter().map(|v| (v.version, v.name.as_str(), v.genres.clone())).collect();
    assert_eq!(
        seen,
        [
            (4, "Classics 4", genres(&[99])),
            (3, "Classics 3", genres(&[35])),
            (2, "Classics 2", genres(&[18, 35])),
        ]
    );
    let oldest = ports.packages.versions(made.id, page(2, 3)).await.unwrap();
    assert_eq!(oldest.items[0].created_at, at(0));
    assert_eq!(oldest.items[0].package, made.id);
    let none = ports.packages.versions(PackageId::generate(), page(1, 3)).await.unwrap();
    assert_eq!((none.items.len(), none.total_items), (0, 0));
}

/// Refusals of an edit come in one order: unknown, archived, stale, name taken.
pub async fn edits_are_refused_in_order(ports: &SqlPorts) {
    package(ports, "Taken", &[18]).await;
    let made = package(ports, "Classics", &[18]).await;
    let unknown = ports.packages.edit(PackageId::generate(), edit(9, "Taken", &[18])).await;
    assert!(matches!(unknown, Err(PackageError::NotFound)));
    let stale = ports.packages.edit(made.id, edit(9, "Taken", &[18])).await;
    assert!(matches!(stale, Err(PackageError::VersionMismatch { current: 1 })));
    let taken = ports.packages.edit(made.id, edit(1, "Taken", &[18])).await;
    assert!(matches!(taken, Err(PackageError::NameTaken)));
    ports.packages.archive(made.id, at(1)).await.unwrap();
    let archived = ports.packages.edit(made.id, edit(9, "Taken", &[18])).await;
    assert!(matches!(archived, Err(PackageError::Archived)));
}

/// Of editors who saw the same version one succeeds.
pub async fn edits_at_once_do_not_get_lost(ports: &SqlPorts) {
    let made = package(ports, "Classics", &[18]).await;
    let done = join_all((0..8).map(|n| {
        let edit = edit(1, &format!("Name {n}"), &[18]);
        ports.packages.edit(made.id, edit)
    }))
    .await;
    assert_eq!(done.iter().filter(|edit| edit.is_ok()).count(), 1);
    assert!(
        done.iter()
            .all(|edit| matches!(edit, Ok(_) | Err(PackageError::VersionMismatch { current: 2 })))
    );
    assert_eq!(ports.packages.versions(made.id, page(1, 10)).await.unwrap().total_items, 2);
}

/// Archiving keeps the version, and archiving again changes nothing.
pub async fn archiving_is_done_once(ports: &SqlPorts) {
    let made = package(ports, "Classics", &[18]).await;
    let archived = ports.packages.archive(made.id, at(5)).await.unwrap();
    let expected = Package { archived_at: Some(at(5)), updated_at: at(5), ..made.clone() };
    assert_eq!(archived, expected);
    assert_eq!(ports.packages.archive(made.id, at(9)).await.unwrap(), archived);
    assert_eq!(ports.packages.package(made.id).await.unwrap(), Some(archived));
    let unknown = ports.packages.archive(PackageId::generate(), at(5)).await;
    assert!(matches!(unknown, Err(PackageError::NotFound)));
}

/// Lists are filtered by text, by a genre of the latest version, and by archiving.
pub async fn lists_are_filtered(ports: &SqlPorts) {
    let drama = package(ports, "100% Drama", &[18]).await;
    let old = package(ports, "Old_School", &[18, 35]).await;
    package(ports, "OldXSchool", &[35]).await;
    ports.packages.edit(drama.id, edit(1, "100% Drama", &[99])).await.unwrap();

    let name = |text: &str| PackageFilter { name: Some(text.into()), ..PackageFilter::default() };
    let of = |id| PackageFilter { genre: Some(genre(id)), ..PackageFilter::default() };
    assert_eq!(names(ports, name("d_s")).await, ["Old_School"]);
    assert_eq!(names(ports, name("0%")).await, ["100% Drama"]);
    assert_eq!(names(ports, of(18)).await, ["Old_School"]);
    assert_eq!(names(ports, of(99)).await, ["100% Drama"]);
    assert_eq!(names(ports, of(7)).await.len(), 0);
    let both = PackageFilter { genre: Some(genre(35)), ..name("old") };
    assert_eq!(names(ports, both).await, ["Old_School", "OldXSchool"]);

    ports.packages.archive(old.id, at(5)).await.unwrap();
    assert_eq!(names(ports, name("old")).await, ["OldXSchool"]);
    let archived = PackageFilter { archived: ArchivedFilter::Only, ..PackageFilter::default() };
    assert_eq!(names(ports, archived).await, ["Old_School"]);
}

/// A list comes in the order of making, page by page, with its exact count.
pub async fn a_list_is_paged_in_order_of_making(ports: &SqlPorts) {
    let mut made = Vec::new();
    for n in (0..5).rev() {
        made.push(package(ports, &format!("Package {n}"), &[18]).await);
    }
    let all = PackageFilter::default();
    let second = ports.packages.packages(&all, page(2, 2)).await.unwrap();
    assert_eq!((second.items.as_slice(), second.total_items), (&made[2..4], 5));
    let beyond = ports.packages.packages(&all, page(4, 2)).await.unwrap();
    assert_eq!((beyond.items.len(), beyond.total_items), (0, 5));
}

/// The genres of versions come for those that exist, however many are asked for.
pub async fn genres_of_versions_are_found(ports: &SqlPorts) {
    let made = package(ports, "Classics", &[18]).await;
    ports.packages.edit(made.id, edit(1, "Classics", &[35, 99])).await.unwrap();
    let mut asked = vec![(made.id, 1), (made.id, 2), (made.id, 3)];
    asked.extend((0..200).map(|_| (PackageId::generate(), 1)));
    let found = ports.packages.version_genres(&asked).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[&(made.id, 1)], genres(&[18]));
    assert_eq!(found[&(made.id, 2)], genres(&[35, 99]));
    assert!(ports.packages.version_genres(&[]).await.unwrap().is_empty());
}

/// A repeated creation gets the first one's answer, and has no second effect.
pub async fn a_repeated_creation_is_answered_again(ports: &SqlPorts) {
    let create = key("admin POST /packages", "k", "print");
    let answers = join_all(
        (0..8).map(|_| ports.packages.create(new_package("Classics", &[18]), Some(&create))),
    )
    .await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(created_now(&answers), 1);
    let first = answers.into_iter().next().unwrap().into_inner();
    ports.packages.edit(first.id, edit(1, "Renamed", &[99])).await.unwrap();
    let again = ports.packages.create(new_package("Classics", &[18]), Some(&create)).await.unwrap();
    assert_eq!(again, Created::Before(first));
    let other = key("admin POST /packages", "k", "other");
    let refused = ports.packages.create(new_package("New", &[18]), Some(&other)).await;
    assert!(matches!(refused, Err(PackageError::KeyReused)));
}

/// Makes one test for each case of this suite.
#[macro_export]
macro_rules! packages_contract {
    ($make:path) => {
        $crate::contract_cases!(
            packages,
            $make,
            [
                a_package_is_found_again,
                a_name_belongs_to_one_live_package,
                an_edit_makes_the_next_version,
                edits_are_refused_in_order,
                edits_at_once_do_not_get_lost,
                archiving_is_done_once,
                lists_are_filtered,
                a_list_is_paged_in_order_of_making,
                genres_of_versions_are_found,
                a_repeated_creation_is_answered_again,
            ]
        );
    };
}

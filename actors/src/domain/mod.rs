//! The words and rules of WatchMe: pure types, no input or output.

mod account;
mod entitlement;
mod genre;
mod ids;
mod movie;
mod movie_query;
mod package;
mod page;
mod report;
mod subscription;
mod text;
mod time;
mod trace_parent;
mod watch;
mod watch_event;

pub use account::{Email, PersonName, Role, User, UserStatus};
pub use entitlement::{Entitlement, EntitlementMode, Holding};
pub use genre::{Genre, GenreList, GenreSet, ListedGenre, RemoteGenre, named_genres};
pub use ids::{EventId, GenreId, MovieId, PackageId, PlayId, SubscriptionId, UserId};
pub use movie::{CastMember, Movie, MovieDetails, MoviePage};
pub use movie_query::{GenreMode, MovieFilter, MovieQuery, MovieSort, MovieSortKey};
pub use package::{ApplyTo, Package, PackageName, PackageRef, PackageVersion};
pub use page::{MAX_PAGE_SIZE, Page, PageRequest};
pub use report::{FoldOutcome, LastFilm, Projection, Report, ThemeCount};
pub use subscription::Subscription;
pub use text::{Invalid, bounded_line};
pub use time::{Hour, Timestamp};
pub use trace_parent::TraceParent;
pub use watch::{MovieSnapshot, Play, Precision, Viewing, WatchedMark};
pub use watch_event::{MarkedMovie, PARTITIONS, WatchChange, WatchEvent, partition_of};

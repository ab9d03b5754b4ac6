//! The names on the wire: subjects, streams, types, headers.

use watchme_actors::domain::{MovieId, PARTITIONS, UserId, partition_of};

use super::settings::Namespace;

/// Who our events say they come from.
pub const SOURCE: &str = "/watchme";
/// The type of a watch event up to its kind, which follows after a dot. The last part is the
/// version: it changes when subscribers would have to change.
pub const WATCH_TYPE: &str = "watchme.watch.v1";
/// The type of a view.
pub const VIEWED_TYPE: &str = "watchme.movie.v1.viewed";

/// Subjects of watch events in the default namespace; the names are those of the AsyncAPI document.
pub const WATCH_SUBJECTS: &str = "watchme.watch.v1.{partition}.{kind}.{userId}";
/// Subjects of dead letters in the default namespace.
pub const DEAD_SUBJECTS: &str = "watchme.dead.v1.{partition}.{userId}";
/// Subjects of views in the default namespace.
pub const VIEWED_SUBJECTS: &str = "watchme.movie.v1.viewed.{movieId}";
/// The subject of changes in the default namespace. Between replicas only.
pub const CHANGE_SUBJECT: &str = "watchme.change.v1";
/// Where a replica hears itself, in the default namespace. Between replicas only.
pub const HEARTBEAT_SUBJECTS: &str = "watchme.heartbeat.v1.{replica}";

/// The header of a dead letter that says why it is one.
pub const HEADER_REASON: &str = "Watchme-Reason";
/// The header of a dead letter that says which subject it came on.
pub const HEADER_SUBJECT: &str = "Watchme-Subject";
/// The header of a dead letter with the identifier it was published with.
pub const HEADER_MESSAGE_ID: &str = "Watchme-Message-Id";

/// The user in the subject of a dead letter whose own subject names none.
const NOBODY: &str = "unknown";

/// The names of one installation.
#[derive(Debug, Clone)]
pub(super) struct Names {
    namespace: Namespace,
}

impl Names {
    pub(super) fn new(namespace: Namespace) -> Self {
        Self { namespace }
    }

    fn subject(&self, rest: std::fmt::Arguments<'_>) -> String {
        format!("{}.{rest}", self.namespace)
    }

    /// A subject that is written for the default namespace, in this one.
    pub(super) fn translated(&self, subject: &str) -> String {
        match subject.split_once('.') {
            Some((_, rest)) => self.subject(format_args!("{rest}")),
            None => subject.to_owned(),
        }
    }

    /// A stream that is named for the default namespace, in this one.
    pub(super) fn stream(&self, name: &str) -> String {
        if self.namespace.is_default() {
            name.to_owned()
        } else {
            format!("{}_{name}", self.namespace.to_string().to_uppercase())
        }
    }

    pub(super) fn watch(&self, kind: &str, user: UserId) -> String {
        self.subject(format_args!("watch.v1.{}.{kind}.{user}", partition_of(user)))
    }

    pub(super) fn dead(&self, partition: u8, user: Option<UserId>) -> String {
        match user {
            Some(user) => self.subject(format_args!("dead.v1.{partition}.{user}")),
            None => self.subject(format_args!("dead.v1.{partition}.{NOBODY}")),
        }
    }

    pub(super) fn viewed(&self, movie: MovieId) -> String {
        self.subject(format_args!("movie.v1.viewed.{movie}"))
    }

    pub(super) fn every_view(&self) -> String {
        self.subject(format_args!("movie.v1.viewed.*"))
    }

    pub(super) fn change(&self) -> String {
        self.subject(format_args!("change.v1"))
    }

    pub(super) fn heartbeat(&self, replica: &str) -> String {
        self.subject(format_args!("heartbeat.v1.{replica}"))
    }

    /// What a subject of the watch stream says; `None` when it is not one.
    pub(super) fn read_watch<'a>(&self, subject: &'a str) -> Option<WatchSubject<'a>> {
        let prefix = self.subject(format_args!("watch.v1."));
        let rest = subject.strip_prefix(&prefix)?;
        let mut parts = rest.split('.');
        let partition = parts.next()?.parse().ok().filter(|number| *number < PARTITIONS);
        let (kind, user) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let user = user.parse().ok().filter(|_| parts.next().is_none());
        Some(WatchSubject { partition, kind, user })
    }
}

/// What the subject of a watch event says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WatchSubject<'a> {
    pub(super) partition: Option<u8>,
    pub(super) kind: &'a str,
    pub(super) user: Option<UserId>,
}

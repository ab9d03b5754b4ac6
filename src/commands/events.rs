//! `watchme events`: what was put aside, and publishing again.

use std::{io::Write, str::FromStr, time::Duration};

use serde_json::json;
use watchme_actors::{
    domain::{Invalid, Timestamp},
    ports::{DeadLetter, DeadLetters, Outbox},
};

use super::TaskError;

/// Letters that are read at once.
const BATCH: u32 = 100;

/// Which letters are to be sent on their way again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// One.
    One(u64),
    /// Every one that is put aside when the command begins.
    All,
}

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// A moment.
    Moment(Timestamp),
    /// So long ago.
    Ago(Duration),
}

impl Since {
    pub(super) fn moment(self, now: Timestamp) -> Result<Timestamp, TaskError> {
        match self {
            Self::Moment(moment) if moment > now => Err(TaskError::SinceInFuture),
            Self::Moment(moment) => Ok(moment),
            Self::Ago(ago) => Ok(now.before(ago)),
        }
    }
}

impl FromStr for Since {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::Moment(moment));
        }
        humantime::parse_duration(text).map(Self::Ago).map_err(|_| {
            Invalid::new(
                "not_a_moment",
                "must be an RFC 3339 time such as 2026-03-01T20:15:00Z, or a duration such as 2h",
            )
        })
    }
}

pub(super) async fn list_dead(
    letters: &dyn DeadLetters,
    limit: u32,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let mut shown = 0;
    let mut after = 0;
    while shown < limit {
        let found = letters.list(after, BATCH.min(limit - shown)).await?;
        let Some(last) = found.last() else { break };
        after = last.id;
        for letter in &found {
            shown += 1;
            writeln!(out, "{}", if json { as_json(letter) } else { as_text(letter) })?;
        }
    }
    if !json {
        match shown {
            0 => writeln!(out, "nothing is put aside")?,
            _ if shown == limit => writeln!(out, "{shown} shown; there may be more (--limit)")?,
            _ => writeln!(out, "{shown} put aside")?,
        }
    }
    Ok(())
}

fn as_json(letter: &DeadLetter) -> String {
    let DeadLetter { id, at, reason, subject, message_id, original } = letter;
    json!({ "id": id, "at": at, "reason": reason, "subject": subject, "messageId": message_id,
        "original": original })
    .to_string()
}

/// One line, whatever was in the message.
fn as_text(letter: &DeadLetter) -> String {
    let plain = |text: &str| text.chars().filter(|it| !it.is_control()).collect::<String>();
    let DeadLetter { id, at, reason, subject, .. } = letter;
    format!("{id}  {at}  {}  {}", plain(subject), plain(reason))
}

pub(super) async fn replay_dead(
    letters: &dyn DeadLetters,
    which: Replay,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let ids = match which {
        Replay::One(id) => vec![id],
        Replay::All => every(letters).await?,
    };
    let mut replayed = 0_u64;
    for id in ids {
        match (letters.replay(id).await?, which) {
            (true, _) => replayed += 1,
            (false, Replay::One(_)) => return Err(TaskError::NoSuchLetter(id)),
            // Somebody else was quicker.
            (false, Replay::All) => {}
        }
    }
    writeln!(out, "{replayed} on their way again")?;
    Ok(())
}

/// All of them before the first is sent: one that is put aside again is not to be sent for ever.
async fn every(letters: &dyn DeadLetters) -> Result<Vec<u64>, TaskError> {
    let mut ids: Vec<u64> = Vec::new();
    loop {
        let found = letters.list(ids.last().copied().unwrap_or(0), BATCH).await?;
        if found.is_empty() {
            return Ok(ids);
        }
        ids.extend(found.iter().map(|letter| letter.id));
    }
}

pub(super) async fn republish(
    outbox: &dyn Outbox,
    since: Timestamp,
    out: &mut dyn Write,
) -> Result<(), TaskError> {
    let events = outbox.republish(since).await?;
    writeln!(out, "{events} events since {since} wait to be published again")?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use watchme_actors::ports::BusError;

    use super::*;

    /// Puts everything that is replayed aside again, under a new number.
    struct Letters(Mutex<Vec<DeadLetter>>);

    impl Letters {
        fn new(count: u64) -> Self {
            Self(Mutex::new((1..=count).map(letter).collect()))
        }

        fn ids(&self) -> Vec<u64> {
            self.0.lock().unwrap().iter().map(|letter| letter.id).collect()
        }
    }

    fn letter(id: u64) -> DeadLetter {
        DeadLetter {
            id,
            at: Timestamp::EPOCH,
            reason: "not\nJSON".to_owned(),
            subject: "watchme.watch.v1.3.marked.x".to_owned(),
            message_id: format!("m{id}"),
            original: "{\"half".to_owned(),
        }
    }

    #[async_trait]
    impl DeadLetters for Letters {
        async fn list(&self, after: u64, limit: u32) -> Result<Vec<DeadLetter>, BusError> {
            let letters = self.0.lock().unwrap();
            let found = letters.iter().filter(|letter| letter.id > after);
            Ok(found.take(limit as usize).cloned().collect())
        }

        async fn replay(&self, id: u64) -> Result<bool, BusError> {
            let mut letters = self.0.lock().unwrap();
            let Some(place) = letters.iter().position(|letter| letter.id == id) else {
                return Ok(false);
            };
            letters.remove(place);
            let next = letters.last().map_or(id, |letter| letter.id) + 1;
            letters.push(letter(next));
            Ok(true)
        }
    }

    async fn listed(letters: &Letters, limit: u32, json: bool) -> String {
        let mut out = Vec::new();
        list_dead(letters, limit, json, &mut out).await.unwrap();
        String::from_utf8(out).unwrap()
    }

    #[tokio::test]
    async fn letters_are_listed_a_line_each_up_to_a_limit() {
        let letters = Letters::new(250);
        let all = listed(&letters, 1_000, false).await;
        assert_eq!(all.lines().count(), 251);
        let first = "1  1970-01-01T00:00:00Z  watchme.watch.v1.3.marked.x  notJSON";
        assert_eq!(all.lines().next().unwrap(), first);
        assert_eq!(all.lines().last().unwrap(), "250 put aside");
        assert_eq!(listed(&letters, 120, false).await.lines().count(), 121);
        assert_eq!(listed(&Letters::new(0), 10, false).await, "nothing is put aside\n");
        let json = listed(&letters, 2, true).await;
        let lines: Vec<serde_json::Value> =
            json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[1]["id"], &lines[1]["original"]), (&json!(2), &json!("{\"half")));
    }

    #[tokio::test]
    async fn letters_are_replayed_once_even_where_they_come_back() {
        let letters = Letters::new(150);
        let mut out = Vec::new();
        replay_dead(&letters, Replay::All, &mut out).await.unwrap();
        assert_eq!(out, b"150 on their way again\n");
        assert_eq!(letters.ids(), (151..=300).collect::<Vec<_>>());
        replay_dead(&letters, Replay::One(200), &mut out).await.unwrap();
        let missing = replay_dead(&letters, Replay::One(200), &mut out).await;
        assert!(matches!(missing, Err(TaskError::NoSuchLetter(200))));
    }

    #[test]
    fn a_moment_is_a_time_or_so_long_ago() {
        let now = Timestamp::from_millis(10_000_000_000);
        let moment = |text: &str| text.parse::<Since>().unwrap().moment(now);
        assert_eq!(moment("1970-01-01T00:00:01Z").unwrap(), Timestamp::from_millis(1_000));
        assert_eq!(moment("2h 30m").unwrap(), now.before(Duration::from_secs(9_000)));
        assert!(matches!(moment("2100-01-01T00:00:00Z"), Err(TaskError::SinceInFuture)));
        for wrong in ["", "yesterday", "2026-03-01", "2", "-2h"] {
            assert!(wrong.parse::<Since>().is_err(), "{wrong}");
        }
    }
}

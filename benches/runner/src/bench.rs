//! What the rows share: settings, stores to begin from, and one service that several rows load.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    arguments::Arguments,
    error::{BenchError, Outcome},
    report::Report,
    seed::{self, Accounts},
    server::Server,
    users::{PASSWORD, User, users},
};

/// Accounts of the small database, all of them signed in, with every package.
pub(crate) const USERS: u32 = 1_000;
/// Clients that ask at once, unless a row says otherwise, each of them a user.
pub(crate) const CLIENTS: usize = 64;
/// Marks that each account has, unless a row says otherwise.
pub(crate) const HISTORY: u32 = 10;
/// What the folder of a run's stores is called.
const STORES: &str = "stores-";
/// Films on one page when all are listed.
const PAGE: usize = 100;

/// How thoroughly is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thoroughness {
    pub(crate) quick: bool,
    pub(crate) films: u32,
    pub(crate) history: u32,
    pub(crate) users: u32,
    pub(crate) connections: u32,
    /// Of one round.
    pub(crate) time: Duration,
    /// Of each side.
    pub(crate) rounds: u32,
}

impl From<&Arguments> for Thoroughness {
    fn from(given: &Arguments) -> Self {
        let quick = given.quick;
        let (films, history, users) =
            if quick { (100_000, 2_000, 100_000) } else { (1_000_000, 10_000, 1_000_000) };
        let (seconds, rounds) = if quick { (0.8, 3) } else { (2.0, 5) };
        Self {
            quick,
            films: given.films.unwrap_or(films),
            history: given.history.unwrap_or(history),
            users: given.users.unwrap_or(users),
            connections: given.connections.unwrap_or(10_000),
            time: Duration::from_secs_f64(given.seconds.unwrap_or(seconds)),
            rounds: given.rounds.unwrap_or(rounds),
        }
    }
}

/// A data folder to begin from: the demo catalogue, the first accounts, each with a short history.
#[derive(Clone)]
pub(crate) struct Base {
    data: PathBuf,
    /// The films that the accounts may see, as the default order has them.
    pub(crate) films: Rc<[u32]>,
    /// The accounts.
    pub(crate) users: Rc<[User]>,
}

/// A run of the benchmark.
pub(crate) struct Bench {
    pub(crate) how: Thoroughness,
    pub(crate) report: Report,
    base: Option<Base>,
    /// Ends before its folder goes.
    service: Option<Rc<Server>>,
    folder: TempDir,
    _lock: File,
}

impl Bench {
    /// A run that keeps its stores below `folder`, which has to be on a real disk: half of what is
    /// measured is how fast that takes what must not be lost.
    pub(crate) fn new(how: Thoroughness, folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| BenchError::unexpected(format!("another run: {error}")))?;
        // What a run leaves behind that was killed is large.
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(STORES)) {
                fs::remove_dir_all(path)?;
            }
        }
        let folder = tempfile::Builder::new().prefix(STORES).tempdir_in(folder)?;
        Ok(Self { how, report: Report::new(&how), folder, _lock: lock, base: None, service: None })
    }

    /// A place for a file or folder of this run.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The stores to begin from.
    pub(crate) fn base(&mut self) -> Outcome<Base> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let base = made(self.place("base"))?;
        self.base = Some(base.clone());
        Ok(base)
    }

    /// A copy of the stores to begin from, which goes when it is dropped.
    pub(crate) fn copy(&mut self) -> Outcome<TempDir> {
        let copy = TempDir::new_in(self.folder.path())?;
        seed::copy(&self.base()?.data, copy.path())?;
        Ok(copy)
    }

    /// The service that several rows load.
    pub(crate) fn service(&mut self) -> Outcome<Rc<Server>> {
        if let Some(service) = &self.service {
            return Ok(Rc::clone(service));
        }
        // To the end of the run.
        let data = self.copy()?.keep();
        let service = Rc::new(started(&data, &self.base()?)?);
        self.service = Some(Rc::clone(&service));
        Ok(service)
    }
}

/// WatchMe over a copy of the stores to begin from, ready for everything.
pub(crate) fn started(data: &Path, base: &Base) -> Outcome<Server> {
    let mut server = Server::watchme(data, &[])?;
    server.first_answer(base.users.first(), LIST)?;
    server.complete()?;
    server.settle()?;
    Ok(server)
}

/// The list that everybody sees first.
pub(crate) const LIST: &str = "/api/v1/movies";

fn made(data: PathBuf) -> Outcome<Base> {
    let mut server = Server::watchme(&data, &[])?;
    server.complete()?;
    register(&server, "first@bench.example")?;
    server.stop()?;
    let accounts = Accounts { numbers: 0..USERS, active: true, marks: HISTORY };
    seed::accounts(&data, &accounts)?;

    let users: Rc<[User]> = users(0..USERS)?.into();
    let mut server = Server::watchme(&data, &[])?;
    server.first_answer(users.first(), LIST)?;
    let films = permitted(&server, users.first())?.into();
    let report = server.api(users.last())?.get("/api/v1/reports/me")?;
    if report["totalFilmsWatched"] != HISTORY {
        return Err(BenchError::unexpected(format!("a seeded report is {report}")));
    }
    server.stop()?;
    Ok(Base { data, films, users })
}

/// Makes an account by hand.
pub(crate) fn register(server: &Server, email: &str) -> Outcome<()> {
    let account = json!({ "email": email, "password": PASSWORD, "name": "Bench" });
    server.api(None)?.post("/api/v1/auth/register", &account).map(drop)
}

/// The films that a user may see.
pub(crate) fn permitted(server: &Server, user: Option<&User>) -> Outcome<Vec<u32>> {
    let api = server.api(user)?;
    let mut films = Vec::new();
    for number in 1.. {
        let page = api.get(&format!("{LIST}?pageSize={PAGE}&pageNumber={number}"))?;
        let found = page["data"].as_array().map_or(&[][..], Vec::as_slice);
        let id = |film: &Value| film["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        films.extend(found.iter().filter_map(id));
        if page["pagination"]["lastPage"] != Value::Bool(false) {
            break;
        }
    }
    Ok(films)
}

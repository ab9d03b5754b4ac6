//! The whole service in the test's process, on port 0, in a folder of its own.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;
use watchme::{app::Application, config::Config};
use watchme_actors::{Handles, catalogue_sync::CatalogueState};

use super::{
    Client,
    backend::{self, Backend},
    unthrottled::UNTHROTTLED,
};

pub const ADMIN_EMAIL: &str = "admin@watchme.example";
pub const ADMIN_PASSWORD: &str = "correct horse battery";
pub const USER_PASSWORD: &str = "a user's pass phrase";

/// A running service. Dropping it stops it in order.
pub struct TestApp {
    /// Nobody, at this service.
    pub client: Client,
    /// The ways to its actors.
    pub handles: Handles,
    folder: Option<TempDir>,
    backend: Option<Backend>,
    settings: Vec<(String, String)>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestApp {
    /// With the demo catalogue, complete from the start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With the demo catalogue, complete from the start, and settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        if backend::is_embedded() {
            copy(template().await, folder.path());
        }
        let app = Self::start_in(folder, Backend::for_the_demo().await, settings).await;
        app.catalogue_ready().await;
        app
    }

    /// With everything in its folder, also in a run over engines: for what is said of folders.
    pub async fn start_in_its_folder() -> Self {
        Self::start_in(TempDir::new().unwrap(), None, &[]).await
    }

    /// In a folder with nothing in it: a first start.
    pub async fn start_empty(settings: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().unwrap(), Backend::fresh().await, settings).await
    }

    async fn start_in(
        folder: TempDir,
        mut backend: Option<Backend>,
        settings: &[(&str, &str)],
    ) -> Self {
        if let Some(backend) = &mut backend
            && settings.iter().any(|(name, _)| name.starts_with("TMDB_"))
        {
            backend.spoil();
        }
        let mut all: Vec<(String, String)> = [
            ("WATCHME_LISTEN", "127.0.0.1:0"),
            ("WATCHME_DATA_DIR", folder.path().to_str().unwrap()),
            ("WATCHME_WORKERS", "2"),
            ("WATCHME_ADMIN_EMAIL", ADMIN_EMAIL),
            ("WATCHME_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ]
        .iter()
        .chain(UNTHROTTLED)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let engines = backend.iter().flat_map(Backend::settings);
        all.extend(engines.map(|(name, value)| (name.to_owned(), value)));
        all.extend(settings.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let map: HashMap<String, String> = all.iter().cloned().collect();
        let missing = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
        let config = Config::load(&|name| map.get(name).cloned(), &missing).unwrap();

        let (started, starting) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let application = Application::start(config).await.unwrap();
                let handles = application.handles().clone();
                let _ = started.send((application.address(), handles));
                let stop = async {
                    let _ = stopped.await;
                    Ok(())
                };
                application.run_until(stop).await.unwrap();
            });
        });
        let (address, handles) = starting.await.expect("the service starts");
        Self {
            client: Client::new(format!("http://{address}")),
            handles,
            folder: Some(folder),
            backend,
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops it in order; what it keeps stays until this is dropped.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(std::thread::panicking() || outcome.is_ok(), "the service stops in order");
        }
    }

    /// Stops it in order and starts it again in the same folder.
    pub async fn restart(mut self) -> Self {
        let (folder, backend) = (self.folder.take().unwrap(), self.backend.take());
        let settings = std::mem::take(&mut self.settings);
        drop(self);
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self::start_in(folder, backend, &settings).await
    }

    /// Stops it in order and starts it again in the same folder with other settings.
    pub async fn restart_with(mut self, settings: &[(&str, &str)]) -> Self {
        let (folder, backend) = (self.folder.take().unwrap(), self.backend.take());
        drop(self);
        Self::start_in(folder, backend, settings).await
    }

    /// What it keeps its things in, unless that is the folder.
    pub fn backend(&self) -> Option<&Backend> {
        self.backend.as_ref()
    }

    /// Its data folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.as_ref().unwrap().path().to_owned()
    }

    /// The first admin, signed in.
    pub async fn admin(&self) -> Client {
        self.client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await
    }

    /// A new user, signed in.
    pub async fn user(&self) -> Client {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let email = format!("user{number}@example.com");
        let body =
            json!({ "email": email, "password": USER_PASSWORD, "name": format!("User {number}") });
        self.client.post("/auth/register", &body).await.expect(201);
        self.client.login(&email, USER_PASSWORD).await
    }

    /// A new user with a subscription to a new package of these genres.
    pub async fn subscriber(&self, genre_ids: &[i64]) -> Client {
        let user = self.user().await;
        let name = format!("Package of {}", user.id);
        let package = self.admin().await.make_package(&name, genre_ids).await;
        user.subscribe(&package).await;
        user
    }

    /// Waits until the catalogue is complete.
    pub async fn catalogue_ready(&self) {
        let ready = self.handles.catalogue_sync.wait_for(|it| it.state == CatalogueState::Ready);
        tokio::time::timeout(Duration::from_secs(60), ready).await.expect("a complete catalogue");
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A data folder after a complete first start, made once for every test of the process.
async fn template() -> &'static Path {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _making = MAKING.lock().await;
    if TEMPLATE.get().is_none() {
        let mut app = TestApp::start_empty(&[]).await;
        app.catalogue_ready().await;
        let folder = app.folder.take().unwrap();
        drop(app);
        TEMPLATE.set(folder).expect("nobody else makes it");
    }
    TEMPLATE.get().expect("it was made").path()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

//! The HTTP interface over real stores that stop answering: what cannot be done is refused at once
//! with when to try again, what can be done goes on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

use std::{net::TcpListener, sync::Arc, thread::JoinHandle, time::Duration};

use actix::Arbiter;
use serde_json::json;
use support::{
    Client,
    app::USER_PASSWORD,
    stores::{Bus, Stores},
};
use tokio::sync::oneshot;
use watchme::{
    adapters::metadata::DemoCatalogue,
    auth::{Keys, Passwords},
    config::{PackageCreators, PasswordConfig, Secret, SessionConfig, ThrottleConfig},
    http,
};
use watchme_actors::{
    catalogue_sync::CatalogueState,
    domain::EntitlementMode,
    ports::{Clock, NewPackage, Packages, SystemClock},
};

const PASSWORDS: PasswordConfig =
    PasswordConfig { memory: 19_456, passes: 2, lanes: 1, queue: 32, wait: Duration::from_secs(2) };

/// The service as `app.rs` composes it, with its stores within reach.
struct Service {
    client: Client,
    stores: Arc<Stores>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    async fn start() -> Self {
        let (started, starting) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let stores = Arc::new(Stores::fresh().await);
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let bus = stores.bus().await;
                let server = compose(&stores, &bus, listener).await;
                let handle = server.handle();
                actix_web::rt::spawn(server);
                let _ = started.send((address, stores));
                let _ = stopped.await;
                handle.stop(false).await;
                bus.close().await;
            });
        });
        let (address, stores) = starting.await.unwrap();
        Self {
            client: Client::new(format!("http://{address}")),
            stores,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    async fn subscriber(&self) -> Client {
        let account =
            json!({ "email": "ada@example.com", "password": USER_PASSWORD, "name": "Ada" });
        self.client.post("/auth/register", &account).await.expect(201);
        let user = self.client.login("ada@example.com", USER_PASSWORD).await;
        user.subscribe(&user.package("Drama").await).await;
        user
    }

    /// What the metrics say of stores and bus.
    async fn dependencies(&self) -> [(&'static str, bool); 3] {
        let metrics = self.client.get("//metrics").await.text();
        ["bus", "documents", "sql"].map(|name| {
            let line = |up| format!("watchme_dependency_up{{dependency=\"{name}\"}} {up}\n");
            assert!(metrics.contains(&line(0)) != metrics.contains(&line(1)), "{name}: {metrics}");
            (name, metrics.contains(&line(1)))
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
        let _ = self.thread.take().unwrap().join();
    }
}

async fn compose(stores: &Stores, bus: &Bus, listener: TcpListener) -> actix_web::dev::Server {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let listening = listener.local_addr().unwrap();
    let sql = Arc::new(stores.sql.clone());
    let (documents, bus) = (stores.documents.clone(), bus.clone());
    let drama = NewPackage {
        name: "Drama".parse().unwrap(),
        genres: [18.try_into().unwrap()].into_iter().collect(),
        created_by: None,
        now: clock.now(),
    };
    Packages::create(&*sql, drama, None).await.unwrap();
    let handles = watchme_actors::start(
        &Arbiter::current(),
        watchme_actors::Ports {
            packages: sql.clone(),
            subscriptions: sql.clone(),
            watch_log: sql.clone(),
            outbox: sql.clone(),
            lease: stores.lease(),
            housekeeping: sql.clone(),
            mails: None,
            catalogue: documents.catalogue.clone(),
            genres: documents.genres,
            reports: documents.reports,
            sync_log: documents.sync_log,
            trending: documents.trending,
            metadata: Arc::new(DemoCatalogue::new(Arc::clone(&clock)).unwrap()),
            bus: bus.events.clone(),
            changes: bus.changes.clone(),
            views: bus.views,
            clock: Arc::clone(&clock),
        },
        watchme_actors::Settings {
            genre_sync_interval: Duration::from_secs(7_200),
            catalogue_pages: 2,
            tmdb_rate: None,
            movie_ttl: Duration::from_secs(300),
            entitlement_mode: EntitlementMode::Any,
            entitlement_max_age: Duration::from_secs(60),
            entitlement_max_age_alone: Duration::from_secs(2),
            audit_retention: Duration::from_secs(86_400),
        },
    );
    handles.catalogue_sync.wait_for(|it| it.state == CatalogueState::Ready).await;
    let state = http::AppState::new(
        http::Ports {
            accounts: sql.clone(),
            sessions: sql.clone(),
            mail_queue: sql.clone(),
            mail_tokens: sql.clone(),
            packages: sql.clone(),
            subscriptions: sql.clone(),
            watch_log: sql.clone(),
            audit: sql.clone(),
            throttles: sql.clone(),
            catalogue: documents.catalogue,
            changes: bus.changes,
            sql: sql.clone(),
            documents: documents.probe,
            bus: bus.events,
            pools: sql.clone(),
            traces: None,
            clock,
        },
        handles,
        http::Auth {
            keys: Keys { current: Secret::new("k".repeat(32)), previous: None },
            sessions: SessionConfig {
                access_token_ttl: Duration::from_secs(900),
                idle: Duration::from_secs(3_600),
                lifetime: Duration::from_secs(3_600),
                grace: Duration::from_secs(10),
            },
            passwords: Passwords::new(PASSWORDS).unwrap(),
        },
        http::Settings {
            listening,
            entitlement_mode: EntitlementMode::Any,
            package_creators: PackageCreators::Admin,
            self_service: true,
            email_verification: false,
            image_base_url: "https://image.example/t/p".parse().unwrap(),
            page_ttl: Duration::from_secs(300),
            throttles: ThrottleConfig::default(),
            trusted_proxies: Vec::new(),
            replicated: false,
        },
        Arc::default(),
    )
    .unwrap();
    let settings = http::ServerSettings {
        workers: Some(1),
        connections: 1_000,
        cors_origins: Vec::new(),
        https_only: false,
    };
    http::server(state, settings, listener).unwrap()
}

#[tokio::test]
async fn without_sql_everything_that_needs_it_is_503_and_says_when_to_try_again() {
    let service = Service::start().await;
    let user = service.subscriber().await;
    user.get("/movies").await.expect(200);
    assert!(service.client.get("//readyz").await.status < 300);
    service.stores.sql.close().await;

    assert!(service.client.get("//livez").await.status < 300);
    assert_eq!(service.client.get("//readyz").await.status, 503);
    let health = service.client.get("//health").await.expect(200);
    assert_eq!(
        (&health["status"], &health["checks"]["sql"]["status"]),
        (&json!("fail"), &json!("fail"))
    );
    assert_eq!(service.dependencies().await, [("bus", true), ("documents", true), ("sql", false)]);
    // The role of an account is remembered for 2 s; after that nobody can be let in.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    for path in ["/users/me", "/packages", "/movies", "/reports/me"] {
        let answer = user.get(path).await;
        answer.problem(503, "store_unavailable");
        assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|wait| wait > 0), "{path}");
    }
    let login = json!({ "email": "ada@example.com", "password": USER_PASSWORD });
    service.client.post("/auth/login", &login).await.problem(503, "store_unavailable");
}

#[tokio::test]
async fn without_documents_marks_and_reports_go_on() {
    let service = Service::start().await;
    let user = service.subscriber().await;
    let film = user.get("/movies?pageSize=1").await.data()[0]["id"].as_u64().unwrap();
    user.put(&format!("/watched/{film}"), &json!({})).await.expect(201);
    service.stores.documents.close().await;

    assert!(service.client.get("//readyz").await.status < 300);
    let health = service.client.get("//health").await.expect(200);
    assert_eq!(health["status"], "warn", "{health}");
    assert_eq!(service.dependencies().await, [("bus", true), ("documents", false), ("sql", true)]);
    assert_eq!(user.get("/reports/me").await.expect(200)["totalFilmsWatched"], 1);
    user.put(&format!("/watched/{film}"), &json!({})).await.expect(200);
    user.get("/watched").await.expect(200);
    user.get("/movies?sort=title").await.problem(503, "store_unavailable");
}

#[tokio::test]
async fn more_logins_than_can_wait_are_told_to_come_back() {
    let service = Service::start().await;
    service.subscriber().await;
    let login = json!({ "email": "ada@example.com", "password": USER_PASSWORD });
    let answers = (0..200).map(|_| service.client.post("/auth/login", &login));
    let answers = futures_util::future::join_all(answers).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert!(!refused.is_empty(), "200 at once are more than can be hashed");
    for answer in refused {
        answer.problem(503, "overloaded");
        assert!(!answer.header("retry-after").is_empty());
    }
    service.client.login("ada@example.com", USER_PASSWORD).await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    use std::io::{Read, Write};
    let service = Service::start().await;
    let address = service.client.base.trim_start_matches("http://").to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(12))).unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\n\
                    content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"email\":";
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
}

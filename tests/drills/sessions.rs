//! Whatever ends access on one replica ends it on the other, also where nobody tells it; and two
//! replicas that are asked for the same refresh give one answer.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    replica::Replica,
    size::Size,
    support::{Client, app::USER_PASSWORD, proxy::Line, smtp::SmtpDouble},
    world::World,
};

/// What a replica remembers of an account, and a little for a machine that has more to do.
const BOUND: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 50;

/// What ends access.
#[derive(Debug, Clone, Copy)]
enum End {
    Logout,
    EndedElsewhere,
    PasswordChanged,
    PasswordReset,
    Disabled,
    Deleted,
}

const ENDS: [End; 6] = [
    End::Logout,
    End::EndedElsewhere,
    End::PasswordChanged,
    End::PasswordReset,
    End::Disabled,
    End::Deleted,
];

pub async fn ended(size: Size) -> String {
    let smtp = SmtpDouble::start().await;
    let url = smtp.url();
    let mails = [("WATCHME_SMTP_URL", url.as_str()), ("WATCHME_MAIL_FROM", "drill@example.com")];
    let world = World::engines_with(&mails).await;
    let mut replicas = world.replicas(2).await;
    let mut scene = Scene::of(&replicas, smtp).await;
    let mut text = String::from("refused elsewhere after at most");
    // B is told, or is not: then it asks again by itself.
    for (name, line) in [("with NATS", Line::Open), ("with A cut off from it", Line::Cut)] {
        let mut slowest = Duration::ZERO;
        for _ in 0..size.pick(2, 20) {
            for end in ENDS {
                let holder = scene.sign_in().await;
                replicas[0].nats_line().set(line);
                slowest = slowest.max(scene.end(end, &holder).await);
                replicas[0].nats_line().set(Line::Open);
            }
        }
        replicas[0].hears().await;
        let _ = write!(text, " {:.0} ms {name},", slowest.as_secs_f64() * 1e3);
    }
    let rounds = size.pick(3, 30);
    for _ in 0..rounds {
        scene.refresh_at_once().await;
        scene.reuse().await;
    }
    for replica in &mut replicas {
        replica.terminate();
    }
    let _ = write!(
        text,
        " {} kinds of end; {rounds} times {AT_ONCE} refreshes at once were one step, and reuse ended the session on both",
        ENDS.len()
    );
    text
}

struct Scene {
    a: Client,
    b: Client,
    admin: Client,
    smtp: SmtpDouble,
    users: u32,
}

/// Somebody signed in, known to both replicas.
struct Holder {
    at_a: Client,
    at_b: Client,
    email: String,
    refresh_token: String,
}

fn text(tokens: &Value, name: &str) -> String {
    tokens[name].as_str().expect("it is a text").to_owned()
}

impl Scene {
    async fn of(replicas: &[Replica], smtp: SmtpDouble) -> Self {
        let (a, b) = (replicas[0].client(), replicas[1].client());
        Self { admin: replicas[0].admin().await, a, b, smtp, users: 0 }
    }

    async fn sign_in(&mut self) -> Holder {
        self.users += 1;
        let email = format!("session{}@example.com", self.users);
        let body = json!({ "email": email, "password": USER_PASSWORD, "name": "Holder" });
        self.a.post("/auth/register", &body).await.expect(201);
        let body = json!({ "email": email, "password": USER_PASSWORD });
        let tokens = self.a.post("/auth/login", &body).await.expect(200);
        let token = text(&tokens, "accessToken");
        let holder = Holder {
            at_a: self.a.with_token(&token),
            at_b: self.b.with_token(&token),
            email,
            refresh_token: text(&tokens, "refreshToken"),
        };
        // The worst moment: both have just seen that it counts.
        for client in [&holder.at_a, &holder.at_b] {
            client.get("/users/me").await.expect(200);
        }
        holder
    }

    /// Ends somebody's access on A; how long after the answer B refuses it.
    async fn end(&self, end: End, holder: &Holder) -> Duration {
        let me = holder.at_a.get("/users/me").await.expect(200);
        let id = text(&me, "id");
        let code = match end {
            End::Logout => {
                holder.at_a.post("/auth/logout", &json!({})).await.expect(204);
                "session_ended"
            }
            End::EndedElsewhere => {
                let session = holder.at_a.get("/auth/sessions").await.data()[0]["id"].clone();
                let other = self.a.login(&holder.email, USER_PASSWORD).await;
                let path = format!("/auth/sessions/{}", session.as_str().expect("an id"));
                other.delete(&path).await.expect(204);
                "session_ended"
            }
            End::PasswordChanged => {
                let other = self.a.login(&holder.email, USER_PASSWORD).await;
                let change = json!({ "currentPassword": USER_PASSWORD,
                    "newPassword": "an altogether different one" });
                other.put("/auth/password", &change).await.expect(204);
                "session_ended"
            }
            End::PasswordReset => {
                let forgot = json!({ "email": holder.email });
                self.a.post("/auth/password/forgot", &forgot).await.expect(202);
                let mails = self.smtp.mails_to(&holder.email, 1).await;
                let reset = json!({ "token": mails[0].token(),
                    "password": "an altogether different one" });
                self.a.post("/auth/password/reset", &reset).await.expect(204);
                "session_ended"
            }
            End::Disabled => {
                let change = json!({ "status": "disabled" });
                self.admin.patch(&format!("/admin/users/{id}"), &change).await.expect(200);
                "account_inactive"
            }
            End::Deleted => {
                holder.at_a.delete(&format!("/users/{id}")).await.expect(204);
                "account_inactive"
            }
        };
        let began = Instant::now();
        holder.at_a.get("/users/me").await.problem(401, code);
        loop {
            let answer = holder.at_b.get("/users/me").await;
            if answer.status == 401 {
                answer.problem(401, code);
                break;
            }
            assert!(began.elapsed() < BOUND, "{end:?}: still let in {:?} after", began.elapsed());
            sleep(Duration::from_millis(5)).await;
        }
        let refused = began.elapsed();
        for replica in [&self.a, &self.b] {
            refresh(replica, &holder.refresh_token).await.expect_err("it is over");
        }
        refused
    }

    /// One token presented many times at once to both replicas.
    async fn refresh_at_once(&mut self) {
        let holder = self.sign_in().await;
        let answers = join_all((0..AT_ONCE).map(|n| {
            let replica = if n % 2 == 0 { &self.a } else { &self.b };
            refresh(replica, &holder.refresh_token)
        }))
        .await;
        let children: Vec<String> = answers.into_iter().map(|it| it.expect("an answer")).collect();
        assert!(children.iter().all(|child| *child == children[0]), "one step, one answer");
        let next = refresh(&self.b, &children[0]).await.expect("the child counts");
        assert_ne!(next, children[0]);
        assert_eq!(holder.at_b.get("/auth/sessions").await.data().len(), 1);
    }

    /// The first token of three comes again.
    async fn reuse(&mut self) {
        let holder = self.sign_in().await;
        let second = refresh(&self.a, &holder.refresh_token).await.expect("the second");
        let third = refresh(&self.b, &second).await.expect("the third");
        refresh(&self.b, &holder.refresh_token).await.expect_err("it was stolen");
        let began = Instant::now();
        for (client, replica) in [(&holder.at_a, &self.a), (&holder.at_b, &self.b)] {
            refresh(replica, &third).await.expect_err("the thief has it, or the owner");
            while client.get("/users/me").await.status != 401 {
                assert!(began.elapsed() < BOUND, "the session goes on");
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
}

/// The next refresh token, or the code of the refusal.
async fn refresh(replica: &Client, token: &str) -> Result<String, String> {
    let answer = replica.post("/auth/refresh", &json!({ "refreshToken": token })).await;
    if answer.status == 200 {
        return Ok(text(&answer.json(), "refreshToken"));
    }
    Err(text(&answer.problem(401, "invalid_refresh_token"), "code"))
}

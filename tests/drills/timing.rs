//! Whether answers, or the time that they take, tell which addresses have an account.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    replica::Replica,
    size::Size,
    support::{Answer, Client, app::USER_PASSWORD},
    world::World,
};

/// What medians may differ by.
const BOUND: Duration = Duration::from_millis(2);
/// Accounts that are asked about in turn.
const ACCOUNTS: usize = 20;
/// Pairs that are not measured.
const WARM_UP: usize = 20;

/// Logins, recoveries and, where addresses are verified, registrations: for addresses that have an
/// account and for others, one after the other.
pub async fn tells_nothing(size: Size) -> String {
    let pairs = size.pick(100, 1_000);
    let world = World::embedded().await;
    let mut replica = world.replicas(1).await.remove(0);
    for number in 0..ACCOUNTS {
        let account = registration(&known(number));
        replica.client().post("/auth/register", &account).await.expect(201);
    }
    let mut text = format!("{pairs} each, known and unknown:");
    let login = |email: &str| json!({ "email": email, "password": "a wrong password" });
    compare(&replica, "login", "/auth/login", (401, pairs), login, &mut text).await;
    let forgot = |email: &str| json!({ "email": email });
    compare(&replica, "forgot", "/auth/password/forgot", (202, pairs), forgot, &mut text).await;

    replica.terminate();
    let mut replica =
        world.replicas_with(1, &[("WATCHME_EMAIL_VERIFICATION", "on")]).await.remove(0);
    let register = ("register", "/auth/register");
    compare(&replica, register.0, register.1, (202, pairs), registration, &mut text).await;
    replica.terminate();
    text
}

fn known(number: usize) -> String {
    format!("known{:04}@example.com", number % ACCOUNTS)
}

/// Never the same one twice: what is asked for once may be known afterwards.
fn unknown(number: usize) -> String {
    format!("other{number:04}@example.com")
}

fn registration(email: &str) -> Value {
    json!({ "email": email, "password": USER_PASSWORD, "name": "Somebody" })
}

/// Asks about known and unknown addresses in turn; insists on the same answers after the same time.
async fn compare(
    replica: &Replica,
    name: &str,
    path: &str,
    (status, pairs): (u16, usize),
    body: impl Fn(&str) -> Value,
    text: &mut String,
) {
    let client = replica.client();
    let mut times = [Vec::with_capacity(pairs), Vec::with_capacity(pairs)];
    for number in 0..WARM_UP + pairs {
        let asked = [known(number), unknown(number)].map(|email| body(&email));
        // Whichever is first may find the machine in another state.
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut answers = [None, None];
        for which in order {
            let (answer, time) = timed(&client, path, &asked[which]).await;
            assert_eq!(answer.status, status, "{name}: {}", answer.text());
            answers[which] = Some(without_request_id(&answer));
            if number >= WARM_UP {
                times[which].push(time);
            }
        }
        assert_eq!(answers[0], answers[1], "{name}: answers differ");
    }
    let [known, unknown] = times.map(median);
    let difference = known.abs_diff(unknown);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let _ = write!(text, " {name} {:.2} and {:.2} ms, ", ms(known), ms(unknown));
    let _ = write!(text, "{:.2} ms apart;", ms(difference));
    assert!(difference <= BOUND, "{text}");
}

async fn timed(client: &Client, path: &str, body: &Value) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = client.post(path, body).await;
    (answer, began.elapsed())
}

fn without_request_id(answer: &Answer) -> String {
    answer.text().replace(answer.header("x-request-id"), "")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

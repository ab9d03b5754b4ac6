//! Planned failures of the real binary on real engines. Each is bounded, talks to loopback only and
//! ends by itself.
//!
//! `cargo xtask drill kill` runs one at its full size, `--quick` for a few seconds, without a name
//! all of them, `--list` names them; each is `cargo test --test drills --` with the same arguments. A
//! plain `cargo test` runs all of them for a few seconds each.

#![allow(unreachable_pub, reason = "the modules are one program's")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a drill fails by panicking")]

mod away;
mod bodies;
mod bus;
mod cancelled;
mod events;
mod kill;
mod lease;
mod load;
mod logins;
mod nats;
mod oracle;
mod poison;
mod pressure;
mod races;
mod rebuild;
mod replica;
mod series;
mod sessions;
mod size;
mod slow;
mod stop;
#[path = "../support/mod.rs"]
mod support;
mod throttles;
mod timing;
mod world;

use std::{pin::Pin, process::ExitCode, time::Instant};

use clap::Parser;
use size::Size;
use watchme_engines::{Engine, EngineError};

type Drill = fn(Size) -> Pin<Box<dyn Future<Output = String>>>;

macro_rules! drills {
    ($($name:literal $what:literal $engines:literal $run:path,)*) => {
        /// Name, what it does, whether it needs engines, how to run it.
        const DRILLS: &[(&str, &str, bool, Drill)] =
            &[$(($name, $what, $engines, |size| Box::pin($run(size)))),*];
    };
}

drills! {
    "kill" "kill -9 of two replicas at random, 20,000 acts" true kill::on_engines,
    "kill-embedded" "the same of one process with its data folder" false kill::embedded,
    "stop" "SIGTERM under load, again and again" false stop::in_order,
    "nats-dead" "NATS dead for 60 s under 100 acts a second" true nats::dead,
    "nats-lost" "JetStream's store deleted under load" true nats::store_lost,
    "lease" "three replicas, the holder of the relay's lease killed 20 times" true lease::holder_killed,
    "duplicates" "every event five times, shuffled" true events::five_times_shuffled,
    "poison" "events that can never be applied" true poison::put_aside,
    "rebuild" "1,000 users' reports rebuilt while others write" true rebuild::under_writes,
    "races" "a package lowered for all against marks on another replica, 1,000 times" true races::lowered,
    "sql-away" "SQL swallowed for 60 s" true away::sql,
    "mongodb-away" "MongoDB swallowed for 60 s" true away::mongodb,
    "tmdb-away" "TMDb swallowed for 60 s" true away::tmdb,
    "throttles" "limits and login delays against bursts over two replicas" true throttles::exact,
    "timing" "what the time of an answer tells of an address" false timing::tells_nothing,
    "cancelled" "a subscription cancelled on another replica" true cancelled::elsewhere,
    "sessions" "sessions ended, refreshed and stolen over two replicas" true sessions::ended,
    "slow" "hundreds of slow heads, bodies and second requests" false slow::peers,
    "logins" "200 logins at once while others read" false logins::at_once,
    "series" "10,000 users, and addresses that nobody knows: as many metrics as before" false series::flat,
    "bodies" "bodies of 10 MB and JSON that is 10,000 deep" false bodies::too_large_and_too_deep,
}

/// Planned failures.
#[derive(Parser)]
struct Arguments {
    /// Which drills, or parts of their names; all of them when none is named.
    names: Vec<String>,
    /// A short run of each; the default when nothing is asked for.
    #[arg(long)]
    quick: bool,
    /// The full size of each; the default when one is named.
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Name them all and end.
    #[arg(long)]
    list: bool,
    /// Understood for the sake of the test runner; a drill's output is never captured.
    #[arg(long, hide = true)]
    nocapture: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        for (name, what, ..) in DRILLS {
            println!("{name:<14} {what}");
        }
        return ExitCode::SUCCESS;
    }
    let size = match (arguments.quick, arguments.full, arguments.names.is_empty()) {
        (true, ..) | (false, false, true) => Size::Quick,
        _ => Size::Full,
    };
    let wanted = |name: &str| {
        // A whole name is that drill alone, whatever else begins like it.
        let exact = arguments.names.iter().any(|wanted| DRILLS.iter().any(|it| it.0 == wanted));
        arguments.names.is_empty()
            || arguments
                .names
                .iter()
                .any(|wanted| if exact { name == wanted } else { name.contains(wanted.as_str()) })
    };
    // What is asked for has private engines at any price. A plain run of the tests has them where
    // somebody has seen to engines; to install them is not a drill's business there.
    let asked = !arguments.names.is_empty() || arguments.quick || arguments.full;
    let mut failed = 0;
    for (name, _, engines, run) in DRILLS.iter().filter(|drill| wanted(drill.0)) {
        if *engines && !asked {
            match missing_engine(name) {
                Ok(None) => {}
                Ok(Some(engine)) => {
                    println!("drill {name} skipped: {} is not set", engine.variable());
                    continue;
                }
                Err(error) => {
                    failed += 1;
                    println!("drill {name}\n  FAILED: {error}");
                    continue;
                }
            }
        }
        println!("drill {name}");
        let began = Instant::now();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        // A panic in it is its failure; the others go on.
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.block_on(run(size))))
        {
            Ok(outcome) => println!("  {outcome} ({:.0} s)", began.elapsed().as_secs_f64()),
            Err(_) => {
                failed += 1;
                println!("  FAILED");
            }
        }
    }
    if failed > 0 {
        println!("{failed} drills failed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// An engine that this run does not have, which is noted.
fn missing_engine(drill: &str) -> Result<Option<Engine>, EngineError> {
    for engine in Engine::ALL {
        if watchme_engines::url_or_skip(engine, &format!("drills::{drill}"))?.is_none() {
            return Ok(Some(engine));
        }
    }
    Ok(None)
}

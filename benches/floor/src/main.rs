//! The smallest actix-web servers that do the unavoidable part of WatchMe's work. Each verifies the
//! token, writes a line for each request and names it, and does one thing more:
//!
//! - `floor answers FILE`: sends the bytes that a JSON object of paths and bodies has for the path;
//! - `floor row FILE`: sends what one read by primary key finds in a SQLite file;
//! - `floor insert URL`: inserts one row, with a commit of its own, into SQLite or MySQL.
//!
//! They listen where `FLOOR_LISTEN` says and know the key by `JWT_SECRET`. `floor hash SECONDS` is no
//! server: it says how many passwords a second all cores hash.

mod hash;
mod server;
mod store;

use std::{collections::HashMap, env, error::Error, fs, process::ExitCode};

use actix_web::web::Bytes;

use server::{Work, serve};
use store::{Inserts, Rows};

#[actix_web::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [work, argument] = &arguments[..] else {
        eprintln!("floor answers FILE | row FILE | insert URL | hash SECONDS");
        return ExitCode::FAILURE;
    };
    match run(work, argument).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(work: &str, argument: &str) -> Result<(), Box<dyn Error>> {
    match work {
        "answers" => {
            let answers: HashMap<String, String> =
                serde_json::from_str(&fs::read_to_string(argument)?)?;
            let answers = answers.into_iter().map(|(path, body)| (path, Bytes::from(body)));
            serve(Work::Answers(answers.collect())).await
        }
        "row" => serve(Work::Row(Rows::open(argument).await?)).await,
        "insert" => serve(Work::Insert(Inserts::open(argument).await?)).await,
        "hash" => {
            println!("{}", hash::a_second(argument.parse()?)?);
            Ok(())
        }
        other => Err(format!("there is no floor `{other}`").into()),
    }
}

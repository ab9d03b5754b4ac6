//! Loads WatchMe and its floor in turn, in the same run and by the same client, and says how far
//! apart they are. It is run by `cargo xtask bench`, which builds what it needs beside it.

mod api;
mod arguments;
mod bench;
mod contest;
mod error;
mod load;
mod process;
mod report;
mod requests;
mod rows;
mod seed;
mod server;
mod users;

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Parser;

use arguments::Arguments;
use bench::{Bench, Thoroughness};
use error::Outcome;
use rows::{ROWS, Row};

#[derive(Parser)]
#[command(name = "cargo xtask bench", about = "How far WatchMe is from its floor")]
struct Command {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    let arguments = Command::parse().arguments;
    if arguments.rows {
        for Row { name, what, .. } in ROWS {
            println!("{name:<12} {what}");
        }
        return ExitCode::SUCCESS;
    }
    let known = |name: &String| ROWS.iter().any(|row| row.name == name);
    if let Some(unknown) = arguments.only.iter().find(|name| !known(name)) {
        eprintln!("there is no row `{unknown}`; --rows names them");
        return ExitCode::FAILURE;
    }
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) if !arguments.strict => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures what is asked for; whether every bar was met.
fn run(arguments: &Arguments) -> Outcome<bool> {
    let folder = folder()?;
    let out = arguments.out.clone().unwrap_or_else(|| folder.join("latest"));
    let mut bench = Bench::new(Thoroughness::from(arguments), &folder)?;
    let wanted =
        |row: &Row| arguments.only.is_empty() || arguments.only.iter().any(|it| it == row.name);
    for row in ROWS.iter().filter(|row| wanted(row)) {
        let began = Instant::now();
        eprint!("{} … ", row.what);
        match (row.measure)(&mut bench) {
            Ok(()) => eprintln!("{:.0} s", began.elapsed().as_secs_f64()),
            Err(error) => {
                eprintln!("{error}");
                bench.report.add_failure(row.name, &error);
            }
        }
        // What was found is not lost to what comes later.
        bench.report.write(&out)?;
    }
    println!("{}", bench.report.text());
    eprintln!("{}", out.display());
    Ok(bench.report.all_met())
}

/// `bench` in Cargo's target folder, in which this program is: below the profile's.
fn folder() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("target"));
    Ok(target.join("bench"))
}

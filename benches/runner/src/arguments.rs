//! What can be asked of the benchmark. `xtask` reads the same, so that nothing is built for a typing
//! error.

use std::path::PathBuf;

use clap::Args;

/// What is measured, and how thoroughly.
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// A short form, in two minutes or so: fewer and shorter rounds, smaller stores
    #[arg(long)]
    pub(crate) quick: bool,
    /// Only these rows, separated by commas; `--rows` names them
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Name the rows and end
    #[arg(long)]
    pub(crate) rows: bool,
    /// Films of the large catalogue [default: 1000000, quick: 100000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(10_000..=5_000_000))]
    pub(crate) films: Option<u32>,
    /// Marks of the long histories [default: 10000, quick: 2000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    pub(crate) history: Option<u32>,
    /// Accounts of the large database [default: 1000000, quick: 100000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(10_000..=5_000_000))]
    pub(crate) users: Option<u32>,
    /// Connections that are held open [default: 10000]
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=24_000))]
    pub(crate) connections: Option<u32>,
    /// Seconds of one round [default: 2, quick: 0.8]
    #[arg(long, value_parser = seconds)]
    pub(crate) seconds: Option<f64>,
    /// Rounds of each side; medians count [default: 5, quick: 3]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub(crate) rounds: Option<u32>,
    /// End with an error where a bar is missed
    #[arg(long)]
    pub(crate) strict: bool,
    /// Where results.json, results.txt and throughput.svg go [default: bench/latest in the target folder]
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("must be a number from 0.1 to 60".to_owned()),
    }
}

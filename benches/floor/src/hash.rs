//! How many passwords this machine hashes.

use std::{
    num::NonZeroUsize,
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Hashes a second of all cores together: argon2id, 19 MiB, two passes, one lane, in memory that is
/// used again.
pub(crate) fn a_second(seconds: f64) -> Result<f64, String> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let params = Params::new(19_456, 2, 1, Some(32)).map_err(|error| error.to_string())?;
    let time = Duration::from_secs_f64(seconds);
    let rates = thread::scope(|scope| {
        let work: Vec<_> = (0..cores).map(|_| scope.spawn(|| on_one_core(&params, time))).collect();
        work.into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread died".to_owned()).flatten())
            .collect::<Result<Vec<f64>, String>>()
    })?;
    Ok(rates.iter().sum())
}

fn on_one_core(params: &Params, time: Duration) -> Result<f64, String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut memory = vec![Block::new(); params.block_count()];
    let mut hash = [0; 32];
    let (began, mut hashes) = (Instant::now(), 0_u32);
    while began.elapsed() < time {
        argon2
            .hash_password_into_with_memory(
                b"pass phrase",
                b"0123456789abcdef",
                &mut hash,
                &mut memory,
            )
            .map_err(|error| error.to_string())?;
        hashes += 1;
    }
    Ok(f64::from(hashes) / began.elapsed().as_secs_f64())
}

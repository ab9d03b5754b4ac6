//! Passwords: argon2id, at most one at a time for each core, in memory that is used again.

use std::{
    fmt,
    num::NonZeroUsize,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use watchme_actors::domain::Invalid;

/// How many may wait for a core; more are refused at once.
const QUEUE: usize = 32;
/// How long one may wait for a core.
const WAIT: Duration = Duration::from_secs(2);
const HASH_BYTES: usize = 32;

/// A password that an account may have: 8 to 128 Unicode characters, used whole.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Fewest characters.
    pub const MIN: usize = 8;
    /// Most characters.
    pub const MAX: usize = 128;
}

impl FromStr for Password {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let length = text.chars().count();
        if length < Self::MIN {
            let least = format!("must have at least {} characters", Self::MIN);
            return Err(Invalid::new("too_short", least));
        }
        if length > Self::MAX {
            let most = format!("must have at most {} characters", Self::MAX);
            return Err(Invalid::new("too_long", most));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(***)")
    }
}

/// Why a password was not hashed or checked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being checked already.
    #[error("too many passwords are being checked")]
    Busy,
    /// The stored hash cannot be read, or the machine has no memory left.
    #[error("the password hash cannot be used: {0}")]
    Unusable(String),
}

/// Hashes and checks passwords off the threads that serve requests.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>);

struct Inner {
    params: Params,
    /// Those at work and those that wait.
    admitted: Arc<Semaphore>,
    /// Those at work.
    working: Arc<Semaphore>,
    /// Blocks that were used before. A fresh 19 MiB for every hash is never given back by the
    /// allocator: 1.4 GB after a minute of logins.
    memory: Mutex<Vec<Vec<Block>>>,
    /// What unknown accounts are checked against, so that they take as long as known ones.
    nobody: PasswordHash,
}

impl Passwords {
    /// As many at once as there are cores, 19 MiB and two passes each.
    ///
    /// # Errors
    /// `Unusable`, when the parameters are refused.
    pub fn new() -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::with(Params::new(19_456, 2, 1, Some(HASH_BYTES)).map_err(unusable)?, cores, QUEUE)
    }

    fn with(params: Params, cores: usize, queue: usize) -> Result<Self, PasswordError> {
        // Nothing hashes to this; and if something did, nobody would still be nobody.
        let nobody = phc(&params, Salt::generate(), &[0; HASH_BYTES])?;
        Ok(Self(Arc::new(Inner {
            params,
            admitted: Arc::new(Semaphore::new(cores + queue)),
            working: Arc::new(Semaphore::new(cores)),
            memory: Mutex::new(Vec::new()),
            nobody,
        })))
    }

    /// The hash of a password in PHC form.
    ///
    /// # Errors
    /// `Busy`, `Unusable`.
    pub async fn hash(&self, password: &Password) -> Result<String, PasswordError> {
        let text = password.0.clone();
        self.run(move |inner| {
            let salt = Salt::generate();
            let output = inner.digest(&inner.params, text.as_bytes(), &salt)?;
            Ok(phc(&inner.params, salt, &output)?.to_string())
        })
        .await
    }

    /// Whether a password belongs to a stored hash. Without one (an unknown account) the answer
    /// is no, and takes as long.
    ///
    /// # Errors
    /// `Busy`, `Unusable`.
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<bool, PasswordError> {
        let text = password.to_owned();
        let known = stored.map(PasswordHash::new).transpose().map_err(unusable)?;
        self.run(move |inner| {
            let expected = known.as_ref().unwrap_or(&inner.nobody);
            let params = Params::try_from(expected).map_err(unusable)?;
            let (Some(salt), Some(hash)) = (&expected.salt, &expected.hash) else {
                return Err(PasswordError::Unusable("it has no salt or no hash".to_owned()));
            };
            let found = inner.digest(&params, text.as_bytes(), salt)?;
            // `Output` compares in constant time.
            let same = Output::new(&found).map_err(unusable)? == *hash;
            Ok(same && known.is_some())
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let inner = &self.0;
        let admitted =
            Arc::clone(&inner.admitted).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let working: OwnedSemaphorePermit =
            tokio::time::timeout(WAIT, Arc::clone(&inner.working).acquire_owned())
                .await
                .map_err(|_| PasswordError::Busy)?
                .map_err(|_| PasswordError::Busy)?;
        let inner = Arc::clone(inner);
        tokio::task::spawn_blocking(move || {
            // The permits go with the work: a client that hangs up does not free its core early.
            let _permits = (admitted, working);
            work(&inner)
        })
        .await
        .map_err(unusable)?
    }
}

impl Inner {
    fn digest(
        &self,
        params: &Params,
        password: &[u8],
        salt: &Salt,
    ) -> Result<Vec<u8>, PasswordError> {
        let blocks = params.block_count();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = memory.get_or_insert_default();
        memory.resize(blocks.max(memory.len()), Block::new());
        let mut output = vec![0; params.output_len().unwrap_or(HASH_BYTES)];
        let outcome = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone())
            .hash_password_into_with_memory(password, salt.as_ref(), &mut output, &mut memory[..])
            .map_err(unusable);
        let memory = std::mem::take(memory);
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
        outcome.map(|()| output)
    }
}

fn phc(params: &Params, salt: Salt, output: &[u8]) -> Result<PasswordHash, PasswordError> {
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(unusable)?,
        salt: Some(salt),
        hash: Some(Output::new(output).map_err(unusable)?),
    })
}

fn unusable(error: impl fmt::Display) -> PasswordError {
    PasswordError::Unusable(error.to_string())
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn quick(cores: usize, queue: usize) -> Passwords {
        Passwords::with(Params::new(64, 1, 1, Some(HASH_BYTES)).unwrap(), cores, queue).unwrap()
    }

    #[test]
    fn length_is_counted_in_characters() {
        assert!("ééééééé".parse::<Password>().is_err(), "7 characters in 14 bytes");
        assert!("éééééééé".parse::<Password>().is_ok());
        assert!("🦀".repeat(128).parse::<Password>().is_ok());
        assert_eq!("a".repeat(129).parse::<Password>().unwrap_err().code, "too_long");
    }

    #[tokio::test]
    async fn the_right_password_and_no_other_belongs_to_a_hash() {
        let passwords = quick(1, 1);
        let long = "p".repeat(127);
        let hash = passwords.hash(&format!("{long}1").parse().unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(passwords.verify(&format!("{long}1"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&format!("{long}2"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&format!("{long}1"), None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_are_salted_and_checked_with_the_parameters_they_were_made_with() {
        let (old, new) = (quick(1, 1), Passwords::new().unwrap());
        let password: Password = "correct horse".parse().unwrap();
        let (first, second) =
            (old.hash(&password).await.unwrap(), old.hash(&password).await.unwrap());
        assert_ne!(first, second);
        assert!(new.verify("correct horse", Some(&first)).await.unwrap());
        let now = new.hash(&password).await.unwrap();
        assert!(now.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{now}");
        assert!(new.verify("correct horse", Some(&now)).await.unwrap());
    }

    #[tokio::test]
    async fn what_does_not_fit_the_queue_is_refused_at_once() {
        let passwords = quick(1, 1);
        let _working = Arc::clone(&passwords.0.working).acquire_owned().await.unwrap();
        let _at_work = Arc::clone(&passwords.0.admitted).acquire_owned().await.unwrap();
        let _waiting = Arc::clone(&passwords.0.admitted).acquire_owned().await.unwrap();
        let refused = passwords.verify("x", None).await;
        assert!(matches!(refused, Err(PasswordError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_bound() {
        let passwords = quick(1, 1);
        let _working = Arc::clone(&passwords.0.working).acquire_owned().await.unwrap();
        let started = tokio::time::Instant::now();
        assert!(matches!(passwords.verify("x", None).await, Err(PasswordError::Busy)));
        assert_eq!(started.elapsed(), WAIT);
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let passwords = quick(1, 4);
        for _ in 0..5 {
            passwords.verify("x", None).await.unwrap();
        }
        assert_eq!(passwords.0.memory.lock().unwrap().len(), 1);
    }
}

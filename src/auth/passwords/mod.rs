//! Passwords: argon2id, at most one at a time for each core, in memory that is used again.

mod password;
mod threads;

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use rayon::ThreadPool;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::Instant,
};
use watchme_actors::{domain::UserId, ports::Accounts};
use zeroize::Zeroizing;

use crate::config::PasswordConfig;
pub use password::Password;

const HASH_BYTES: usize = 32;
/// Such a part of the wait is left for the answer.
const MARGIN: u32 = 8;

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
pub struct Passwords {
    inner: Arc<Inner>,
    /// Whoever has no core by then is refused.
    until: Option<Instant>,
}

struct Inner {
    params: Params,
    threads: ThreadPool,
    /// Those at work and those that wait.
    admitted: Arc<Semaphore>,
    /// Those at work.
    working: Arc<Semaphore>,
    /// How long one may wait for a core.
    wait: Duration,
    /// Blocks that were used before. A fresh 19 MiB for every hash is never given back by the
    /// allocator: 1.4 GB after a minute of logins.
    memory: Mutex<Vec<Vec<Block>>>,
    /// What unknown accounts are checked against, so that they take as long as known ones.
    nobody: PasswordHash,
}

impl Passwords {
    /// As many at once as there are cores.
    ///
    /// # Errors
    /// `Unusable`, when the parameters are refused.
    pub fn new(config: PasswordConfig) -> Result<Self, PasswordError> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self::on(cores, config)
    }

    fn on(cores: usize, config: PasswordConfig) -> Result<Self, PasswordError> {
        let PasswordConfig { memory, passes, lanes, queue, wait } = config;
        let params = Params::new(memory, passes, lanes, Some(HASH_BYTES)).map_err(unusable)?;
        // Nothing hashes to this; and if something did, nobody would still be nobody.
        let nobody = phc(&params, Salt::generate(), &[0; HASH_BYTES])?;
        let inner = Inner {
            params,
            threads: threads::start(cores)?,
            admitted: Arc::new(Semaphore::new(cores + queue)),
            working: Arc::new(Semaphore::new(cores)),
            wait,
            memory: Mutex::new(Vec::new()),
            nobody,
        };
        Ok(Self { inner: Arc::new(inner), until: None })
    }

    /// The same for a request that begins now: what it does before it comes here, and the answer
    /// that refuses it, are part of the wait.
    #[must_use]
    pub fn for_request(&self) -> Self {
        let wait = self.inner.wait - self.inner.wait / MARGIN;
        Self { inner: Arc::clone(&self.inner), until: Some(Instant::now() + wait) }
    }

    /// The hash of a password in PHC form.
    ///
    /// # Errors
    /// `Busy`, `Unusable`.
    pub async fn hash(&self, password: &Password) -> Result<String, PasswordError> {
        let text = Zeroizing::new(password.expose().to_owned());
        let permits = self.admit().await?;
        self.work(permits, move |inner| inner.hash(&text)).await
    }

    /// Stores a password that was just found right once more, where its hash was made with other
    /// parameters than today's, and only while a core is idle: no login stands in the queue twice.
    /// Until then its check takes as long as those parameters say, not as long as that of an unknown
    /// account. What goes wrong is left to the next login.
    pub async fn renew(&self, accounts: &dyn Accounts, user: UserId, password: &str, stored: &str) {
        if self.inner.is_of_today(stored) {
            return;
        }
        let Some(permits) = self.admit_at_once() else { return };
        let text = Zeroizing::new(password.to_owned());
        let renewed = match self.work(permits, move |inner| inner.hash(&text)).await {
            Ok(hash) => accounts.rehash(user, stored, &hash).await.map_err(unusable),
            Err(error) => Err(error),
        };
        if let Err(error) = renewed {
            tracing::warn!(%error, %user, "a password could not be hashed with today's parameters");
        }
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
        let text = Zeroizing::new(password.to_owned());
        let known = stored.map(PasswordHash::new).transpose().map_err(unusable)?;
        let permits = self.admit().await?;
        self.work(permits, move |inner| {
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

    /// Waits for a core, as long as the queue has room.
    async fn admit(&self) -> Result<Permits, PasswordError> {
        let inner = &self.inner;
        let until = self.until.unwrap_or_else(|| Instant::now() + inner.wait);
        let admitted =
            Arc::clone(&inner.admitted).try_acquire_owned().map_err(|_| PasswordError::Busy)?;
        let working = tokio::time::timeout_at(until, Arc::clone(&inner.working).acquire_owned())
            .await
            .map_err(|_| PasswordError::Busy)?
            .map_err(|_| PasswordError::Busy)?;
        Ok(Permits { _admitted: admitted, _working: working })
    }

    /// A core that is idle and that nobody waits for.
    fn admit_at_once(&self) -> Option<Permits> {
        let admitted = Arc::clone(&self.inner.admitted).try_acquire_owned().ok()?;
        let working = Arc::clone(&self.inner.working).try_acquire_owned().ok()?;
        Some(Permits { _admitted: admitted, _working: working })
    }

    async fn work<T: Send + 'static>(
        &self,
        permits: Permits,
        work: impl FnOnce(&Inner) -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let inner = Arc::clone(&self.inner);
        let (tell, told) = oneshot::channel();
        self.inner.threads.spawn(move || {
            let outcome = work(&inner);
            // They go with the work: a client that hangs up does not free its core early.
            drop(permits);
            // Whoever asked may have gone.
            let _ = tell.send(outcome);
        });
        told.await.map_err(unusable)?
    }
}

/// A place in the queue, and a core.
struct Permits {
    _admitted: OwnedSemaphorePermit,
    _working: OwnedSemaphorePermit,
}

impl Inner {
    fn hash(&self, password: &str) -> Result<String, PasswordError> {
        let salt = Salt::generate();
        let output = self.digest(&self.params, password.as_bytes(), &salt)?;
        Ok(phc(&self.params, salt, &output)?.to_string())
    }

    /// Whether a hash was made as one would be made now.
    fn is_of_today(&self, stored: &str) -> bool {
        PasswordHash::new(stored).is_ok_and(|stored| {
            let kind = |hash: &PasswordHash| {
                (hash.algorithm, hash.version, hash.hash.as_ref().map(Output::len))
            };
            kind(&stored) == kind(&self.nobody) && stored.params == self.nobody.params
        })
    }

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

    const QUICK: PasswordConfig =
        PasswordConfig { memory: 64, passes: 1, lanes: 1, queue: 1, wait: Duration::from_secs(2) };

    fn quick() -> Passwords {
        Passwords::on(1, QUICK).unwrap()
    }

    #[tokio::test]
    async fn the_right_password_and_no_other_belongs_to_a_hash() {
        let passwords = quick();
        let long = "p".repeat(127);
        let hash = passwords.hash(&format!("{long}1").parse().unwrap()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(passwords.verify(&format!("{long}1"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&format!("{long}2"), Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&format!("{long}1"), None).await.unwrap());
    }

    #[tokio::test]
    async fn hashes_are_salted_and_checked_with_the_parameters_they_were_made_with() {
        let (old, new) = (quick(), Passwords::new(PasswordConfig { passes: 3, ..QUICK }).unwrap());
        let password: Password = "correct horse".parse().unwrap();
        let (first, second) =
            (old.hash(&password).await.unwrap(), old.hash(&password).await.unwrap());
        assert_ne!(first, second);
        assert!(new.verify("correct horse", Some(&first)).await.unwrap());
        let now = new.hash(&password).await.unwrap();
        assert!(now.starts_with("$argon2id$v=19$m=64,t=3,p=1$"), "{now}");
        assert!(new.verify("correct horse", Some(&now)).await.unwrap());
        let of_today = |hash: &str| new.inner.is_of_today(hash);
        assert!(of_today(&now) && !of_today(&first) && !of_today("no hash"));
    }

    #[tokio::test]
    async fn a_hash_is_renewed_only_while_a_core_is_idle() {
        let passwords = quick();
        assert!(passwords.admit_at_once().is_some());
        let _at_work = passwords.admit().await.unwrap();
        assert!(passwords.admit_at_once().is_none());
    }

    #[tokio::test]
    async fn what_does_not_fit_the_queue_is_refused_at_once() {
        let passwords = quick();
        let _working = Arc::clone(&passwords.inner.working).acquire_owned().await.unwrap();
        let _at_work = Arc::clone(&passwords.inner.admitted).acquire_owned().await.unwrap();
        let _waiting = Arc::clone(&passwords.inner.admitted).acquire_owned().await.unwrap();
        let refused = passwords.verify("x", None).await;
        assert!(matches!(refused, Err(PasswordError::Busy)));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_bound() {
        let passwords = quick();
        let _working = Arc::clone(&passwords.inner.working).acquire_owned().await.unwrap();
        let started = tokio::time::Instant::now();
        assert!(matches!(passwords.verify("x", None).await, Err(PasswordError::Busy)));
        assert_eq!(started.elapsed(), QUICK.wait);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_told_within_the_bound_whatever_it_did_before() {
        let passwords = quick();
        let working = Arc::clone(&passwords.inner.working).acquire_owned().await.unwrap();
        let started = tokio::time::Instant::now();
        let request = passwords.for_request();
        tokio::time::sleep(Duration::from_secs(1)).await;
        for _ in 0..2 {
            assert!(matches!(request.verify("x", None).await, Err(PasswordError::Busy)));
        }
        assert_eq!(started.elapsed(), Duration::from_millis(1_750));
        // A core that is free is had all the same.
        drop(working);
        assert!(!request.verify("x", None).await.unwrap());
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let passwords = quick();
        for _ in 0..5 {
            passwords.verify("x", None).await.unwrap();
        }
        assert_eq!(passwords.inner.memory.lock().unwrap().len(), 1);
    }
}

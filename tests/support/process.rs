//! The real binary as a process of its own, to be killed.

use std::{
    fs::File,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::unthrottled::UNTHROTTLED;

/// A running `watchme`. Dropping it kills it.
pub struct Process(Child);

impl Process {
    /// Starts the binary embedded in a folder, at an address.
    pub fn start(folder: &Path, address: &str, settings: &[(&str, &str)]) -> Self {
        Self::spawn(folder, address, settings, Stdio::inherit())
    }

    /// The same, with what it logs in a file.
    pub fn start_logging(
        folder: &Path,
        address: &str,
        settings: &[(&str, &str)],
        log: &Path,
    ) -> Self {
        Self::spawn(folder, address, settings, File::create(log).unwrap().into())
    }

    fn spawn(folder: &Path, address: &str, settings: &[(&str, &str)], log: Stdio) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_watchme"))
            .env_clear()
            .env("WATCHME_DATA_DIR", folder)
            .env("WATCHME_LISTEN", address)
            .env("RUST_LOG", "error")
            .envs(UNTHROTTLED.iter().copied())
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self(child)
    }

    /// The names of its threads, as far as the system keeps them (15 bytes).
    pub fn threads(&self) -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap();
        tasks
            // One may end meanwhile.
            .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
            .map(|name| name.trim().to_owned())
            .collect()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.0.kill().expect("it can be killed");
        self.0.wait().expect("it ends");
    }

    /// SIGTERM; how long it took to end, and whether with exit code 0.
    pub fn terminate(mut self) -> (Duration, bool) {
        let began = Instant::now();
        let status = Command::new("kill")
            .args(["-TERM", &self.0.id().to_string()])
            .status()
            .expect("`kill` is there");
        assert!(status.success());
        let ended = self.0.wait().expect("it ends");
        (began.elapsed(), ended.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An address on loopback that was free a moment ago.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Waits until the service is ready.
pub async fn ready(address: &str, patience: Duration) {
    let deadline = Instant::now() + patience;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/readyz");
    while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(Instant::now() < deadline, "the service is not ready in time");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

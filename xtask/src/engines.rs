//! Engines for a run of tests, and by hand.

use std::{process::ExitCode, thread, time::Duration};

use watchme_engines::{Engine, EngineError, Shared, install as install_one, shared};

const WATCH: Duration = Duration::from_secs(1);

/// Every engine, started side by side, or why it can't be had.
pub(crate) fn all() -> Vec<(Engine, Result<Shared, EngineError>)> {
    each(shared)
}

/// Does the same for every engine at once.
fn each<T: Send>(
    work: fn(Engine) -> Result<T, EngineError>,
) -> Vec<(Engine, Result<T, EngineError>)> {
    thread::scope(|scope| {
        let running = Engine::ALL.map(|engine| (engine, scope.spawn(move || work(engine))));
        running
            .into_iter()
            .map(|(engine, thread)| {
                let result = thread.join().unwrap_or_else(|_| {
                    Err(EngineError::Host(format!("the thread that starts {engine} died")))
                });
                (engine, result)
            })
            .collect()
    })
}

pub(crate) fn install() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for (engine, result) in each(install_one) {
        match result {
            Ok(folder) => println!("{engine}: {}", folder.display()),
            Err(error) => {
                eprintln!("{engine}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

/// Ends with this process, however that ends: the engines see to it.
pub(crate) fn run() -> ExitCode {
    let mut running = Vec::new();
    for (engine, result) in all() {
        match result {
            Ok(server) => {
                println!("export {}='{}'", engine.variable(), server.url());
                running.push((engine, server));
            }
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    loop {
        thread::sleep(WATCH);
        for (engine, server) in &mut running {
            if !server.is_running() {
                eprintln!("{engine} ended by itself");
                return ExitCode::FAILURE;
            }
        }
    }
}

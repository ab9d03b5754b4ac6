//! Migrations are compiled in: a new file has to be a reason to compile again. So are the revision
//! of the source, where whoever builds names it, and the compiler's version.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=WATCHME_REVISION");
    let named = env::var("WATCHME_REVISION").ok().filter(|revision| !revision.is_empty());
    let revision = named.unwrap_or_else(|| "unknown".to_owned());
    println!("cargo:rustc-env=WATCHME_REVISION={revision}");
    println!("cargo:rustc-env=WATCHME_RUSTC={}", compiler().unwrap_or_default());
}

/// Such as `1.95.0`.
fn compiler() -> Option<String> {
    let told = Command::new(env::var_os("RUSTC")?).arg("--version").output().ok()?;
    Some(String::from_utf8(told.stdout).ok()?.split_whitespace().nth(1)?.to_owned())
}

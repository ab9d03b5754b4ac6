//! Migrations are compiled in: a new file has to be a reason to compile again.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}

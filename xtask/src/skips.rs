//! What was skipped, told in one line.

use std::collections::BTreeMap;

/// The last line of a run: `noted` has a line `<engine> <test>` for every test that
/// was skipped.
pub(crate) fn summary(noted: &str, missing: &[String]) -> String {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (engine, test) in noted.lines().filter_map(|line| line.split_once(' ')) {
        let tests = tests.entry(engine).or_default();
        // A suite may run twice, over different adapters.
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    let count: usize = tests.values().map(Vec::len).sum();
    let mut parts: Vec<String> =
        tests.iter().map(|(engine, tests)| format!("{engine}: {}", tests.join(", "))).collect();
    if !missing.is_empty() {
        parts.push(format!("missing engines: {}", missing.join(", ")));
    }
    if parts.is_empty() {
        return "nothing was skipped".to_owned();
    }
    format!("skipped {count} tests ({})", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_noted_is_nothing_skipped() {
        assert_eq!(summary("", &[]), "nothing was skipped");
    }

    #[test]
    fn skips_are_counted_and_named_once_each() {
        let noted = "NATS bus\nMySQL accounts\nNATS lease\nNATS bus\n";
        assert_eq!(summary(noted, &[]), "skipped 3 tests (MySQL: accounts; NATS: bus, lease)");
    }

    #[test]
    fn a_missing_engine_is_named_even_if_no_test_noticed() {
        assert_eq!(summary("", &["NATS".to_owned()]), "skipped 0 tests (missing engines: NATS)");
    }
}

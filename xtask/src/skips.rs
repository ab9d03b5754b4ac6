//! What was skipped, told in one line.

use std::collections::{BTreeMap, BTreeSet};

/// The last line of a run: `noted` has a line `<what was missing> <test>` for every
/// test that was skipped.
pub(crate) fn summary(noted: &str, missing: &[String]) -> String {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut names = BTreeSet::new();
    for (engine, test) in noted.lines().filter_map(|line| line.split_once(' ')) {
        let tests = tests.entry(engine).or_default();
        names.insert(test);
        // A suite may run twice, over different adapters.
        if !tests.contains(&test) {
            tests.push(test);
        }
    }
    let count = names.len();
    let mut parts: Vec<String> =
        tests.iter().map(|(engine, tests)| format!("{engine}: {}", tests.join(", "))).collect();
    if !missing.is_empty() {
        parts.push(format!("missing: {}", missing.join(", ")));
    }
    if parts.is_empty() {
        return "nothing was skipped".to_owned();
    }
    let tests = if count == 1 { "test" } else { "tests" };
    format!("skipped {count} {tests} ({})", parts.join("; "))
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
    fn a_test_that_wanted_two_things_is_one_test() {
        let noted = "NATS subscriber\nPython subscriber\n";
        assert_eq!(summary(noted, &[]), "skipped 1 test (NATS: subscriber; Python: subscriber)");
    }

    #[test]
    fn a_missing_engine_is_named_even_if_no_test_noticed() {
        assert_eq!(summary("", &["NATS".to_owned()]), "skipped 0 tests (missing: NATS)");
    }
}

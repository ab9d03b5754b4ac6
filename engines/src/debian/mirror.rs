//! The mirror of Debian that the host's own apt uses.

use std::{fs, path::Path, path::PathBuf};

/// Read from apt's source lists, so that what is behind a proxy or has a mirror of
/// its own needs no further setting.
pub(super) fn of_this_host() -> Option<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let mut parts: Vec<_> = fs::read_dir("/etc/apt/sources.list.d")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    parts.sort();
    files.append(&mut parts);
    files.iter().find_map(|path| find(path, &fs::read_to_string(path).ok()?))
}

fn find(path: &Path, text: &str) -> Option<String> {
    match path.extension()?.to_str()? {
        "list" => text.lines().find_map(one_line),
        "sources" => text.split("\n\n").find_map(stanza),
        _ => None,
    }
}

/// `deb [options] uri suite component…`
fn one_line(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb")?.strip_prefix(char::is_whitespace)?.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(options) => options.split_once(']')?.1,
        None => rest,
    };
    debian(rest.split_whitespace().next()?)
}

fn stanza(stanza: &str) -> Option<String> {
    let field = |wanted: &str| {
        stanza
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
    };
    if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"))
        || !field("Types")?.split_whitespace().any(|kind| kind == "deb")
    {
        return None;
    }
    field("URIs")?.split_whitespace().find_map(debian)
}

/// The archive itself: its path ends in `debian`, where that of the security
/// updates and of others' packages does not.
fn debian(uri: &str) -> Option<String> {
    let uri = uri.trim_end_matches('/');
    let known = ["http://", "https://", "file:"].iter().any(|scheme| uri.starts_with(scheme));
    (known && uri.ends_with("/debian")).then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Option<String> {
        find(Path::new("x.sources"), text)
    }

    fn list(text: &str) -> Option<String> {
        find(Path::new("x.list"), text)
    }

    #[test]
    fn stanzas_are_read() {
        let text = "Types: deb\nURIs: https://one.example/security\nSuites: s\n\n\
                    Types: deb deb-src\n# why\nURIs: https://two.example/mirror/debian/\nSuites: s";
        assert_eq!(sources(text).as_deref(), Some("https://two.example/mirror/debian"));
    }

    #[test]
    fn what_is_disabled_or_of_sources_only_is_passed_over() {
        assert_eq!(sources("Types: deb\nURIs: http://m.example/debian\nEnabled: no"), None);
        assert_eq!(sources("Types: deb-src\nURIs: http://m.example/debian"), None);
    }

    #[test]
    fn lines_are_read_with_and_without_options() {
        let text = "# deb http://no.example/debian s main\ndeb-src http://no.example/debian s main\n\
                    deb cdrom:[x]/ s main\ndeb [arch=amd64 signed-by=/k] http://m.example/debian s main";
        assert_eq!(list(text).as_deref(), Some("http://m.example/debian"));
        assert_eq!(list("deb file:/srv/debian s main").as_deref(), Some("file:/srv/debian"));
    }

    #[test]
    fn another_distribution_has_no_mirror_of_debian() {
        assert_eq!(list("deb http://m.example/ubuntu noble main"), None);
        assert_eq!(find(Path::new("x.list.save"), "deb http://m.example/debian s main"), None);
    }
}

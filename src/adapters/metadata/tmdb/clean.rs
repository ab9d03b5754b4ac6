//! Single values from TMDb, brought into the form that the catalogue keeps.

use jiff::civil::Date;
use url::Url;

/// One line: white space joined, control characters dropped, cut to `max` characters; `None` when
/// nothing is left.
pub(super) fn line(raw: Option<String>, max: usize) -> Option<String> {
    let spaced: String = raw?
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    cut(&spaced.split_whitespace().collect::<Vec<_>>().join(" "), max)
}

/// Text of several lines: control characters other than line feeds dropped, cut to `max`
/// characters; may be empty.
pub(super) fn text(raw: Option<String>, max: usize) -> String {
    let kept: String =
        raw.unwrap_or_default().chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    cut(&kept, max).unwrap_or_default()
}

fn cut(text: &str, max: usize) -> Option<String> {
    let cut: String = text.trim().chars().take(max).collect();
    let cut = cut.trim_end();
    (!cut.is_empty()).then(|| cut.to_owned())
}

/// A language code, or nothing.
pub(super) fn language(raw: Option<String>) -> String {
    let is_code = |code: &String| {
        (2..=10).contains(&code.len())
            && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    raw.filter(is_code).unwrap_or_default()
}

/// A date between the first moving pictures and anything that can be announced.
pub(super) fn date(raw: Option<String>) -> Option<Date> {
    let raw = raw?;
    // The parser takes more forms than TMDb writes.
    let date = (raw.len() == "2026-01-31".len()).then(|| raw.parse::<Date>().ok()).flatten()?;
    (1850..=2150).contains(&date.year()).then_some(date)
}

/// A measure from 0; what cannot be one is 0, as for a movie nobody looks at.
pub(super) fn popularity(raw: Option<f64>) -> f64 {
    raw.filter(|value| value.is_finite() && *value >= 0.0).unwrap_or(0.0)
}

/// From 0 to 10; what cannot be an average is 0, as for a movie nobody voted on.
pub(super) fn vote_average(raw: Option<f64>) -> f64 {
    raw.filter(|value| (0.0..=10.0).contains(value)).unwrap_or(0.0)
}

/// The path of a picture, which clients append to an address.
pub(super) fn picture(raw: Option<String>) -> Option<String> {
    raw.filter(|path| {
        path.len() <= 200
            && path.len() > 1
            && path.starts_with('/')
            && !path.contains("..")
            && !path.contains("//")
            && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
    })
}

/// A page on the web, which clients make a link of.
pub(super) fn homepage(raw: Option<String>) -> Option<String> {
    let raw = raw.filter(|raw| raw.len() <= 2_000)?;
    let url = Url::parse(raw.trim()).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

/// An identifier such as `tt0137523`.
pub(super) fn imdb_id(raw: Option<String>) -> Option<String> {
    raw.filter(|id| {
        id.strip_prefix("tt").is_some_and(|digits| {
            (7..=10).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
        })
    })
}

/// An ISO 3166-1 code.
pub(super) fn country(raw: Option<String>) -> Option<String> {
    raw.filter(|code| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use jiff::civil;

    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn a_line_stays_one_line_and_keeps_markup_as_data() {
        assert_eq!(line(some("  Se\u{0}v\ten\r\n "), 500), some("Sev en"));
        assert_eq!(line(some("<b>Up</b> & \"Down\""), 500), some("<b>Up</b> & \"Down\""));
        assert_eq!(line(some(&"é".repeat(600)), 500), some(&"é".repeat(500)));
        assert_eq!(line(some(" \u{7}\n "), 500), None);
        assert_eq!(line(None, 500), None);
    }

    #[test]
    fn a_text_keeps_its_lines() {
        assert_eq!(text(some("one\r\ntwo\u{1b}[0m\n"), 100), "one\ntwo[0m");
        assert_eq!(text(some(&"x".repeat(10_001)), 10_000).len(), 10_000);
    }

    #[test]
    fn only_a_plausible_date_is_one() {
        assert_eq!(date(some("2009-12-10")), Some(civil::date(2009, 12, 10)));
        for odd in ["", "0000-00-00", "0001-01-01", "9999-12-31", "2009-02-30", "2009-12-10T00:00"]
        {
            assert_eq!(date(some(odd)), None, "{odd}");
        }
    }

    #[test]
    fn numbers_outside_their_range_count_as_unknown() {
        assert_eq!(vote_average(Some(10.0)), 10.0);
        for odd in [-0.1, 10.1, f64::NAN, f64::INFINITY] {
            assert_eq!(vote_average(Some(odd)), 0.0, "{odd}");
        }
        assert_eq!(popularity(Some(f64::INFINITY)), 0.0);
        assert_eq!(popularity(Some(-1.0)), 0.0);
        assert_eq!(popularity(Some(875.5)), 875.5);
    }

    #[test]
    fn what_becomes_part_of_an_address_is_checked() {
        assert_eq!(picture(some("/a_b-1.jpg")), some("/a_b-1.jpg"));
        for odd in ["", "/", "a.jpg", "//evil.example/a.jpg", "/../a.jpg", "/a.jpg?x", "/a b.jpg"] {
            assert_eq!(picture(some(odd)), None, "{odd}");
        }
        assert_eq!(homepage(some("https://example.com/x")), some("https://example.com/x"));
        assert_eq!(homepage(some("javascript:alert(1)")), None);
        assert_eq!(imdb_id(some("tt0137523")), some("tt0137523"));
        assert_eq!(imdb_id(some("nm0137523")), None);
        assert_eq!(country(some("US")), some("US"));
        assert_eq!(country(some("usa")), None);
    }
}

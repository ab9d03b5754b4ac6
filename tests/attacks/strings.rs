//! Texts that have broken somebody's program.

use std::collections::BTreeSet;

/// Injections, markup, paths, numbers, times and formats, one JSON string a line.
const LISTED: &str = include_str!("texts.jsonl");
/// How many there are at least.
const HOSTILE: usize = 500;

/// All of them, each once, the same in every run.
pub(crate) fn hostile() -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    texts.extend(inside(CONTROLS.iter().copied().flat_map(|(from, to)| from..=to)));
    texts.extend(inside(INVISIBLE.chars()));
    texts.extend(SPACES.chars().flat_map(|c| [format!("{c}x"), format!("x{c}"), c.to_string()]));
    texts.extend(FOLDING.chars().map(String::from));
    texts.extend(FOLDING.chars().map(|c| format!("{c}dmin@example.com")));
    texts.extend([1, 10, 60].map(|marks| format!("e{}", "\u{301}\u{489}".repeat(marks))));
    texts.extend([9, 19, 20, 39, 309, 400].map(|digits| "9".repeat(digits)));
    for unit in ["a", "\u{1f600}", "\u{5bb6}", "\u{fdfa}", "%", "'", "\\", "(", "[[", "../"] {
        texts.extend([100, 101, 255, 256, 4_096].map(|times| unit.repeat(times)));
    }
    let listed = LISTED.lines().map(|line| serde_json::from_str::<String>(line).unwrap());
    texts.extend(listed);
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    assert!(texts.len() >= HOSTILE, "only {}", texts.len());
    texts
}

/// Each character between two letters.
fn inside(characters: impl Iterator<Item = char>) -> impl Iterator<Item = String> {
    characters.map(|c| format!("a{c}b"))
}

/// C0, delete and C1, non-characters, private ones, and tags.
const CONTROLS: &[(char, char)] = &[
    ('\0', '\x1f'),
    ('\x7f', '\u{9f}'),
    ('\u{fdd0}', '\u{fdd7}'),
    ('\u{fff9}', '\u{ffff}'),
    ('\u{e000}', '\u{e001}'),
    ('\u{e0020}', '\u{e0023}'),
    ('\u{10fffe}', '\u{10ffff}'),
];
/// Changes of direction, joiners, blanks without width, selectors, fillers, separators of lines.
const INVISIBLE: &str = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\
    \u{2067}\u{2068}\u{2069}\u{ad}\u{34f}\u{115f}\u{1160}\u{17b4}\u{180e}\u{200b}\u{200c}\u{200d}\
    \u{2060}\u{2061}\u{2064}\u{206a}\u{206f}\u{3164}\u{fe00}\u{fe0f}\u{feff}\u{ffa0}\u{2028}\
    \u{2029}\u{1f3fb}\u{1d173}\u{e0100}";
const SPACES: &str =
    "\u{a0}\u{1680}\u{2000}\u{2003}\u{2007}\u{2009}\u{202f}\u{205f}\u{3000} \t\u{b}";
/// Letters that change their number, or meet others, when case or form is folded.
const FOLDING: &str = "\u{df}\u{1e9e}\u{130}\u{131}\u{212a}\u{17f}\u{149}\u{1f0}\u{390}\u{3a3}\u{3c2}\
    \u{fb00}\u{fb03}\u{1c4}\u{1c5}\u{2160}\u{24d0}\u{ff21}\u{ff41}\u{430}\u{435}\u{3b1}\u{e9}\u{2126}\
    \u{1d400}\u{10400}\u{1e921}\u{b2}\u{bd}\u{fdfb}";

//! Parsing of the short texts that clients and operators send.

/// Why a value was refused: a stable code for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// Stable, snake_case.
    pub code: &'static str,
    /// Says what is accepted.
    pub message: String,
}

impl Invalid {
    /// A refusal with its code and sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// One line of text, trimmed, of 1 to `max` Unicode characters, without control characters.
///
/// # Errors
/// `blank`, `too_long` or `control_character`.
pub fn bounded_line(raw: &str, max: usize) -> Result<String, Invalid> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(Invalid::new("blank", "must not be blank"));
    }
    // Counted with the blanks round it: that is the length that clients are told of.
    if raw.chars().count() > max {
        return Err(Invalid::new("too_long", format!("must have at most {max} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("control_character", "must not contain control characters"));
    }
    Ok(text.to_owned())
}

//! Parses the values of a request into the domain's types and collects what is wrong with them.

use std::str::FromStr;

use watchme_actors::domain::Invalid;

use super::{ErrorCode, FieldError, Problem};

/// What was wrong so far.
pub(crate) struct Check {
    code: ErrorCode,
    errors: Vec<FieldError>,
}

impl Check {
    /// For a body: 422.
    pub(crate) fn body() -> Self {
        Self { code: ErrorCode::ValidationFailed, errors: Vec::new() }
    }

    /// For a query: 400.
    pub(crate) fn query() -> Self {
        Self { code: ErrorCode::InvalidQuery, errors: Vec::new() }
    }

    pub(crate) fn refuse(&mut self, field: &str, reason: Invalid) {
        self.errors.push(FieldError::new(field, reason));
    }

    pub(crate) fn take<T>(&mut self, field: &str, value: Result<T, Invalid>) -> Option<T> {
        value.map_err(|reason| self.refuse(field, reason)).ok()
    }

    pub(crate) fn parse<T: FromStr<Err = Invalid>>(
        &mut self,
        field: &str,
        text: &str,
    ) -> Option<T> {
        self.take(field, text.parse())
    }

    /// A value that may be missing; `None` also when it was refused.
    pub(crate) fn optional<T: FromStr<Err = Invalid>>(
        &mut self,
        field: &str,
        text: Option<&str>,
    ) -> Option<T> {
        text.and_then(|text| self.parse(field, text))
    }

    /// Values that came several times, or several in one, parted by commas.
    pub(crate) fn list<T: FromStr<Err = Invalid>>(
        &mut self,
        field: &str,
        texts: &[String],
        most: usize,
    ) -> Vec<T> {
        let parts: Vec<&str> = texts.iter().flat_map(|text| text.split(',')).collect();
        if parts.len() > most {
            self.refuse(field, Invalid::new("too_many", format!("must be at most {most} values")));
            return Vec::new();
        }
        parts.into_iter().filter_map(|part| self.parse(field, part)).collect()
    }

    /// The problem with what was refused.
    pub(crate) fn problem(self) -> Problem {
        Problem::invalid(self.code, self.errors)
    }

    /// Ends the check.
    pub(crate) fn done(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(self.problem()) }
    }
}

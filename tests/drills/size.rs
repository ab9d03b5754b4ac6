//! How long a drill goes on.

/// The whole figure, or a short run of the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// For every run of the tests.
    Quick,
    /// What the figures are claimed from.
    Full,
}

impl Size {
    /// One of two values.
    pub fn pick<T>(self, quick: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Full => full,
        }
    }
}

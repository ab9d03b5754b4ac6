//! Finds the text of a setting and remembers what was found and what was wrong.

use std::{collections::BTreeMap, fmt, io, path::Path};

use watchme_actors::domain::Invalid;

use super::Shown;

const DEFAULT_FILE: &str = "watchme.toml";

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Environment,
    /// The TOML file.
    File,
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::File => "file",
            Self::Default => "default",
        })
    }
}

/// How a setting is shown to people.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Plain,
    Masked,
}

pub(super) struct Source<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    /// What the file says and nobody has asked for yet.
    file: BTreeMap<String, String>,
    settings: Vec<Shown>,
    errors: Vec<String>,
}

impl<'a> Source<'a> {
    pub(super) fn open(
        env: &'a dyn Fn(&str) -> Option<String>,
        read: &dyn Fn(&Path) -> io::Result<String>,
    ) -> Self {
        let mut source =
            Self { env, file: BTreeMap::new(), settings: Vec::new(), errors: Vec::new() };
        let named = source.env("WATCHME_CONFIG");
        let path = named.clone().unwrap_or_else(|| DEFAULT_FILE.to_owned());
        match read(Path::new(&path)) {
            Ok(text) => source.take_file(&path, &text),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => source.errors.push(format!("{path} cannot be read: {error}")),
        }
        source
    }

    /// An empty variable counts as not set: that is how some deployments unset one.
    fn env(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.trim().is_empty())
    }

    fn take_file(&mut self, path: &str, text: &str) {
        let table = match text.parse::<toml::Table>() {
            Ok(table) => table,
            Err(error) => {
                self.errors.push(format!("{path} is not valid TOML: {}", error.message()));
                return;
            }
        };
        for (key, value) in table {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => if flag { "on" } else { "off" }.to_owned(),
                _ => {
                    self.errors.push(format!("{path}: `{key}` must be a text, number or flag"));
                    continue;
                }
            };
            self.file.insert(key, value);
        }
    }

    /// The value of a setting, or of its default; `None` when it is not set or is wrong.
    pub(super) fn get<T>(
        &mut self,
        variable: &'static str,
        default: Option<&str>,
        show: Show,
        parse: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Option<T> {
        // Taken out of the file even when the environment wins: the key is a known one.
        let in_file = self.file.remove(&key(variable)).filter(|text| !text.trim().is_empty());
        let (text, origin) = match (self.env(variable), in_file) {
            (Some(text), _) => (Some(text), Origin::Environment),
            (None, Some(text)) => (Some(text), Origin::File),
            (None, None) => (default.map(str::to_owned), Origin::Default),
        };
        let shown = match show {
            Show::Masked if origin != Origin::Default => text.as_ref().map(|_| "***".to_owned()),
            _ => text.clone(),
        };
        self.settings.push(Shown { variable, value: shown, origin });
        match parse(text?.trim()) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.errors.push(format!("{variable} (from the {origin}) {reason}"));
                None
            }
        }
    }

    /// Notes what is wrong with the settings together.
    pub(super) fn wrong(&mut self, reason: &str) {
        self.errors.push(reason.to_owned());
    }

    pub(super) fn finish(self) -> (Vec<Shown>, Vec<String>) {
        let unknown = self.file.keys().map(|key| format!("`{key}` in the file is not a setting"));
        let errors = self.errors.into_iter().chain(unknown).collect();
        (self.settings, errors)
    }
}

/// The name of a variable in the file: without `WATCHME_`, in lower case.
fn key(variable: &str) -> String {
    variable.strip_prefix("WATCHME_").unwrap_or(variable).to_lowercase()
}

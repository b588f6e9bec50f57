//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::reader::ReadError;

/// What is wrong with a configuration: `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file's name.
    pub file: String,
    /// Line and column, both from 1; none when the file cannot be read.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub message: String,
}

impl ConfigError {
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let message = format!("cannot be read: {error}");
        Self {
            file: path.display().to_string(),
            position: None,
            message,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for ConfigError {}

/// The text that is read, to turn byte ranges into lines and columns.
pub(crate) struct Place<'a> {
    pub(crate) text: &'a str,
    pub(crate) file: &'a str,
}

impl Place<'_> {
    pub(crate) fn at(&self, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        ConfigError {
            file: self.file.to_owned(),
            position: Some((line, column)),
            message: message.into(),
        }
    }

    /// Line and column of what begins there.
    pub(crate) fn position(&self, span: Range<usize>) -> (usize, usize) {
        self.at(span, "").position.unwrap_or((1, 1))
    }

    pub(crate) fn read(&self, error: &ReadError) -> ConfigError {
        // A missing table at the top has no place of its own: it is missing from the first line on.
        self.at(error.span().unwrap_or(0..0), error.message())
    }

    pub(crate) fn toml(&self, error: &toml::de::Error) -> ConfigError {
        self.at(error.span().unwrap_or(0..0), error.message())
    }
}

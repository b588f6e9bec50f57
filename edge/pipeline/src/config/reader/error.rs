//! What is wrong with a document, and where.

use std::fmt;
use std::ops::Range;

/// What is wrong with a document, and where in its text.
// Boxed: every step of reading returns one.
#[derive(Debug)]
pub(crate) struct ReadError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    span: Option<Range<usize>>,
}

impl ReadError {
    pub(super) fn syntax(error: &toml::de::Error) -> Self {
        Self(Box::new(Inner {
            message: error.message().to_owned(),
            span: error.span(),
        }))
    }

    /// The place, when no closer one is known.
    pub(super) fn within(mut self, span: Range<usize>) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// What is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Bytes of the text.
    pub(crate) fn span(&self) -> Option<Range<usize>> {
        self.0.span.clone()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ReadError {}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(Box::new(Inner {
            message: message.to_string(),
            span: None,
        }))
    }
}

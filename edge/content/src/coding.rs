//! Content codings (RFC 9110, section 8.4.1) that this crate knows.

use http::HeaderValue;

/// A content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Coding {
    /// Zstandard (RFC 8878).
    Zstd,
    /// Brotli (RFC 7932).
    Br,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard with a dictionary (RFC 9842, section 5).
    Dcz,
}

impl Coding {
    /// The name in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Br => "br",
            Self::Gzip => "gzip",
            Self::Dcz => "dcz",
        }
    }

    /// The name as a field's value.
    #[must_use]
    pub fn value(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }

    /// What the name of a file in this coding ends with.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Br => ".br",
            Self::Gzip => ".gz",
            Self::Dcz => ".dcz",
        }
    }
}

//! Why an answer is not stored.

/// A reason, with the rule that it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStorable {
    /// A filter said so.
    Bypass,
    /// The method is neither GET nor a POST whose answer stands for a GET.
    Method,
    /// No answer of its own (1xx, 304, 412, 416), or a part of one that cannot be placed.
    Status,
    /// `must-understand`, and the status is not known.
    MustUnderstand,
    /// `no-store`.
    NoStore,
    /// `no-store` in the request.
    RequestNoStore,
    /// `private`.
    Private,
    /// The request had `Authorization`, and the answer does not say that it may be shared.
    Authorization,
    /// `Set-Cookie`, and nothing says that the answer is to be kept.
    SetCookie,
    /// `Vary` that selects nothing.
    Vary,
    /// It could never be used again.
    NoLifetime,
    /// Larger than what is stored.
    TooLarge,
}

impl NotStorable {
    /// The reason as a token for `Cache-Status`'s `detail`.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::Status => "status",
            Self::MustUnderstand => "must-understand",
            Self::NoStore => "no-store",
            Self::RequestNoStore => "request-no-store",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::Vary => "vary",
            Self::NoLifetime => "no-lifetime",
            Self::TooLarge => "too-large",
        }
    }

    /// Where the rule stands.
    #[must_use]
    pub fn section(self) -> &'static str {
        match self {
            Self::Bypass | Self::TooLarge => "this cache",
            Self::Method | Self::Status | Self::NoLifetime => "RFC 9111, section 3",
            Self::MustUnderstand => "RFC 9111, section 5.2.2.3",
            Self::NoStore => "RFC 9111, section 5.2.2.5",
            Self::RequestNoStore => "RFC 9111, section 5.2.1.5",
            Self::Private => "RFC 9111, section 5.2.2.7",
            Self::Authorization => "RFC 9111, section 3.5",
            Self::SetCookie => "RFC 9111, section 7.3",
            Self::Vary => "RFC 9111, section 4.1",
        }
    }

    /// The reason as a sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Bypass => "A filter keeps the cache out of this exchange.",
            Self::Method => {
                "Only answers to GET are stored, and those to POST that name the same URL in Content-Location and say how long they are fresh."
            }
            Self::Status => {
                "The status is not one of a whole answer, nor of a part that can be placed in one."
            }
            Self::MustUnderstand => {
                "must-understand forbids to store a status that this cache does not know."
            }
            Self::NoStore => "no-store forbids to store it.",
            Self::RequestNoStore => "The request says no-store, so its answer is not kept.",
            Self::Private => "private says that it is for one client, and this cache is shared.",
            Self::Authorization => {
                "The request carried Authorization, and the answer says neither public, s-maxage nor must-revalidate."
            }
            Self::SetCookie => {
                "It sets a cookie and names no lifetime: to guess one would hand the cookie to others."
            }
            Self::Vary => {
                "Vary has *, or more fields than are kept apart: no later request can be known to match."
            }
            Self::NoLifetime => {
                "It names no lifetime, none may be guessed, and it has no validator to ask about it with: it could never be used again."
            }
            Self::TooLarge => "It is larger than what this cache stores.",
        }
    }
}

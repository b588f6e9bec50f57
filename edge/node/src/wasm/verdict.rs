//! When a filter is called, and what it says.

use bytes::Bytes;

/// When a filter is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request has arrived and nothing has answered it.
    Request,
    /// An upstream has answered; the answer is not stored yet.
    Upstream,
    /// An answer leaves for the client.
    Response,
}

/// What happens to the exchange after a filter has seen it.
#[derive(Debug)]
pub enum Verdict {
    /// Go on with the next stage.
    Next,
    /// Answer with this and skip the stages that are left. Status and fields follow the rules of
    /// `wit/filter.wit`; `content-length` is not set. Never stored in the cache.
    Reply(http::Response<Bytes>),
}

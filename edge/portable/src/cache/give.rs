//! Answers a request with a stored answer; what its head says is decided in [`zephyr_cache::answer`].

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use zephyr_cache::Status;
use zephyr_cache::answer::{self, Held, Part};
use zephyr_edge_pipeline::{Exchange, ProxyError, Source};

use super::{Found, Served};
use crate::platform::{HostBody, Platform};

pub(super) async fn give<P: Platform>(
    x: &Exchange,
    found: Found<P::Body>,
    now: Duration,
    status: &Status<'_>,
) -> Served<P> {
    let (method, request) = (&x.request.method, &x.request.headers);
    let Found { meta, mut body, .. } = found;
    let mut length = meta.length.or(body.length());
    if length.is_none() {
        let bytes = read::<P>(body).await?;
        length = Some(bytes.len() as u64);
        body = bytes.into();
    }
    let whole = Held::Whole(length.unwrap_or_default());
    let held = meta.part.map_or(whole, Held::Part);
    let (head, freshness) = (&meta.head, &meta.freshness);
    let (parts, part) = answer::from_store(head, held, freshness, method, request, now, status);
    let body = match part {
        Part::Whole => body,
        Part::Nothing => P::Body::from(Bytes::new()),
        Part::Range(first, last) => {
            let bytes = read::<P>(body).await?;
            let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
            let end = bytes.len().min(index(last.saturating_add(1)));
            let start = index(first).min(end);
            P::Body::from(bytes.slice(start..end))
        }
    };
    Ok((parts, body))
}

async fn read<P: Platform>(body: P::Body) -> Result<Bytes, ProxyError> {
    body.collect(usize::MAX).await.map_err(|error| {
        let detail = "The stored answer could not be read.";
        ProxyError::new(Source::Edge, StatusCode::BAD_GATEWAY, detail).with_cause(error)
    })
}

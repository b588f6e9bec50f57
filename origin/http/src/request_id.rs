//! The request's id: taken from `x-request-id`, which the edge sets, else made here. It is in every
//! log line, in problem bodies and on the answer.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue};
use tracing::Instrument as _;

/// The header's name.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
#[must_use]
pub fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

/// A middleware: gives every request an id and a span with it.
pub async fn layer(request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok());
    let id = match given {
        Some(id) if is_legal(id) => id.to_owned(),
        _ => zephyr_origin_core::new_id().to_string(),
    };
    let span =
        tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let header = HeaderValue::from_str(&id).ok();
    let mut answer = CURRENT.scope(id, next.run(request)).instrument(span).await;
    if let Some(header) = header {
        answer.headers_mut().insert(HEADER, header);
    }
    answer
}

/// 1 to 128 letters, digits and `-_.:`; anything else could forge log lines.
fn is_legal(id: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_forge_a_log_line() {
        assert!(is_legal("0190-ab.c:d_e"));
        for id in ["", "a b", "a\nb", "ä", &"a".repeat(129)] {
            assert!(!is_legal(id), "{id:?}");
        }
    }
}

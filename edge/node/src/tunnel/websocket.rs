//! The handshake fields of WebSocket (RFC 6455, section 4).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use zephyr_edge_pipeline::admission::Refusal;

/// The one version there is.
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("13");
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Checks the version that a client asks for (section 4.4).
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut versions = headers.get_all(header::SEC_WEBSOCKET_VERSION).iter();
    if versions.next() == Some(&VERSION) && versions.next().is_none() {
        return Ok(());
    }
    let detail = "This server speaks version 13 of the WebSocket protocol.";
    Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, detail).closing())
}

/// The key of a handshake: 16 bytes in base64 (section 4.2.1, number 5).
pub(super) fn key(headers: &HeaderMap) -> Result<HeaderValue, Refusal> {
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let legal = |key: &HeaderValue| STANDARD.decode(key).is_ok_and(|key| key.len() == 16);
    match (keys.next(), keys.next()) {
        (Some(key), None) if legal(key) => Ok(key.clone()),
        _ => {
            let detail = "The WebSocket handshake has no legal Sec-WebSocket-Key.";
            Err(Refusal::new(StatusCode::BAD_REQUEST, detail).closing())
        }
    }
}

/// A key for a handshake of the node's own.
pub(super) fn new_key() -> HeaderValue {
    let key = STANDARD.encode(uuid::Uuid::new_v4().as_bytes());
    HeaderValue::from_str(&key).unwrap_or(HeaderValue::from_static(""))
}

/// Whether the answer is one to this key (section 4.2.2, number 5.4).
pub(super) fn accepts(headers: &HeaderMap, key: &HeaderValue) -> bool {
    let mut digest = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key.as_bytes());
    digest.update(GUID);
    let expected = STANDARD.encode(digest.finish());
    let found = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    found.is_some_and(|found| found.as_bytes() == expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        let mut headers = HeaderMap::new();
        assert!(!accepts(&headers, &key));
        headers.insert(
            header::SEC_WEBSOCKET_ACCEPT,
            HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        );
        assert!(accepts(&headers, &key));
        assert!(!accepts(&headers, &new_key()));
    }
}

//! What a client's head says about switching to another protocol.

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use zephyr_edge_pipeline::admission::Refusal;

use super::websocket;
use crate::error::{ProxyError, Source};

const WEBSOCKET: &str = "websocket";

/// A client's wish for another protocol. It travels in the extensions of the exchange's request.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    /// In lower case.
    protocol: String,
    /// Whether it came on HTTP/2, as an extended CONNECT.
    pub(crate) http2: bool,
    /// What the upstream's answer must be to, on WebSocket.
    key: Option<HeaderValue>,
}

impl Wish {
    /// Reads it, before the fields of the connection are taken out. An extended CONNECT becomes the
    /// GET that it would be on HTTP/1.1 (RFC 8441, section 5). A request with a body has none.
    pub(crate) fn of(parts: &mut Parts, has_body: bool) -> Option<Self> {
        if parts.method == Method::CONNECT {
            let protocol = parts.extensions.remove::<hyper::ext::Protocol>()?;
            parts.method = Method::GET;
            return Some(Self::new(protocol.as_str(), true));
        }
        // RFC 9110, section 7.8: without the option the field means nothing, nor in HTTP/1.0.
        if parts.version != Version::HTTP_11
            || has_body
            || parts.method != Method::GET
            || !lists(&parts.headers, header::CONNECTION, "upgrade")
        {
            return None;
        }
        let protocol = parts.headers.get(header::UPGRADE)?.to_str().ok()?;
        let protocol = match lists(&parts.headers, header::UPGRADE, WEBSOCKET) {
            true => WEBSOCKET,
            false => protocol.split(',').next()?.trim(),
        };
        Some(Self::new(protocol, false))
    }

    fn new(protocol: &str, http2: bool) -> Self {
        Self {
            protocol: protocol.to_ascii_lowercase(),
            http2,
            key: None,
        }
    }

    /// Whether it is for one of these protocols.
    pub(crate) fn is_one_of(&self, protocols: &[String]) -> bool {
        protocols.contains(&self.protocol)
    }

    /// Checks what the protocol asks of a handshake.
    ///
    /// # Errors
    ///
    /// 400 or 426 (RFC 6455, section 4.2.2).
    pub(crate) fn check(&mut self, headers: &HeaderMap) -> Result<(), Refusal> {
        if self.protocol == WEBSOCKET {
            websocket::check_version(headers)?;
            // RFC 8441, section 5: on HTTP/2 there is no key. The upstream needs one.
            self.key = Some(match self.http2 {
                true => websocket::new_key(),
                false => websocket::key(headers)?,
            });
        }
        Ok(())
    }

    /// The fields with which an upstream is asked.
    pub(crate) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Ok(protocol) = HeaderValue::from_str(&self.protocol) {
            headers.insert(header::UPGRADE, protocol);
        }
        if let Some(key) = &self.key {
            headers.insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
    }

    /// Checks that an upstream has switched to what it was asked for.
    ///
    /// # Errors
    ///
    /// 502 when it has not.
    pub(crate) fn check_answer(&self, headers: &HeaderMap) -> Result<(), ProxyError> {
        let key = self.key.as_ref();
        if lists(headers, header::UPGRADE, &self.protocol)
            && key.is_none_or(|key| websocket::accepts(headers, key))
        {
            return Ok(());
        }
        let detail = "The upstream switched to a protocol that was not asked for.";
        Err(ProxyError::new(
            Source::Upstream,
            StatusCode::BAD_GATEWAY,
            detail,
        ))
    }

    /// The fields with which the client is told.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        if self.http2 {
            for name in [
                header::CONNECTION,
                header::UPGRADE,
                header::SEC_WEBSOCKET_ACCEPT,
            ] {
                headers.remove(name);
            }
        } else {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            if let Ok(protocol) = HeaderValue::from_str(&self.protocol) {
                headers.insert(header::UPGRADE, protocol);
            }
        }
    }
}

/// Whether the lines of a field list this word, in any case.
fn lists(headers: &HeaderMap, name: header::HeaderName, word: &str) -> bool {
    headers.get_all(name).iter().any(|line| {
        line.as_bytes()
            .split(|byte| *byte == b',')
            .any(|item| item.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn wish(request: http::request::Builder) -> Option<Wish> {
        Wish::of(&mut request.body(()).unwrap().into_parts().0, false)
    }

    #[test]
    fn an_upgrade_needs_its_option() {
        let get = || Request::get("/").header("upgrade", "WebSocket");
        assert!(wish(get()).is_none());
        assert!(wish(get().header("connection", "close")).is_none());
        assert!(
            wish(
                get()
                    .header("connection", "upgrade")
                    .version(Version::HTTP_10)
            )
            .is_none()
        );
        let found = wish(get().header("connection", "keep-alive, Upgrade")).unwrap();
        assert!(found.is_one_of(&["websocket".to_owned()]) && !found.http2);
        let other = Request::get("/")
            .header("upgrade", "h2c, foo")
            .header("connection", "upgrade");
        assert!(!wish(other).unwrap().is_one_of(&["websocket".to_owned()]));
    }

    #[test]
    fn handshakes_are_checked() {
        let check = |fields: &[(&'static str, &'static str)]| {
            let mut wish = Wish::new(WEBSOCKET, false);
            let headers = fields
                .iter()
                .map(|(name, value)| {
                    (
                        header::HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect();
            wish.check(&headers)
                .map_err(|refusal| refusal.status.as_u16())
        };
        let key = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let version = ("sec-websocket-version", "13");
        assert_eq!(check(&[key, version]), Ok(()));
        assert_eq!(check(&[version]), Err(400));
        assert_eq!(check(&[("sec-websocket-key", "short"), version]), Err(400));
        assert_eq!(check(&[key]), Err(426));
        assert_eq!(check(&[key, ("sec-websocket-version", "8")]), Err(426));
    }
}

//! Which answers are compressed for clients that take it.

use http::{HeaderMap, StatusCode, header};

use super::Compressor;

/// Fields that vouch for the bytes as they are (RFC 9530, and its forerunners): what is compressed
/// would no longer be what they vouch for.
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

impl Compressor {
    /// Whether an answer may be compressed, for whoever takes it: by its type, its length when that is
    /// known, and what its fields say. Whether this client takes it is another question; all answers
    /// that pass here depend on `Accept-Encoding`.
    #[must_use]
    pub fn may(&self, status: StatusCode, headers: &HeaderMap, length: Option<u64>) -> bool {
        let bodiless = status.is_informational()
            || matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
            );
        !bodiless
            && !headers.contains_key(header::CONTENT_ENCODING)
            && length.is_none_or(|length| length >= self.settings().min_bytes)
            && self.is_type(headers)
            && !no_transform(headers)
            && !DIGESTS.iter().any(|name| headers.contains_key(*name))
    }

    fn is_type(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::CONTENT_TYPE) else {
            return false;
        };
        let mut parts = value.as_bytes().split(|byte| *byte == b';');
        let essence = parts.next().unwrap_or_default().trim_ascii();
        let Ok(essence) = std::str::from_utf8(essence) else {
            return false;
        };
        let essence = essence.to_ascii_lowercase();
        self.settings()
            .types
            .iter()
            .any(|known| match known.strip_suffix('*') {
                Some(main) => essence.starts_with(main),
                None => *known == essence,
            })
    }
}

/// Whether a request or an answer forbids other bytes of the same meaning (RFC 9111, sections 5.2.1.6
/// and 5.2.2.6).
#[must_use]
pub fn no_transform(headers: &HeaderMap) -> bool {
    headers.get_all(header::CACHE_CONTROL).iter().any(|line| {
        let mut directives = line.as_bytes().split(|byte| *byte == b',');
        directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::HeaderName;

    use super::super::{Compressor, Settings};
    use super::*;

    #[test]
    fn what_is_compressed() {
        let compressor = Compressor::new(Settings {
            offer: Vec::new(),
            zstd_level: 3,
            brotli_level: 4,
            gzip_level: 5,
            min_bytes: 1000,
            types: vec!["text/*".into(), "application/json".into()],
            max_streams: 1,
        });
        let may = |status: u16, length, fields: &[(&'static str, &'static str)]| {
            let fields = fields.iter().map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            });
            let status = StatusCode::from_u16(status).unwrap();
            compressor.may(status, &HeaderMap::from_iter(fields), length)
        };
        let text = ("content-type", "Text/HTML; charset=utf-8");
        assert!(may(200, Some(1000), &[text]));
        assert!(may(404, None, &[text]));
        assert!(may(200, None, &[("content-type", "application/json")]));
        assert!(!may(200, Some(999), &[text]));
        for status in [100, 204, 205, 304] {
            assert!(!may(status, None, &[text]), "{status}");
        }
        for field in [
            ("content-encoding", "gzip"),
            ("content-encoding", "identity"),
            ("cache-control", "max-age=5, No-Transform"),
            ("content-digest", "sha-256=:AA==:"),
            ("content-md5", "x"),
        ] {
            assert!(!may(200, None, &[text, field]), "{field:?}");
        }
        assert!(!may(200, None, &[("content-type", "image/png")]));
        assert!(!may(200, None, &[("content-type", "application/jsonx")]));
        assert!(!may(200, None, &[]));
        assert!(compressor.place().is_some());
        let one = compressor.place();
        assert!(one.is_some() && compressor.place().is_none());
        drop(one);
        assert!(compressor.place().is_some());
    }
}

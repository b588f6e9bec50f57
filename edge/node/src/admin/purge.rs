//! `POST /-/purge`: drops stored answers of this node. All nodes of a site are reached through the
//! origin's admin API; what is said here is heard here only.

use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use super::{problem, text};
use crate::cache::{Cache, Purge};

/// 256 surrogate keys fit.
const MAX_BODY: usize = 128 * 1024;
const MAX_KEYS: usize = 256;
const MAX_KEY: usize = 256;
const MAX_URL: usize = 8192;

/// Exactly one of the first four.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    keys: Option<Vec<String>>,
    url: Option<String>,
    prefix: Option<String>,
    all: Option<bool>,
    /// To make it stale only.
    #[serde(default)]
    soft: bool,
}

pub(super) async fn purge(cache: &Cache, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return problem(413, &format!("The body may hold {MAX_BODY} bytes."));
        }
        Err(_) => return problem(400, "The body broke off."),
    };
    let checked = serde_json::from_slice::<Params>(&body)
        .map_err(|error| format!("The body is not a purge: {error}."))
        .and_then(check);
    let (kind, purge, soft) = match checked {
        Ok(checked) => checked,
        Err(why) => return problem(422, &why),
    };
    let met = match soft {
        true => cache.purge_softly(&purge),
        false => cache.purge(&purge),
    };
    let sequence = cache.purge_sequence();
    cache.purges_written().await;
    tracing::info!(sequence, met, "purged {met} stored answers by {kind}");
    let receipt = json!({
        "sequence": sequence,
        "purged_at": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "kind": kind,
        "soft": soft,
        "met": met,
    });
    text(receipt.to_string(), "application/json")
}

fn check(params: Params) -> Result<(&'static str, Purge, bool), String> {
    let soft = params.soft;
    let (kind, purge) = what(params)?;
    Ok((kind, purge, soft))
}

fn what(params: Params) -> Result<(&'static str, Purge), String> {
    match params {
        Params {
            keys: Some(keys),
            url: None,
            prefix: None,
            all: None,
            ..
        } => {
            let is_key = |key: &String| {
                (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
            };
            if !(1..=MAX_KEYS).contains(&keys.len()) {
                return Err(format!("keys must be 1 to {MAX_KEYS} keys."));
            }
            if !keys.iter().all(is_key) {
                let rule = format!("Each of keys must be 1 to {MAX_KEY} visible ASCII characters.");
                return Err(rule);
            }
            Ok(("keys", Purge::Keys(keys)))
        }
        Params {
            keys: None,
            url: Some(url),
            prefix: None,
            all: None,
            ..
        } if is_url(&url) => Ok(("url", Purge::Url(url))),
        Params { url: Some(_), .. } => Err(format!(
            "url must be an absolute http or https URL of at most {MAX_URL} bytes, and stand alone."
        )),
        Params {
            keys: None,
            url: None,
            prefix: Some(prefix),
            all: None,
            ..
        } if is_url(&prefix) && prefix.ends_with('/') && !prefix.contains('?') => {
            Ok(("prefix", Purge::Prefix(prefix)))
        }
        Params {
            prefix: Some(_), ..
        } => Err(format!(
            "prefix must be an absolute http or https URL that ends with a slash, of at most \
             {MAX_URL} bytes, and stand alone."
        )),
        Params {
            keys: None,
            url: None,
            prefix: None,
            all: Some(true),
            ..
        } => Ok(("all", Purge::All)),
        Params { .. } => {
            Err("The body must have exactly one of keys, url, prefix and all: true.".into())
        }
    }
}

fn is_url(text: &str) -> bool {
    let absolute =
        |uri: http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    text.len() <= MAX_URL && text.parse().is_ok_and(absolute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_is_one_thing() {
        let read = |text: &str| check(serde_json::from_str(text).map_err(|e| e.to_string())?);
        assert_eq!(
            read(r#"{"keys":["a"]}"#),
            Ok(("keys", Purge::Keys(vec!["a".into()]), false))
        );
        assert_eq!(read(r#"{"all":true}"#), Ok(("all", Purge::All, false)));
        assert_eq!(
            read(r#"{"url":"http://a/b?c"}"#),
            Ok(("url", Purge::Url("http://a/b?c".into()), false))
        );
        assert_eq!(
            read(r#"{"prefix":"http://a/b/"}"#),
            Ok(("prefix", Purge::Prefix("http://a/b/".into()), false))
        );
        assert_eq!(
            read(r#"{"all":true,"soft":true}"#),
            Ok(("all", Purge::All, true))
        );
        for wrong in [
            "{}",
            r#"{"soft":true}"#,
            r#"{"all":false}"#,
            r#"{"all":true,"keys":["a"]}"#,
            r#"{"url":"/b"}"#,
            r#"{"url":"http://a/","prefix":"http://a/"}"#,
            r#"{"prefix":"http://a/b"}"#,
            r#"{"prefix":"http://a/?b/"}"#,
            r#"{"keys":[]}"#,
            r#"{"keys":["a b"]}"#,
            r#"{"kyes":["a"]}"#,
            "[]",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}

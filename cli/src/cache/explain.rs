//! `zephyr cache explain URL`: one request, and every decision that the node's cache makes about the
//! answer, with the rule that it comes from. Asked through a node, what that node did is shown as well
//! (`Cache-Status`, RFC 9211).

use std::io::Write as _;

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use zephyr_cache::explain::{Seen, explain, to_text};

use super::fetch;
use crate::exit;

/// Fields of the answer that have to do with caches, in the order in which they are shown.
const SHOWN: [&str; 15] = [
    "cache-control",
    "cdn-cache-control",
    "surrogate-control",
    "expires",
    "date",
    "age",
    "last-modified",
    "etag",
    "vary",
    "content-range",
    "content-location",
    "location",
    "set-cookie",
    "cache-groups",
    "cache-status",
];

/// Options of `zephyr cache explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to ask for: `http://host:port/path` or `https://..`
    url: String,
    /// A field of the request, `name: value`; may be given again
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// The request's method
    #[arg(short = 'X', long, default_value = "GET")]
    method: String,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let uri: Uri = args.url.parse().map_err(exit::usage)?;
    let method: Method = args.method.parse().map_err(exit::usage)?;
    let headers = fields(&args.headers)?;
    let target = fetch::Target::of(&uri).map_err(exit::usage)?;
    let runtime = crate::runtime()?;
    let answer = runtime
        .block_on(fetch::head(&target, &method, &uri, &headers))
        .with_context(|| format!("could not get {uri}"))?;
    let seen = Seen {
        method: &method,
        scheme: target.scheme,
        authority: &target.authority,
        uri: &uri,
        request: &headers,
        status: answer.status,
        response: &answer.headers,
        asked: answer.asked,
        arrived: answer.arrived,
    };
    let mut text = format!("{}\n", answer.status);
    text.push_str(&shown(&answer.headers));
    text.push('\n');
    text.push_str(&to_text(&explain(&seen)));
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("could not write to standard output")
}

/// Reads `name: value` lines.
fn fields(lines: &[String]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| exit::usage(format!("-H {line:?} is not `name: value`")))?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(exit::usage)?;
        let value = HeaderValue::from_str(value.trim()).map_err(exit::usage)?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// The fields that have to do with caches. A cookie's value is nobody's business.
fn shown(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for name in SHOWN {
        for value in headers.get_all(name) {
            let value = match name {
                "set-cookie" => "..".into(),
                _ => String::from_utf8_lossy(value.as_bytes()),
            };
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_lines_with_a_colon() {
        let read = fields(&["Accept: a/b".to_owned(), "x-a:1:2".to_owned()]).unwrap();
        assert_eq!(
            (&read["accept"], &read["x-a"]),
            (&"a/b".parse().unwrap(), &"1:2".parse().unwrap())
        );
        assert!(fields(&["nothing".to_owned()]).is_err());
        assert!(fields(&["a b: c".to_owned()]).is_err());
    }

    #[test]
    fn a_cookie_is_not_shown() {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", HeaderValue::from_static("secret=1"));
        headers.insert("etag", HeaderValue::from_static("\"a\""));
        assert_eq!(shown(&headers), "etag: \"a\"\nset-cookie: ..\n");
    }
}

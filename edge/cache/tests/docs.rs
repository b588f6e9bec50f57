//! The explanations in `docs/caching.md` are what this crate says. After a change that is meant,
//! `BLESS=1 cargo nextest run -p zephyr-cache --test docs` writes them anew.

use std::fmt::Write as _;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use zephyr_cache::explain::{Seen, explain, to_text};

/// Wed, 18 Nov 2026 10:40:00 GMT.
const NOW: Duration = Duration::from_secs(1_794_998_400);
const FENCE: &str = "```explain\n";

fn fields(lines: std::str::Lines<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").expect("name: value");
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// A block: the request, an empty line, the answer, an empty line, the findings.
fn answered(block: &str) -> String {
    let mut sections = block.splitn(3, "\n\n");
    let (request, response) = (sections.next().unwrap(), sections.next().unwrap());
    let mut lines = request.lines();
    let (method, url) = lines.next().unwrap().split_once(' ').unwrap();
    let (method, uri): (Method, Uri) = (method.parse().unwrap(), url.parse().unwrap());
    let asked = fields(lines);
    let mut lines = response.lines();
    let status: StatusCode = lines.next().unwrap().parse().unwrap();
    let told = fields(lines);
    let findings = explain(&Seen {
        method: &method,
        scheme: uri.scheme_str().unwrap(),
        authority: uri.authority().unwrap().as_str(),
        uri: &uri,
        request: &asked,
        status,
        response: &told,
        asked: NOW,
        arrived: NOW,
    });
    format!("{request}\n\n{response}\n\n{}", to_text(&findings))
}

#[test]
fn the_explanations_in_the_docs_are_true() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/caching.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut parts = text.split(FENCE);
    let mut made = parts.next().unwrap().to_owned();
    let mut blocks = 0;
    for part in parts {
        let (block, after) = part.split_once("```\n").expect("a block ends");
        write!(made, "{FENCE}{}```\n{after}", answered(block)).unwrap();
        blocks += 1;
    }
    assert!(blocks >= 10, "{blocks} blocks");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
        return;
    }
    assert_eq!(text, made);
}

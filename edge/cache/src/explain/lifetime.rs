//! For how long an answer is fresh, and what tells so; how old it is, and what tells that.

use http::{HeaderMap, header};

use super::{Finding, Seen};
use crate::cache_control::CacheControl;
use crate::freshness::{self, Freshness};
use crate::{age, date};

pub(super) fn of(seen: &Seen<'_>, freshness: &Freshness) -> Finding {
    let (control, targeted) = CacheControl::for_this_cache(seen.response);
    let seconds = freshness.lifetime;
    let expires = !targeted && seen.response.contains_key(header::EXPIRES);
    let (section, from) = if control.s_maxage.is_some() {
        (
            "RFC 9111, section 5.2.2.10",
            "from s-maxage, which is for shared caches".to_owned(),
        )
    } else if control.max_age.is_some() {
        ("RFC 9111, section 5.2.2.1", "from max-age".to_owned())
    } else if expires {
        ("RFC 9111, section 5.3", expires_from(seen))
    } else {
        ("RFC 9111, section 4.2.2", guessed(seen, seconds))
    };
    let mut text = format!("{seconds} s, {from}.");
    if control.no_cache {
        text.push_str(" no-cache asks for a question to the origin before every use all the same.");
    }
    Finding::new("lifetime", section, text)
}

fn expires_from(seen: &Seen<'_>) -> String {
    let now = age::seconds(seen.arrived);
    let mut lines = seen.response.get_all(header::EXPIRES).iter();
    let first = lines.next().and_then(|line| line.to_str().ok());
    if lines.next().is_some() {
        return "because Expires stands there more than once, which is as if it had passed"
            .to_owned();
    }
    if first.and_then(|text| date::parse(text, now)).is_none() {
        return "because Expires is no date, which is as if it had passed".to_owned();
    }
    if date_of(seen.response, now).is_none() {
        return "from Expires and the time of arrival, because there is no Date that is one"
            .to_owned();
    }
    "from Expires minus Date".to_owned()
}

fn guessed(seen: &Seen<'_>, seconds: u32) -> String {
    let now = age::seconds(seen.arrived);
    if age::field_date(seen.response, &header::LAST_MODIFIED, now).is_none() {
        return "because nothing says more; it is kept to be asked about".to_owned();
    }
    if seconds >= freshness::MAX_HEURISTIC {
        return "guessed: a tenth of the time since Last-Modified, and at most a day".to_owned();
    }
    "guessed: a tenth of the time since Last-Modified".to_owned()
}

fn date_of(response: &HeaderMap, now: i64) -> Option<i64> {
    age::field_date(response, &header::DATE, now)
}

/// How old the answer is, when it is.
pub(super) fn age(seen: &Seen<'_>, freshness: &Freshness) -> Vec<Finding> {
    let mut findings = Vec::new();
    let section = "RFC 9111, section 4.2.3";
    let told = seen.response.contains_key(header::AGE);
    let seconds = freshness.initial_age;
    if seconds > 0 {
        let from = if told {
            "by its Age, its Date and the time of the trip, whichever says most"
        } else {
            "by its Date and the time of the trip"
        };
        findings.push(Finding::new(
            "age",
            section,
            format!("It was {seconds} s old when it came, {from}."),
        ));
    }
    let lines: Vec<_> = seen.response.get_all(header::AGE).iter().collect();
    let odd = |line: &&http::HeaderValue| {
        let text = line.to_str().unwrap_or_default().trim();
        text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if lines.len() > 1 || lines.iter().any(odd) {
        let text = "Age is not one number: the number that it begins with counts, and what begins with none counts as nothing.";
        findings.push(Finding::new("odd", "RFC 9111, section 5.1", text));
    }
    findings
}

//! How long a server says that it keeps an unused connection, in `Keep-Alive: timeout=5, max=100`
//! (RFC 2068, section 19.7.1.1; the parameters are draft-thomson-hybi-http-timeout-03). A request
//! sent at the moment the server closes is lost, so its connection is given up before.

use std::time::Duration;

use http::HeaderMap;

use crate::fields;

/// What is left to the way of a request when the server's time runs out; half of a short time.
const MARGIN: Duration = Duration::from_secs(1);

/// How long a connection may be unused and then be used again; none when the server does not say,
/// and zero when it is not to be kept.
pub(super) fn unused_for(headers: &HeaderMap) -> Option<Duration> {
    let mut limit = None;
    for value in headers.get_all(fields::KEEP_ALIVE) {
        for parameter in value.to_str().unwrap_or_default().split(',') {
            let Some((name, number)) = parameter.split_once('=') else {
                continue;
            };
            let (name, Ok(number)) = (name.trim(), number.trim().parse::<u32>()) else {
                continue;
            };
            if name.eq_ignore_ascii_case("timeout") {
                let said = Duration::from_secs(u64::from(number));
                let said = said.saturating_sub(MARGIN).max(said / 2);
                limit = Some(limit.map_or(said, |limit: Duration| limit.min(said)));
            } else if name.eq_ignore_ascii_case("max") && number <= 1 {
                return Some(Duration::ZERO);
            }
        }
    }
    limit
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn said(value: &'static str) -> Option<u128> {
        let headers = HeaderMap::from_iter([(fields::KEEP_ALIVE, HeaderValue::from_static(value))]);
        unused_for(&headers).map(|limit| limit.as_millis())
    }

    #[test]
    fn a_margin_is_left() {
        assert_eq!(said("timeout=5"), Some(4000));
        assert_eq!(said("Timeout = 2 , max=100"), Some(1000));
        assert_eq!(said("timeout=1"), Some(500));
        assert_eq!(said("timeout=0"), Some(0));
        assert_eq!(said("timeout=5, max=1"), Some(0));
        assert_eq!(said("max=0"), Some(0));
        assert_eq!(said("timeout=60, timeout=5"), Some(4000));
    }

    #[test]
    fn what_is_no_hint_says_nothing() {
        for value in [
            "",
            "300",
            "max=100",
            "timeout=",
            "timeout=-1",
            "timeout=soon",
            "x=1",
        ] {
            assert_eq!(said(value), None, "{value:?}");
        }
        assert_eq!(unused_for(&HeaderMap::new()), None);
    }
}

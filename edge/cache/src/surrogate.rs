//! `Surrogate-Control` and `Surrogate-Capability` (W3C note "Edge Architecture Specification", 2001):
//! the forerunners of `CDN-Cache-Control`, which servers still send.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::cache_control::{CacheControl, delta};

/// For caches that stand before a server as if they were it, as this one does.
pub const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");
/// Tells the server which of them there are.
pub const SURROGATE_CAPABILITY: HeaderName = HeaderName::from_static("surrogate-capability");

/// This cache's token in both.
const TOKEN: &str = "zephyr";
const CAPABILITY: HeaderValue = HeaderValue::from_static("zephyr=\"Surrogate/1.0\"");
/// Directives read of one field.
const MAX_DIRECTIVES: usize = 64;

/// What `Surrogate-Control` says to this cache: `max-age=600`, `max-age=600+60` (so long fresh, and so
/// long stale while it is refreshed) and `no-store`, of which those for another token (`;token`) do not
/// count. None when it says nothing of that: `Cache-Control` counts then.
#[must_use]
pub(crate) fn of(response: &HeaderMap) -> Option<CacheControl> {
    let mut control = CacheControl::default();
    let mut said = false;
    let lines = response.get_all(SURROGATE_CONTROL).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    for directive in lines.flat_map(|line| line.split(',')).take(MAX_DIRECTIVES) {
        let (directive, target) = match directive.split_once(';') {
            Some((directive, target)) => (directive, Some(target.trim())),
            None => (directive, None),
        };
        if target.is_some_and(|target| target != TOKEN) {
            continue;
        }
        // White space around `=` is none that may be there.
        let (name, value) = match directive.trim().split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (directive.trim(), None),
        };
        if name.eq_ignore_ascii_case("no-store") {
            control.no_store = true;
            said = true;
        } else if name.eq_ignore_ascii_case("max-age") && control.max_age.is_none() {
            let value = value.unwrap_or_default();
            let (fresh, stale) = value.split_once('+').unwrap_or((value, "0"));
            if let (Some(fresh), Some(stale)) = (delta(fresh), delta(stale)) {
                control.max_age = Some(fresh);
                control.stale_while_revalidate = Some(stale);
                said = true;
            }
        }
    }
    said.then_some(control)
}

/// Tells the server that this cache reads the field. Those of surrogates before it stay.
pub fn announce(request: &mut HeaderMap) {
    request.append(SURROGATE_CAPABILITY, CAPABILITY);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    fn read(text: &str) -> Option<(Option<u32>, Option<u32>, bool)> {
        let control = of(&fields(&[("surrogate-control", text)]))?;
        let stale = control.stale_while_revalidate;
        Some((control.max_age, stale, control.no_store))
    }

    #[test]
    fn what_is_said_to_this_cache_counts() {
        assert_eq!(read("MaX-aGe=60"), Some((Some(60), Some(0), false)));
        assert_eq!(read("max-age=60+5"), Some((Some(60), Some(5), false)));
        assert_eq!(
            read("foo, max-age=60;zephyr"),
            Some((Some(60), Some(0), false))
        );
        assert_eq!(
            read("no-store, content=\"ESI/1.0\""),
            Some((None, None, true))
        );
        for nothing in [
            "",
            "foo",
            "max-age",
            "max-age =60",
            "max-age= 60",
            "max-age=60;other",
            "max-age=60+x",
        ] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd(text in "[a-z0-9=;,+ \"-]{0,60}") {
            let _ = read(&text);
        }
    }
}

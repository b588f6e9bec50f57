//! `Vary` (RFC 9111, section 4.1): which requests an answer is for.

use std::borrow::Cow;
use std::hash::Hasher;

use http::{HeaderMap, HeaderName, header};

/// An answer that depends on more fields than this is not stored.
const MAX_FIELDS: usize = 64;

/// The fields that an answer depends on, with what its request had in them. Sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Box<[Field]>);

/// A field, and its value if the request had it.
type Field = (HeaderName, Option<Box<[u8]>>);

/// Whether requests for an answer can be told apart at all: not by `*`, nor by what is not a list of
/// names.
#[must_use]
pub fn is_selectable(response: &HeaderMap) -> bool {
    names(response).is_some()
}

fn names(response: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for line in response.get_all(header::VARY) {
        for name in line.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if name.is_empty() {
                continue;
            }
            if name == b"*" || names.len() >= MAX_FIELDS {
                return None;
            }
            names.push(HeaderName::from_bytes(name).ok()?);
        }
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Some(names)
}

impl Selection {
    /// What selects this answer; none when nothing does ([`is_selectable`]).
    #[must_use]
    pub fn new(response: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let with_value = |name: HeaderName| {
            let value = normalised(request, &name).map(|value| value.into_owned().into());
            (name, value)
        };
        Some(Self(names(response)?.into_iter().map(with_value).collect()))
    }

    /// What selects among answers that depend on these fields.
    #[must_use]
    pub fn by(names: &[HeaderName], request: &HeaderMap) -> Self {
        let with_value = |name: &HeaderName| {
            let value = normalised(request, name).map(|value| value.into_owned().into());
            (name.clone(), value)
        };
        let mut fields: Vec<Field> = names.iter().map(with_value).collect();
        fields.sort_unstable_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        Self(fields.into())
    }

    /// The fields that the answer depends on.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.0.iter().map(|(name, _)| name)
    }

    /// Appends what the request has in these fields: equal for all requests that the answer is for,
    /// and for no others.
    pub fn append_key(&self, key: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            key.extend_from_slice(name.as_str().as_bytes());
            match value {
                Some(value) => {
                    key.push(b'=');
                    key.extend_from_slice(&(value.len() as u64).to_le_bytes());
                    key.extend_from_slice(value);
                }
                None => key.push(b'-'),
            }
        }
    }

    /// Whether the answer is for this request as well.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0
            .iter()
            .all(|(name, value)| normalised(request, name).as_deref() == value.as_deref())
    }

    /// Tells a hasher what this request has in the fields that the answer depends on: equal for all
    /// requests that an answer with these fields is for.
    pub fn fingerprint(&self, request: &HeaderMap, hasher: &mut impl Hasher) {
        for (name, _) in &self.0 {
            match normalised(request, name) {
                Some(value) => {
                    hasher.write_usize(value.len() + 1);
                    hasher.write(&value);
                }
                None => hasher.write_usize(0),
            }
        }
    }

    /// Whether the answer depends on nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let field = |(name, value): &Field| {
            name.as_str().len() + value.as_ref().map_or(0, |value| value.len()) + 96
        };
        self.0.iter().map(field).sum()
    }
}

/// A request's value of a field, without differences that have no meaning (section 4.1): lines are
/// joined; in the lists of content negotiation white space and case go too. The order stays, because
/// it can mean something, and so does everything in fields whose syntax this cache does not know.
fn normalised<'a>(request: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = request.get_all(name).iter();
    let first = lines.next()?;
    let second = lines.next();
    let negotiates = matches!(
        *name,
        header::ACCEPT | header::ACCEPT_CHARSET | header::ACCEPT_ENCODING | header::ACCEPT_LANGUAGE
    );
    if second.is_none() && !(negotiates && needs_squeezing(first.as_bytes())) {
        return Some(Cow::Borrowed(first.as_bytes().trim_ascii()));
    }
    // RFC 9110, section 5.3; RFC 9113, section 8.2.3 for cookies.
    let separator: &[u8] = if *name == header::COOKIE {
        b"; "
    } else {
        b", "
    };
    let mut joined = first.as_bytes().trim_ascii().to_vec();
    for line in second.into_iter().chain(lines) {
        joined.extend_from_slice(separator);
        joined.extend_from_slice(line.as_bytes().trim_ascii());
    }
    if negotiates {
        squeeze(&mut joined);
    }
    Some(Cow::Owned(joined))
}

fn needs_squeezing(value: &[u8]) -> bool {
    value
        .iter()
        .any(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'\t'))
}

/// White space and case go, but for what stands in quotes.
fn squeeze(value: &mut Vec<u8>) {
    let mut quoted = false;
    value.retain_mut(|byte| {
        quoted ^= *byte == b'"';
        if !quoted {
            byte.make_ascii_lowercase();
        }
        quoted || !matches!(byte, b' ' | b'\t')
    });
}

#[cfg(test)]
mod tests {
    use std::hash::DefaultHasher;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    fn selection(vary: &str, request: &[(&'static str, &str)]) -> Selection {
        Selection::new(&fields(&[("vary", vary)]), &fields(request)).unwrap()
    }

    #[test]
    fn an_answer_is_for_requests_like_its_own() {
        let response = fields(&[("vary", "Accept-Language, x-a,"), ("vary", "X-A")]);
        let own = fields(&[("accept-language", "de, en;q=0.5")]);
        let selection = Selection::new(&response, &own).unwrap();
        let matches = |lines: &[(&'static str, &str)]| selection.matches(&fields(lines));
        assert!(matches(&[
            ("accept-language", "de,en; q=0.5"),
            ("other", "x")
        ]));
        assert!(matches(&[
            ("accept-language", "DE"),
            ("accept-language", "en;q=0.5")
        ]));
        assert!(!matches(&[("accept-language", "en;q=0.5, de")]));
        assert!(!matches(&[
            ("accept-language", "de, en;q=0.5"),
            ("x-a", "1")
        ]));
        assert!(!matches(&[
            ("accept-language", "de, en;q=0.5"),
            ("x-a", "")
        ]));
        assert!(!matches(&[]));
        assert!(Selection::default().matches(&fields(&[("a", "b")])));
    }

    #[test]
    fn what_this_cache_does_not_know_is_left_as_it_is() {
        let named = selection("x-a", &[("x-a", "b, C")]);
        assert!(named.matches(&fields(&[("x-a", "b"), ("x-a", "C")])));
        for other in ["b,C", "b, c", "b,  C"] {
            assert!(!named.matches(&fields(&[("x-a", other)])), "{other}");
        }
        let cookie = selection("cookie", &[("cookie", "a=1; b=2")]);
        assert!(cookie.matches(&fields(&[("cookie", "a=1"), ("cookie", "b=2")])));
        let accept = selection("accept", &[("accept", "text/x; a=\"B c\"")]);
        assert!(!accept.matches(&fields(&[("accept", "text/x;a=\"b c\"")])));
    }

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        let request = |byte: &[u8]| {
            let mut map = HeaderMap::new();
            map.insert("x-a", HeaderValue::from_bytes(byte).unwrap());
            map
        };
        let response = fields(&[("vary", "x-a")]);
        let selection = Selection::new(&response, &request(b"\xfe")).unwrap();
        assert!(selection.matches(&request(b"\xfe")) && !selection.matches(&request(b"\xff")));
    }

    #[test]
    fn what_selects_nothing_is_refused() {
        for vary in ["*", "accept, *", "a b", "(x)"] {
            assert!(!is_selectable(&fields(&[("vary", vary)])), "{vary}");
        }
        let mut map = HeaderMap::new();
        map.insert(header::VARY, HeaderValue::from_bytes(b"x\xff").unwrap());
        assert!(!is_selectable(&map));
        let many: Vec<String> = (0..100).map(|n| format!("x-{n}")).collect();
        assert!(!is_selectable(&fields(&[("vary", &many.join(","))])));
        assert!(is_selectable(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn the_fingerprint_is_that_of_all_that_match(
            own in "[ab,; ]{0,6}", other in "[ab,; ]{0,6}", name in "accept|x-a"
        ) {
            let vary = fields(&[("vary", &name)]);
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            let request = |value: &str| {
                HeaderMap::from_iter([(name.clone(), value.parse::<HeaderValue>().unwrap())])
            };
            let (own, other) = (request(&own), request(&other));
            let selection = Selection::new(&vary, &own).unwrap();
            let hash = |request| {
                let mut hasher = DefaultHasher::new();
                selection.fingerprint(request, &mut hasher);
                hasher.finish()
            };
            prop_assert!(selection.matches(&own));
            prop_assert_eq!(selection.matches(&other), hash(&own) == hash(&other));
        }
    }
}

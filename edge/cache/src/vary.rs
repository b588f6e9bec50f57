//! `Vary` (RFC 9111, section 4.1): which requests an answer is for.

use std::borrow::Cow;
use std::hash::Hasher;

use http::{HeaderMap, HeaderName, header};

use crate::language;

/// An answer that depends on more fields than this is not stored.
const MAX_FIELDS: usize = 64;

/// The fields that an answer depends on, with what its request had in them. Sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    fields: Box<[Field]>,
    /// The one language of an answer that depends on `Accept-Language`.
    language: Option<Box<[u8]>>,
}

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
        let names = names(response)?;
        let language = names
            .contains(&header::ACCEPT_LANGUAGE)
            .then(|| language::of(response))
            .flatten();
        Some(Self {
            fields: names.into_iter().map(with_value).collect(),
            language,
        })
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
        Self {
            fields: fields.into(),
            language: None,
        }
    }

    /// The fields that the answer depends on.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        self.fields.iter().map(|(name, _)| name)
    }

    /// Appends what the request has in these fields: equal for all requests that the answer is for,
    /// and for no others.
    pub fn append_key(&self, key: &mut Vec<u8>) {
        for (name, value) in &self.fields {
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
        self.fields.iter().all(|(name, value)| {
            let asked = normalised(request, name);
            asked.as_deref() == value.as_deref() || self.is_preferred(name, asked.as_deref())
        })
    }

    /// Whether the request prefers the answer's language to all others, so that the server could give
    /// it nothing better.
    fn is_preferred(&self, name: &HeaderName, asked: Option<&[u8]>) -> bool {
        *name == header::ACCEPT_LANGUAGE
            && self.language.as_deref().is_some_and(|language| {
                asked.is_some_and(|asked| language::preferred(asked) == Some(language))
            })
    }

    /// Tells a hasher what this request has in the fields that the answer depends on: equal for all
    /// requests that an answer with these fields is for.
    pub fn fingerprint(&self, request: &HeaderMap, hasher: &mut impl Hasher) {
        for (name, _) in &self.fields {
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
        self.fields.is_empty()
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let field = |(name, value): &Field| {
            name.as_str().len() + value.as_ref().map_or(0, |value| value.len()) + 96
        };
        self.fields.iter().map(field).sum()
    }
}

/// A request's value of a field, without differences that have no meaning (section 4.1): lines are
/// joined, and white space around commas goes. In the lists of content negotiation all white space
/// goes, and case; in those of languages, codings and character sets the order of members goes as
/// well, because their weights tell which is preferred (RFC 9110, sections 12.5.2 to 12.5.4). Fields
/// of credentials stay as they are.
fn normalised<'a>(request: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = request.get_all(name).iter();
    let first = lines.next()?;
    let second = lines.next();
    let kind = Kind::of(name);
    if second.is_none() && !kind.needs_work(first.as_bytes()) {
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
    match kind {
        Kind::Opaque => {}
        Kind::Unknown => close_up(&mut joined),
        Kind::Negotiated => squeeze(&mut joined),
        Kind::Weighted => {
            squeeze(&mut joined);
            joined = sorted(&joined);
        }
    }
    Some(Cow::Owned(joined))
}

/// What of a field's value has no meaning.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing: somebody's secret is not to be taken for another's.
    Opaque,
    /// White space around commas.
    Unknown,
    /// White space and case.
    Negotiated,
    /// White space, case and order.
    Weighted,
}

impl Kind {
    fn of(name: &HeaderName) -> Self {
        match *name {
            header::COOKIE | header::AUTHORIZATION => Self::Opaque,
            header::ACCEPT => Self::Negotiated,
            header::ACCEPT_CHARSET | header::ACCEPT_ENCODING | header::ACCEPT_LANGUAGE => {
                Self::Weighted
            }
            _ => Self::Unknown,
        }
    }

    /// Whether a value may have something without meaning in it.
    fn needs_work(self, value: &[u8]) -> bool {
        let has = |odd: fn(&u8) -> bool| value.iter().any(odd);
        match self {
            Self::Opaque => false,
            Self::Unknown => has(|byte| *byte == b',') && has(|byte| matches!(byte, b' ' | b'\t')),
            Self::Negotiated => {
                has(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'\t'))
            }
            Self::Weighted => {
                has(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'\t' | b','))
            }
        }
    }
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

/// White space around commas goes, but for what stands in quotes.
fn close_up(value: &mut Vec<u8>) {
    let mut out = Vec::with_capacity(value.len());
    let (mut quoted, mut after_comma) = (false, false);
    for byte in value.iter().copied() {
        let blank = matches!(byte, b' ' | b'\t');
        if !quoted && byte == b',' {
            while out.last().is_some_and(|last| matches!(last, b' ' | b'\t')) {
                out.pop();
            }
        }
        if !(after_comma && blank) {
            quoted ^= byte == b'"';
            after_comma = byte == b',' && !quoted;
            out.push(byte);
        }
    }
    *value = out;
}

/// The members of a list in one order.
fn sorted(value: &[u8]) -> Vec<u8> {
    let mut members: Vec<&[u8]> = value.split(|byte| *byte == b',').collect();
    members.retain(|member| !member.is_empty());
    members.sort_unstable();
    members.join(&b","[..])
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
        assert!(matches(&[("accept-language", "en;q=0.5, de")]));
        assert!(!matches(&[("accept-language", "en, de;q=0.5")]));
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
        for same in ["b,C", "b ,\tC", "b,  C"] {
            assert!(named.matches(&fields(&[("x-a", same)])), "{same}");
        }
        for other in ["b, c", "C, b", "b C"] {
            assert!(!named.matches(&fields(&[("x-a", other)])), "{other}");
        }
        let quoted = selection("x-a", &[("x-a", "\"b, c\"")]);
        assert!(!quoted.matches(&fields(&[("x-a", "\"b,c\"")])));
        let cookie = selection("cookie", &[("cookie", "a=1; b=2")]);
        assert!(!cookie.matches(&fields(&[("cookie", "a=1;b=2")])));
        assert!(cookie.matches(&fields(&[("cookie", "a=1"), ("cookie", "b=2")])));
        let accept = selection("accept", &[("accept", "text/x; a=\"B c\"")]);
        assert!(!accept.matches(&fields(&[("accept", "text/x;a=\"b c\"")])));
    }

    #[test]
    fn the_language_that_is_preferred_is_the_right_one() {
        let response = fields(&[("vary", "accept-language"), ("content-language", "DE")]);
        let own = fields(&[("accept-language", "en, de")]);
        let selection = Selection::new(&response, &own).unwrap();
        let matches = |list| selection.matches(&fields(&[("accept-language", list)]));
        assert!(matches("fr;q=0.5, de;q=1.0") && matches("de"));
        for other in ["fr, de;q=0.5", "de, fr", "de-at", "*", "de;q=x"] {
            assert!(!matches(other), "{other}");
        }
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

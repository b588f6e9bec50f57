//! `Vary` (RFC 9111, section 4.1): which requests an answer is for.

use http::{HeaderMap, HeaderName, header};

/// The fields that an answer depends on, with what its request had in them. Sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection(Vec<(HeaderName, Option<String>)>);

impl Selection {
    /// What selects this answer. `*` must have been refused before.
    #[must_use]
    pub fn new(response: &HeaderMap, request: &HeaderMap) -> Self {
        let mut names: Vec<HeaderName> = response
            .get_all(header::VARY)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(','))
            .filter_map(|name| HeaderName::try_from(name.trim()).ok())
            .collect();
        names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        let with_value = |name: HeaderName| {
            let value = normalised(request, &name);
            (name, value)
        };
        Self(names.into_iter().map(with_value).collect())
    }

    /// Whether the answer is for this request as well.
    #[must_use]
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, value)| {
            let mut lines = request.get_all(name).iter();
            match (lines.next(), value) {
                (None, None) => true,
                // The common case needs no copy.
                (Some(only), Some(value))
                    if lines.next().is_none() && only.as_bytes() == value.as_bytes() =>
                {
                    true
                }
                (Some(_), Some(value)) => normalised(request, name).as_ref() == Some(value),
                _ => false,
            }
        })
    }

    /// Bytes it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0
            .iter()
            .map(|(name, value)| name.as_str().len() + value.as_ref().map_or(0, String::len) + 48)
            .sum()
    }
}

/// Lines joined and white space around commas gone: differences that section 4.1 lets a cache
/// ignore for any field. Coding and language lists are also compared without case, sorted by
/// nothing: their order can matter.
fn normalised(request: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut lines = request.get_all(name).iter().peekable();
    lines.peek()?;
    let mut text = String::new();
    for line in lines {
        for part in String::from_utf8_lossy(line.as_bytes()).split(',') {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(part);
        }
    }
    if matches!(
        *name,
        header::ACCEPT_ENCODING | header::ACCEPT_LANGUAGE | header::ACCEPT
    ) {
        text.make_ascii_lowercase();
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn an_answer_is_for_requests_like_its_own() {
        let response = headers(&[("vary", "Accept-Language, x-a"), ("vary", "X-A")]);
        let selection = Selection::new(&response, &headers(&[("accept-language", "de, en")]));
        assert!(selection.matches(&headers(&[("accept-language", "de,en"), ("other", "x")])));
        assert!(selection.matches(&headers(&[
            ("accept-language", "DE"),
            ("accept-language", "en")
        ])));
        assert!(!selection.matches(&headers(&[("accept-language", "en, de")])));
        assert!(!selection.matches(&headers(&[("accept-language", "de, en"), ("x-a", "1")])));
        assert!(!selection.matches(&headers(&[])));
        assert!(Selection::new(&headers(&[]), &headers(&[])).matches(&headers(&[("a", "b")])));
    }

    #[test]
    fn case_matters_where_nobody_says_it_does_not() {
        let selection = Selection::new(&headers(&[("vary", "x-a")]), &headers(&[("x-a", "b")]));
        assert!(!selection.matches(&headers(&[("x-a", "B")])));
    }
}

//! Which language a request prefers (RFC 9110, section 12.5.4).

use http::{HeaderMap, header};

/// The one language that an answer is in, in lower case.
pub(crate) fn of(response: &HeaderMap) -> Option<Box<[u8]>> {
    let mut lines = response.get_all(header::CONTENT_LANGUAGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let tag = line.as_bytes().trim_ascii();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_tag = !tag.is_empty() && tag.iter().all(plain);
    is_tag.then(|| tag.to_ascii_lowercase().into())
}

/// The language that stands above all others in a list without white space and in lower case; none
/// when two stand equally high, or when a weight is none.
pub(crate) fn preferred(list: &[u8]) -> Option<&[u8]> {
    let mut best: Option<(&[u8], u32, bool)> = None;
    for member in list.split(|byte| *byte == b',') {
        if member.is_empty() {
            continue;
        }
        let mut parts = member.split(|byte| *byte == b';');
        let tag = parts.next().unwrap_or_default();
        let weight = match (parts.next(), parts.next()) {
            (None, _) => 1000,
            (Some(weight), None) => thousandths(weight.strip_prefix(b"q=")?)?,
            _ => return None,
        };
        best = match best {
            Some((tag, most, _)) if weight == most => Some((tag, most, false)),
            Some((tag, most, alone)) if weight < most => Some((tag, most, alone)),
            _ => Some((tag, weight, true)),
        };
    }
    match best {
        Some((tag, weight, true)) if weight > 0 && tag != b"*" => Some(tag),
        _ => None,
    }
}

/// A weight (RFC 9110, section 12.4.2) in thousandths.
fn thousandths(weight: &[u8]) -> Option<u32> {
    let (whole, rest) = weight.split_first()?;
    let digits = match rest.split_first() {
        None => &[][..],
        Some((b'.', digits)) if digits.len() <= 3 => digits,
        Some(_) => return None,
    };
    let mut value = match whole {
        b'0' => 0,
        b'1' => 1,
        _ => return None,
    };
    for at in 0..3 {
        let digit = digits.get(at).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(digit - b'0');
    }
    (value <= 1000).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fields;

    #[test]
    fn one_stands_above_all_others() {
        for (list, expected) in [
            ("de", Some("de")),
            ("fr;q=0.5,de;q=1.0", Some("de")),
            ("de-at,de;q=0.9,*;q=0.1", Some("de-at")),
            ("fr;q=0.001,en;q=0", Some("fr")),
            ("de,en", None),
            ("de;q=0", None),
            ("*", None),
            ("de;q=1.1,fr;q=0.1", None),
            ("de;level=1", None),
            ("", None),
        ] {
            let expected = expected.map(str::as_bytes);
            assert_eq!(preferred(list.as_bytes()), expected, "{list}");
        }
    }

    #[test]
    fn an_answer_has_one_language_or_none_that_counts() {
        let one = |text| of(&fields(&[("content-language", text)]));
        assert_eq!(one("De-AT").as_deref(), Some(&b"de-at"[..]));
        assert_eq!(one("de, en"), None);
        assert_eq!(one(""), None);
    }

    proptest! {
        #[test]
        fn no_list_is_too_odd(list in "[a-c0-9.,;=*q-]{0,30}") {
            let _ = preferred(list.as_bytes());
        }
    }
}

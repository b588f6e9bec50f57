//! Fields of RFC 9842, read.

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{GeneralPurposeConfig, STANDARD};
use base64::{alphabet, engine::DecodePaddingMode};
use http::{HeaderMap, HeaderValue};

use super::store::Hash;
use super::{AVAILABLE_DICTIONARY, USE_AS_DICTIONARY};

/// RFC 9651, section 4.2.7: padding may be left out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The hash in `Available-Dictionary` (section 2.2): a byte sequence of 32 bytes.
#[must_use]
pub fn available(request: &HeaderMap) -> Option<Hash> {
    let mut lines = request.get_all(AVAILABLE_DICTIONARY).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let text = line.to_str().ok()?.trim_matches(' ').strip_prefix(':')?;
    let (sequence, rest) = text.split_once(':')?;
    if !(rest.is_empty() || rest.starts_with(';')) || sequence.len() > 64 {
        return None;
    }
    BASE64.decode(sequence).ok()?.try_into().ok()
}

/// The field that names a dictionary.
#[must_use]
pub(crate) fn to_available(hash: &Hash) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!(":{}:", STANDARD.encode(hash))).ok()
}

/// Whether an answer is a dictionary of a kind that is known here (section 2.1): one with a `match`,
/// whose `type` is `raw`.
#[must_use]
pub fn is_dictionary(answer: &HeaderMap) -> bool {
    let (mut matches, mut raw) = (false, true);
    for line in answer.get_all(USE_AS_DICTIONARY) {
        let Ok(line) = line.to_str() else {
            return false;
        };
        for member in members(line) {
            let (key, value) = member.split_once('=').unwrap_or((member, ""));
            // Parameters mean nothing here; a string is kept whole.
            match key.trim() {
                "match" => matches = value.len() > 2 && value.starts_with('"'),
                "type" => raw = value.split(';').next().unwrap_or_default().trim() == "raw",
                _ => {}
            }
        }
    }
    matches && raw
}

/// The members of a dictionary field: between commas that stand neither in quotes nor in parentheses.
fn members(line: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut depth) = (false, false, 0_u32);
    line.split(move |c| {
        if escaped {
            escaped = false;
            return false;
        }
        match c {
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' => return !quoted && depth == 0,
            _ => {}
        }
        false
    })
    .map(|member| member.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hashes_are_read() {
        let of = |text: &str| {
            let mut request = HeaderMap::new();
            request.insert(AVAILABLE_DICTIONARY, text.parse().unwrap());
            available(&request)
        };
        let hash: Hash = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let text = to_available(&hash).unwrap();
        let text = text.to_str().unwrap();
        assert_eq!(of(text), Some(hash));
        assert_eq!(of(&text.replace('=', "")), Some(hash));
        assert_eq!(of(&format!("{text};a=1")), Some(hash));
        for bad in [
            "",
            "::",
            ":AAAA:",
            "AAAA",
            &text[1..],
            &format!("{text}x"),
            ":?:",
        ] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }

    #[test]
    fn dictionaries_have_a_match_and_are_raw() {
        let of = |text: &str| {
            let mut answer = HeaderMap::new();
            answer.insert(USE_AS_DICTIONARY, text.parse().unwrap());
            is_dictionary(&answer)
        };
        assert!(of(
            "match=\"/a,b/*\", match-dest=(\"script\" \"x\"), id=\"type=x\""
        ));
        assert!(of("type=raw, match=\"/*\""));
        for other in [
            "",
            "match=\"\"",
            "id=\"a\"",
            "match=\"/*\", type=other",
            "match=/a",
        ] {
            assert!(!of(other), "{other}");
        }
        assert!(!is_dictionary(&HeaderMap::new()));
    }

    proptest! {
        #[test]
        fn no_field_is_too_odd(text in "[ -~]{0,60}") {
            let mut fields = HeaderMap::new();
            fields.insert(AVAILABLE_DICTIONARY, text.parse().unwrap());
            fields.insert(USE_AS_DICTIONARY, text.parse().unwrap());
            let _ = (available(&fields), is_dictionary(&fields));
        }
    }
}

//! Counters as decimal text, under the rules that Redis has for them.

use crate::Error;

/// The value of a counter plus `by`.
pub(crate) fn add(value: Option<&[u8]>, by: i64) -> Result<i64, Error> {
    let Some(value) = value else { return Ok(by) };
    parse(value)
        .ok_or(Error::NotACounter)?
        .checked_add(by)
        .ok_or(Error::Overflow)
}

/// Only the one text that a number is written as: Redis too refuses `+1`, `01`, `-0` and spaces.
fn parse(value: &[u8]) -> Option<i64> {
    let text = str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_numbers_are_counters() {
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "1.0",
            "x",
            "9223372036854775808",
        ] {
            assert!(
                matches!(add(Some(text.as_bytes()), 1), Err(Error::NotACounter)),
                "{text:?}"
            );
        }
        assert_eq!(add(Some(b"-5"), 3).unwrap(), -2);
        assert_eq!(add(None, i64::MIN).unwrap(), i64::MIN);
    }

    #[test]
    fn overflow_is_an_error_in_both_directions() {
        assert!(matches!(
            add(Some(b"9223372036854775807"), 1),
            Err(Error::Overflow)
        ));
        assert!(matches!(
            add(Some(b"-9223372036854775808"), -1),
            Err(Error::Overflow)
        ));
    }
}

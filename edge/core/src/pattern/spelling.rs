//! One path, many spellings (RFC 3986, section 6.2.2).

/// Whether a path holds a segment `.` or `..`, also where dots, slashes or backslashes are encoded.
/// Whoever forwards such a path does not know for which resource the upstream will take it.
#[must_use]
pub fn has_dot_segments(path: &str) -> bool {
    const OTHER: u8 = 3;
    if !path.bytes().any(|byte| matches!(byte, b'.' | b'%')) {
        return false;
    }
    let mut left = path.as_bytes();
    // Dots that the segment consists of so far.
    let mut dots = 0;
    while let [first, rest @ ..] = left {
        let (byte, rest) = match decoded(left) {
            Some(byte) => (byte, &rest[2..]),
            None => (*first, rest),
        };
        left = rest;
        match byte {
            b'/' | b'\\' if matches!(dots, 1 | 2) => return true,
            b'/' | b'\\' => dots = 0,
            b'.' if dots < OTHER => dots += 1,
            _ => dots = OTHER,
        }
    }
    matches!(dots, 1 | 2)
}

/// A part of a path in normal form: encoded unreserved characters decoded, hex digits in upper case.
/// Two spellings of one segment are equal in it.
#[must_use]
pub fn normal_form(part: &str) -> String {
    // Only visible ASCII comes out of it unless other bytes went in, and those pass unchanged.
    String::from_utf8(Normal::of(part).collect()).unwrap_or_else(|_| part.to_owned())
}

/// The byte that a percent-encoded triplet at the beginning stands for.
fn decoded(text: &[u8]) -> Option<u8> {
    let hex = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    match text {
        [b'%', high, low, ..] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    }
}

/// The bytes of a segment in normal form: encoded unreserved characters decoded, the hex digits of
/// all others in upper case.
pub(super) struct Normal<'a> {
    left: &'a [u8],
    /// Hex digits of a triplet that are still to come.
    digits: u8,
}

impl<'a> Normal<'a> {
    pub(super) fn of(segment: &'a str) -> Self {
        Self {
            left: segment.as_bytes(),
            digits: 0,
        }
    }
}

impl Iterator for Normal<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.left.split_first()?;
        if self.digits > 0 {
            self.digits -= 1;
            self.left = rest;
            return Some(first.to_ascii_uppercase());
        }
        match decoded(self.left) {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                self.left = &rest[2..];
                return Some(byte);
            }
            Some(_) => self.digits = 2,
            None => {}
        }
        self.left = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_equal_in_normal_form() {
        for (text, normal) in [
            ("%61b", "ab"),
            ("a%2fb", "a%2Fb"),
            ("%", "%"),
            ("ü%7E", "ü~"),
        ] {
            assert_eq!(normal_form(text), normal);
        }
    }
}

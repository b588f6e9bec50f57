//! The first line of a chunk (RFC 9112, section 7.1).

/// The longest line that is read, its CRLF included.
pub(super) const MAX_LINE: usize = 16 + 256 + 2;

/// The size in a chunk's first line, without its CRLF.
pub(super) fn size(line: &[u8]) -> Option<u64> {
    let end = line
        .iter()
        .position(|byte| !byte.is_ascii_hexdigit())
        .unwrap_or(line.len());
    let (digits, extensions) = line.split_at(end);
    if !(1..=16).contains(&digits.len()) || !are_extensions(extensions) {
        return None;
    }
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    i64::try_from(size).is_ok().then_some(size)
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (section 7.1.1). White space
/// that nothing follows is none of it.
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some((b';', after)) = trimmed(rest).split_first() else {
            return false;
        };
        let Some(after) = token(trimmed(after)) else {
            return false;
        };
        rest = after;
        if let Some((b'=', value)) = trimmed(rest).split_first() {
            let value = trimmed(value);
            let end = match value.first() {
                Some(b'"') => quoted(&value[1..]),
                _ => token(value),
            };
            let Some(after) = end else {
                return false;
            };
            rest = after;
        }
    }
    true
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    &bytes[start.unwrap_or(bytes.len())..]
}

/// What follows a token.
fn token(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes
        .iter()
        .position(|byte| !super::field_line::is_token(&[*byte]))
        .unwrap_or(bytes.len());
    (end > 0).then(|| &bytes[end..])
}

/// What follows a quoted string whose first quote has been read (RFC 9110, section 5.6.4).
fn quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(&bytes[at + 1..]),
            b'\\' => {
                let escaped = bytes.get(at + 1)?;
                if !matches!(escaped, b'\t' | 0x20..=0x7e | 0x80..) {
                    return None;
                }
                at += 2;
            }
            b'\t' | 0x20..=0x7e | 0x80.. => at += 1,
            _ => return None,
        }
    }
}

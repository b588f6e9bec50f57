//! Checks of what a request asks for: target and authority. They run on what hyper has parsed, for
//! HTTP/1.1 and HTTP/2 alike. Whatever an upstream might read in another way than the router is
//! refused, never repaired.

use http::HeaderValue;

/// Why a target is refused, in words for the client.
pub type Refusal = &'static str;

/// Path and query as the upstream gets them.
///
/// Refused are: anything but visible ASCII, `#`, and characters that browsers always encode: quotes
/// and angle brackets, in the path `^`, a backquote and braces (RFC 9112, section 3.2.1); a `%` without two
/// hexadecimal digits (RFC 3986, section 2.1), an encoded NUL or a backslash in the path; and dot
/// segments in any encoding, where `%2e` counts as a dot and `%2f`, `\` and `%5c` as a slash, since
/// an upstream that decodes before it splits would leave the route's path. Empty segments and an
/// encoded slash alone are passed on as sent.
pub fn check_path_and_query(target: &str) -> Result<(), Refusal> {
    let bytes = target.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err("The request target must begin with a slash.");
    }
    let mut plain = true;
    let mut path_end = bytes.len();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b'?' => {
                path_end = path_end.min(at);
            }
            b'#' => return Err("The request target holds a fragment."),
            b'"' | b'<' | b'>' => {
                return Err("The request target holds a character that must be percent-encoded.");
            }
            b'^' | b'`' | b'{' | b'}' if at < path_end => {
                return Err("The path holds a character that must be percent-encoded.");
            }
            b'%' | b'.' | b'\\' => plain &= at >= path_end,
            0x21..=0x7e => {}
            _ => return Err("The request target holds a character that must be percent-encoded."),
        }
    }
    if plain {
        Ok(())
    } else {
        check_segments(&bytes[..path_end])
    }
}

/// The slow way, for paths with a dot, a percent sign or a backslash.
fn check_segments(path: &[u8]) -> Result<(), Refusal> {
    // How the segment looks so far: its number of dots while it is nothing but dots.
    let mut dots = Some(0_u32);
    let mut at = 0;
    while at <= path.len() {
        let (byte, width) = match path.get(at) {
            None => (b'/', 1),
            Some(b'%') => match path.get(at + 1..at + 3).and_then(decode) {
                Some(0) => return Err("The path holds an encoded NUL."),
                Some(byte) => (byte, 3),
                None => return Err("The path holds a percent sign without two digits."),
            },
            Some(b'\\') => return Err("The path holds a backslash."),
            Some(&byte) => (byte, 1),
        };
        match byte {
            b'/' | b'\\' => {
                if matches!(dots, Some(1 | 2)) {
                    return Err("The path holds a dot segment.");
                }
                dots = Some(0);
            }
            b'.' => dots = dots.map(|count| count + 1),
            _ => dots = None,
        }
        at += width;
    }
    Ok(())
}

fn decode(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let value = digit(digits[0])? * 16 + digit(*digits.get(1)?)?;
    u8::try_from(value).ok()
}

/// The authority in lower case without the scheme's own port; none when it is not one (RFC 9110,
/// section 7.2; RFC 3986, section 3.2.2).
pub fn normalize_authority(raw: &HeaderValue, scheme: &str) -> Option<String> {
    let text = raw.to_str().ok()?;
    if text.len() > 255 + 6 {
        return None;
    }
    let (host, port) = split_port(text)?;
    let legal = match host.strip_prefix('[') {
        Some(rest) => rest
            .strip_suffix(']')?
            .parse::<std::net::Ipv6Addr>()
            .is_ok(),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&b))
        }
    };
    if !legal {
        return None;
    }
    let mut authority = host.to_ascii_lowercase();
    match port {
        Some(80) if scheme == "http" => {}
        Some(443) if scheme == "https" => {}
        Some(port) => {
            use std::fmt::Write as _;
            let _ = write!(authority, ":{port}");
        }
        None => {}
    }
    Some(authority)
}

fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let colon = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => colon,
        _ => return Some((text, None)),
    };
    let port = &text[colon + 1..];
    if port.is_empty() {
        return Some((&text[..colon], None));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((&text[..colon], Some(port.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_two_parsers_might_read_apart_are_refused() {
        for good in [
            "/",
            "/a/b?c=d",
            "/a.b/..c/.well-known/...",
            "/a%2Fb",
            "/a//b",
            "/a?../%zz\\",
            "/a?b?c",
            "/%C3%BC",
            "/a|b[c]?{d}^|",
        ] {
            assert_eq!(check_path_and_query(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a",
            "*",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/%2e%2E/a",
            "/a/.%2e",
            "/a%2f..%2fb",
            "/a/..%5cb",
            "/a\\b",
            "/%",
            "/%2",
            "/%zz",
            "/%00",
            "/ü",
            "/a#b",
            "/a b",
            "/a\u{7f}",
            "/a%2f..?x",
            "/a?b#c",
            "/a\"b",
            "/<a>",
            "/a?<b>",
            "/{a}",
        ] {
            assert!(check_path_and_query(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn authorities() {
        let normalize = |text: &str| {
            normalize_authority(&HeaderValue::from_bytes(text.as_bytes()).unwrap(), "http")
        };
        assert_eq!(normalize("Example.COM:80").as_deref(), Some("example.com"));
        assert_eq!(normalize("a:8080").as_deref(), Some("a:8080"));
        assert_eq!(normalize("a:08080").as_deref(), Some("a:8080"));
        assert_eq!(normalize("[::1]:81").as_deref(), Some("[::1]:81"));
        assert_eq!(normalize("a:").as_deref(), Some("a"));
        for bad in [
            "", ":80", "a:b", "a:70000", "a b", "a/b", "u@a", "[::1", "::1", "a,b:1:2", "[x]",
            "a\\b", "a?b", "ü",
        ] {
            assert_eq!(normalize(bad), None, "{bad}");
        }
    }
}

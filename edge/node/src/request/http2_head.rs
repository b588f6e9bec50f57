//! What HTTP/2 asks of a head besides what its own library checks (RFC 9113, section 8).

use http::{HeaderMap, HeaderValue, StatusCode, header};
use zephyr_edge_pipeline::admission::Refusal;

/// Checks a head, and joins what HTTP/2 may take apart.
///
/// # Errors
///
/// 431 for too many fields, 400 for a value with white space around it (section 8.2.1).
pub(super) fn check(headers: &mut HeaderMap, max_fields: usize) -> Result<(), Refusal> {
    if headers.len() > max_fields {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = "The header fields are more than this server takes.";
        return Err(Refusal::new(status, detail));
    }
    let space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    for value in headers.values() {
        let bytes = value.as_bytes();
        if space(bytes.first()) || space(bytes.last()) {
            let detail = "A field value begins or ends with white space.";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
    }
    join_cookies(headers);
    Ok(())
}

/// Section 8.2.3: before it goes anywhere else, a split `Cookie` is one line again.
fn join_cookies(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::COOKIE).iter();
    let lines: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
    if lines.len() < 2 {
        return;
    }
    match HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        Ok(whole) => drop(headers.insert(header::COOKIE, whole)),
        Err(_) => drop(headers.remove(header::COOKIE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn cookies_are_one_line_again() {
        let mut headers = head(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]);
        check(&mut headers, 10).unwrap();
        assert_eq!(headers.get_all("cookie").iter().count(), 1);
        assert_eq!(headers["cookie"], "a=1; b=2");
    }

    #[test]
    fn values_and_numbers_are_bounded() {
        let status = |lines: &[_]| {
            let refusal = check(&mut head(lines), 2).err();
            refusal.map_or(0, |refusal| refusal.status.as_u16())
        };
        assert_eq!(status(&[("a", "b c"), ("d", "")]), 0);
        assert_eq!(status(&[("a", " b")]), 400);
        assert_eq!(status(&[("a", "b\t")]), 400);
        assert_eq!(status(&[("a", "b"), ("c", "d"), ("e", "f")]), 431);
    }
}

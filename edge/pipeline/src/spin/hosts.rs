//! `allowed_outbound_hosts`: servers that a component may ask.

use crate::config::Origin;

/// Reads an entry. Only a host with a port or its scheme's own, over `http` or `https`, can be a
/// connection pool; everything else that Spin knows is an error that says what is missing.
pub(super) fn parse(text: &str) -> Result<Origin, String> {
    let unsupported = |why: &str| Err(format!("not supported here: {text:?}: {why}"));
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!(
            "{text:?} is not a host such as \"http://127.0.0.1:8081\""
        ));
    };
    match scheme {
        "http" | "https" => {}
        "*" => return unsupported("any scheme includes others; name `http://` and `https://`"),
        _ => return unsupported("only http and https go out of a component"),
    }
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if host.contains('*') {
        return unsupported("a pattern of hosts or ports; name each `http://host:port`");
    }
    if host.contains("..") || host.contains('{') {
        return unsupported("a range or set of ports; name each `http://host:port`");
    }
    if host.contains('/') {
        return unsupported("a block of addresses or a path; name each `http://host:port`");
    }
    if host == "self" || host == "self.alt" || host.ends_with(".spin.internal") {
        return unsupported("requests to the application itself");
    }
    let url = format!("{scheme}://{}", host.to_ascii_lowercase());
    Origin::parse(&url).map_err(|why| format!("{text:?} is not a host: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_hosts_over_http_and_https() {
        let origin = parse("http://Example.com:8081/").unwrap();
        assert_eq!(origin.host_and_port(), ("example.com", 8081));
        assert_eq!(parse("http://a").unwrap().host_and_port(), ("a", 80));
        let encrypted = parse("https://a").unwrap();
        assert!(encrypted.is_tls());
        assert_eq!(encrypted.host_and_port(), ("a", 443));
        assert_eq!(
            parse("https://*:443").unwrap_err(),
            "not supported here: \"https://*:443\": a pattern of hosts or ports; name each \
             `http://host:port`"
        );
        for bad in [
            "example.com",
            "redis://localhost:6379",
            "*://*:*",
            "http://*.example.com",
            "http://localhost:*",
            "http://localhost:8000..9000",
            "http://10.0.0.0/8",
            "http://self",
            "http://other.spin.internal",
            "http://",
            "http://u@a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

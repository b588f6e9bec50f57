//! Whether a head may go on, and what it says about who asks for what (RFC 9110, section 7.2; RFC
//! 9112, section 3.2). What is refused here could mean different things to different servers.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version, header};

use crate::config::Network;
use crate::{fields, forwarded, target};

/// Who sent a head, and how it came.
pub trait Peer {
    /// The peer's address.
    fn address(&self) -> IpAddr;
    /// Whether the peer is a proxy whose word counts.
    fn trusted(&self) -> bool;
    /// Whether it came over HTTP/1, where a `Host` is a must.
    fn http1(&self) -> bool;
    /// The scheme of the connection, when no trusted proxy says another.
    fn scheme(&self) -> &'static str;
    /// What a `Host` value means: `normalize`, or what it said the last time.
    fn authority_of(
        &self,
        raw: &HeaderValue,
        normalize: impl FnOnce(&HeaderValue) -> Option<String>,
    ) -> Option<Arc<str>> {
        normalize(raw).map(Arc::from)
    }
}

/// A head that may go on.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The host asked for: lower case, without the scheme's default port.
    pub authority: Arc<str>,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The client, after trusted proxies have been taken off.
    pub client: IpAddr,
}

/// Why a head may not go on.
#[derive(Clone, Copy, Debug)]
pub struct Refusal {
    /// The status to answer with.
    pub status: StatusCode,
    /// What to tell the client.
    pub detail: &'static str,
    /// Whether the connection must not be used for another request.
    pub closes: bool,
}

impl Refusal {
    /// A refusal after which the connection goes on.
    #[must_use]
    pub fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail,
            closes: false,
        }
    }

    /// The same, but where the next request begins is not certain.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }
}

fn bad(detail: &'static str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, detail).closing()
}

/// Checks a head, brings its target into origin form and takes out what filters must not see.
///
/// # Errors
///
/// [`Refusal`] says why the head may not go on.
pub fn admit(
    parts: &mut Parts,
    connection: &impl Peer,
    trusted_proxies: &[Network],
) -> Result<Admitted, Refusal> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        let detail = "This server neither tunnels nor traces.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, detail).closing());
    }
    if parts
        .method
        .as_str()
        .bytes()
        .any(|b| b.is_ascii_lowercase())
    {
        // Methods are case-sensitive (RFC 9110, section 9.1) and none has a small letter; an upstream
        // that does not care would take `post` for what a filter saw as something else.
        let detail = "No method that this server knows has a small letter.";
        return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED, detail).closing());
    }
    let scheme = scheme_of(parts, connection);
    let authority = authority_of(parts, connection, scheme)?;
    let Some(path_and_query) = parts.uri.path_and_query() else {
        return Err(bad("The request has no target."));
    };
    // RFC 9112, section 3.2.4.
    let of_the_server = path_and_query.as_str() == "*" && parts.method == Method::OPTIONS;
    if !of_the_server {
        target::check_path_and_query(path_and_query.as_str()).map_err(bad)?;
    }
    if parts.uri.authority().is_some() {
        parts.uri = Uri::from(path_and_query.clone());
    }
    // RFC 9110, section 10.1.1. What HTTP/1.0 expects is passed over.
    let met = |expect: &HeaderValue| expect.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if parts.version > Version::HTTP_10 && !parts.headers.get_all(header::EXPECT).iter().all(met) {
        let detail = "The only expectation that this server meets is 100-continue.";
        return Err(Refusal::new(StatusCode::EXPECTATION_FAILED, detail).closing());
    }
    if fields::connection_names_the_request(&parts.headers) {
        return Err(bad(
            "The Connection field names a field that is not the connection's.",
        ));
    }
    // CGI-like servers read these as the framing fields they resemble.
    if parts.headers.contains_key("content_length")
        || parts.headers.contains_key("transfer_encoding")
    {
        return Err(bad("A framing field is written with an underscore."));
    }
    fields::remove_untrusted(&mut parts.headers, connection.trusted());
    let mut client = connection.address();
    if connection.trusted() {
        let trusted = |ip| trusted_proxies.iter().any(|network| network.contains(ip));
        client = forwarded::client_of(&parts.headers, client, trusted);
        forwarded::extend_chain(&mut parts.headers, connection.address());
    }
    Ok(Admitted {
        authority,
        scheme,
        client,
    })
}

fn scheme_of(parts: &Parts, connection: &impl Peer) -> &'static str {
    if !connection.trusted() {
        return connection.scheme();
    }
    let last = parts
        .headers
        .get_all(fields::X_FORWARDED_PROTO)
        .iter()
        .next_back();
    let last = last.and_then(|value| value.as_bytes().rsplit(|byte| *byte == b',').next());
    match last {
        Some(proto) if proto.trim_ascii().eq_ignore_ascii_case(b"https") => "https",
        Some(proto) if proto.trim_ascii().eq_ignore_ascii_case(b"http") => "http",
        _ => connection.scheme(),
    }
}

fn authority_of(
    parts: &Parts,
    connection: &impl Peer,
    scheme: &'static str,
) -> Result<Arc<str>, Refusal> {
    let normalize = |raw: &HeaderValue| target::normalize_authority(raw, scheme);
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad("The request has more than one Host field."));
    }
    let host = host
        .map(|host| {
            connection
                .authority_of(host, normalize)
                .ok_or(bad("The Host field is illegal."))
        })
        .transpose()?;
    if let Some(scheme) = parts.uri.scheme_str()
        && !matches!(scheme, "http" | "https")
    {
        return Err(bad("The request target has a scheme other than http."));
    }
    let Some(in_target) = parts.uri.authority() else {
        return match host {
            Some(host) => Ok(host),
            // RFC 9112, section 3.2: only HTTP/1.0 may leave it out.
            None if parts.version == Version::HTTP_10 => Ok("".into()),
            None => Err(bad("The request has no Host field.")),
        };
    };
    let in_target = HeaderValue::from_str(in_target.as_str()).ok();
    let in_target = in_target
        .and_then(|raw| connection.authority_of(&raw, normalize))
        .ok_or(bad("The authority in the request target is illegal."))?;
    match host {
        Some(host) if host != in_target => Err(bad(
            "The Host field and the request target name different hosts.",
        )),
        None if connection.http1() && parts.version == Version::HTTP_11 => {
            Err(bad("The request has no Host field."))
        }
        _ => Ok(in_target),
    }
}

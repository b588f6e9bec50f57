//! One request over HTTP/1.1, of whose answer only the head is read.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a URL points.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) scheme: &'static str,
    /// Without the scheme's own port.
    pub(super) authority: String,
    host: String,
    port: u16,
}

impl Target {
    pub(super) fn of(uri: &Uri) -> Result<Self, String> {
        let (scheme, own) = match uri.scheme_str() {
            Some("http") => ("http", 80),
            Some("https") => ("https", 443),
            _ => return Err(format!("{uri} does not begin with http:// or https://")),
        };
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(own);
        let authority = if port == own {
            host.clone()
        } else {
            format!("{host}:{port}")
        };
        Ok(Self {
            scheme,
            authority,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        })
    }
}

/// The head of an answer, and when it was asked for and came, since the Unix epoch.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) asked: Duration,
    pub(super) arrived: Duration,
}

pub(super) async fn head(
    target: &Target,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> anyhow::Result<Answer> {
    tokio::time::timeout(PATIENCE, ask(target, method, uri, headers))
        .await
        .context("no answer came in 30 s")?
}

async fn ask(
    target: &Target,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> anyhow::Result<Answer> {
    let address = (target.host.as_str(), target.port);
    let stream = TcpStream::connect(address).await.context("no connection")?;
    let request = request(target, method, uri, headers)?;
    if target.scheme == "http" {
        return send(stream, request).await;
    }
    let name = ServerName::try_from(target.host.clone()).context("no name for TLS")?;
    let stream = TlsConnector::from(tls()?)
        .connect(name, stream)
        .await
        .context("no TLS")?;
    send(stream, request).await
}

fn request(
    target: &Target,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> anyhow::Result<Request<Empty<Bytes>>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method.clone();
    *request.uri_mut() = path.parse()?;
    *request.headers_mut() = headers.clone();
    let host = HeaderValue::from_str(&target.authority)?;
    let own = request.headers_mut();
    own.entry(header::HOST).or_insert(host);
    own.entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static("zephyr"));
    Ok(request)
}

async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> anyhow::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the connection; what goes wrong there, the answer tells.
    let connection = tokio::spawn(connection);
    let asked = now();
    let answer = sender.send_request(request).await?;
    let arrived = now();
    let (parts, _) = answer.into_parts();
    connection.abort();
    Ok(Answer {
        status: parts.status,
        headers: parts.headers,
        asked,
        arrived,
    })
}

/// The certificates that this machine trusts.
fn tls() -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    anyhow::ensure!(added > 0, "this machine has no certificates that it trusts");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_points_somewhere() {
        let of = |url: &str| Target::of(&url.parse().unwrap());
        let target = of("https://A.example/x").unwrap();
        assert_eq!((target.authority.as_str(), target.port), ("a.example", 443));
        let target = of("http://[::1]:8080/").unwrap();
        assert_eq!(
            (target.authority.as_str(), target.host.as_str()),
            ("[::1]:8080", "::1")
        );
        assert!(of("/x").is_err() && of("ftp://a/").is_err());
    }
}

//! Requests of the node to its origin, each on a connection of its own: they are few.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::stream::Error;
use crate::config::{Http2, Origin, TlsConfig};
use crate::upstream::tls;

/// For a connection and for the head of an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reports to the origin.
pub(super) async fn heartbeat(
    origin: &Origin,
    token: &SecretString,
    report: String,
) -> Result<(), Error> {
    let mut request = Request::new(Full::new(Bytes::from(report)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/control/heartbeat");
    let json = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    let response = send(origin, token, request).await?;
    if response.status().is_success() {
        Ok(())
    } else {
        Err(Error::Status(response.status()))
    }
}

/// Opens the stream of changes after `after`.
pub(super) async fn changes(
    origin: &Origin,
    token: &SecretString,
    node: &str,
    after: Option<u64>,
) -> Result<Incoming, Error> {
    let mut target = format!("/control/changes?node={}", encode(node));
    if let Some(after) = after {
        target.push_str(&format!("&after={after}"));
    }
    let mut request = Request::new(Full::default());
    *request.uri_mut() = target
        .parse()
        .map_err(|_| Error::Protocol("the node's name"))?;
    let response = send(origin, token, request).await?;
    if response.status() == StatusCode::OK {
        Ok(response.into_body())
    } else {
        Err(Error::Status(response.status()))
    }
}

async fn send(
    origin: &Origin,
    token: &SecretString,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Error> {
    let headers = request.headers_mut();
    let host = HeaderValue::from_str(origin.authority().as_str());
    headers.insert(
        header::HOST,
        host.map_err(|_| Error::Protocol("the origin's name"))?,
    );
    let bearer = format!("Bearer {}", token.expose_secret());
    let mut bearer =
        HeaderValue::from_str(&bearer).map_err(|_| Error::Protocol("the control token"))?;
    bearer.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, bearer);
    let answer = async {
        let stream = TcpStream::connect(origin.host_and_port()).await?;
        let _ = stream.set_nodelay(true);
        if origin.is_tls() {
            let trusted = tls::Client::new(&TlsConfig::default(), Http2::No);
            let client = trusted.map_err(|error| Error::Tls(format!("{error:#}")))?;
            speak(client.connect(origin, stream).await?, request).await
        } else {
            speak(stream, request).await
        }
    };
    tokio::time::timeout(TIMEOUT, answer)
        .await
        .map_err(|_| Error::Silent(TIMEOUT))?
}

async fn speak<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the origin ended early");
        }
    });
    Ok(sender.send_request(request).await?)
}

/// Percent-encodes what is not unreserved (RFC 3986, section 2.3).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded() {
        assert_eq!(
            encode("edge-1:80&after=0 ü"),
            "edge-1%3A80%26after%3D0%20%C3%BC"
        );
    }
}

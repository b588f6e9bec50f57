//! The policies and the engine, linked into the test.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use zephyr_edge::config::UpstreamConfig;
use zephyr_edge::error::{ProxyError, Source};
use zephyr_edge::{Config, ParseOptions};
use zephyr_edge_portable::edge::{Client, Edge};
use zephyr_edge_portable::{Site, testing};

use crate::case::Exchange;
use crate::run::Target;
use crate::upstream::Upstream;
use crate::wire::{self, Message};

/// The edge in memory.
pub(crate) struct Memory(Edge<testing::Memory>);

impl Memory {
    pub(crate) fn start(config: &str, _: &Upstream) -> Self {
        let options = ParseOptions {
            file: "zephyr.toml".into(),
            base_dir: ".".into(),
            components_dir: "components".into(),
        };
        let config = Config::parse(config, &options).unwrap();
        let site = Rc::new(Site::new(&config).unwrap());
        let now = || {
            SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap()
        };
        let fetch = |upstream: &UpstreamConfig, request: Request<Bytes>| -> testing::Fetched {
            let (host, port) = upstream.url.host_and_port();
            let address: SocketAddr = format!("{host}:{port}").parse().unwrap();
            Box::pin(fetch(address, upstream.first_byte_timeout, request))
        };
        let platform = testing::Memory::new(Box::new(fetch), now);
        Self(Edge::new(site, Rc::default(), platform))
    }
}

async fn fetch(
    address: SocketAddr,
    patience: Duration,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ProxyError> {
    let (parts, body) = request.into_parts();
    let mut text = format!("{} {} HTTP/1.1\r\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        if name != "content-length" {
            text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&body);
    let failed = |status| ProxyError::new(Source::Upstream, status, "The upstream did not answer.");
    let answer = wire::exchange(address, parts.method.as_str(), &bytes);
    let answer = tokio::time::timeout(patience, answer)
        .await
        .map_err(|_| failed(StatusCode::GATEWAY_TIMEOUT))?
        .map_err(|why| failed(StatusCode::BAD_GATEWAY).with_cause(why))?;
    let status = StatusCode::from_u16(answer.status());
    let (true, Ok(status)) = (answer.whole, status) else {
        return Err(failed(StatusCode::BAD_GATEWAY));
    };
    let mut response = Response::new(Bytes::from(answer.body));
    *response.status_mut() = status;
    for (name, value) in answer.fields {
        let name: http::HeaderName = name.parse().unwrap();
        response.headers_mut().append(name, value.parse().unwrap());
    }
    Ok(response)
}

impl Target for Memory {
    async fn ask(&self, request: &Exchange) -> Result<Message, String> {
        let mut message = Request::builder()
            .method(request.method)
            .uri(&request.target);
        message = message.header("host", "conformance.example");
        for (name, value) in &request.fields {
            message = message.header(*name, value);
        }
        let message = match message.body(Bytes::from(request.body.clone())) {
            Ok(message) => message,
            Err(error) => return Err(error.to_string()),
        };
        let site = self.0.site();
        let client = Client::new(site, IpAddr::V4(Ipv4Addr::LOCALHOST), "http");
        let (parts, body) = self.0.answer(client, message).await.into_parts();
        for work in self.0.platform().take_detached() {
            work.await;
        }
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), value.to_str().unwrap().to_owned())
        };
        Ok(Message {
            first: format!("HTTP/1.1 {}", parts.status.as_u16()),
            fields: parts.headers.iter().map(field).collect(),
            body: if request.method == "HEAD" {
                Vec::new()
            } else {
                body.to_vec()
            },
            whole: true,
        })
    }
}

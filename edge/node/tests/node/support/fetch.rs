//! Requests whose answers are bytes, not text.

use std::io::Read as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::client::PATIENCE;

/// A whole answer in bytes.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Fetched {
    /// A field as text, lines joined; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|value| value.to_str().unwrap()).collect();
        lines.join(", ")
    }

    /// The body without its coding, decoded by what `Content-Encoding` names.
    pub(crate) fn plain(&self) -> Vec<u8> {
        let coded = &self.body[..];
        let mut plain = Vec::new();
        match &*self.header("content-encoding") {
            "" => plain = coded.to_vec(),
            "zstd" => plain = zstd::decode_all(coded).unwrap(),
            "br" => {
                let mut reader = brotli::Decompressor::new(coded, 4096);
                reader.read_to_end(&mut plain).unwrap();
            }
            "gzip" => {
                let mut reader = flate2::read::GzDecoder::new(coded);
                reader.read_to_end(&mut plain).unwrap();
            }
            other => panic!("the coding {other:?}"),
        }
        plain
    }
}

/// One request without a body, on a connection of its own.
pub(crate) async fn fetch(
    address: SocketAddr,
    method: Method,
    target: &str,
    fields: &[(&str, &str)],
) -> Fetched {
    let exchange = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(target);
        if !fields.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", address.to_string());
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        Fetched {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("an answer in time")
}

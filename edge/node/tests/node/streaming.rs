//! Bodies that stream both ways, and what comes after them: trailers, as gRPC has them.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::PATIENCE;
use crate::support::{RawUpstream, TestNode, raw};

fn config(url: &str, http2: bool) -> String {
    format!(
        "[upstreams.a]\nurl = \"{url}\"\nhttp2 = {http2}\n[[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"a\"\n"
    )
}

/// Sends back each piece when it comes, and the trailers, with a status of its own.
async fn mirror() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request: Request<Incoming>| async move {
                let te = request.headers().get("te").cloned();
                let frames = request.into_body().into_data_stream();
                let mut trailers = HeaderMap::new();
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                let data = frames.filter_map(|data| async { data.ok().map(Frame::data) });
                let end = futures_util::stream::iter([Frame::trailers(trailers)]);
                let body = StreamBody::new(data.chain(end).map(Ok::<_, Infallible>));
                let mut answer = Response::new(body.boxed_unsync());
                answer
                    .headers_mut()
                    .insert("trailer", HeaderValue::from_static("grpc-status"));
                if let Some(te) = te {
                    answer.headers_mut().insert("x-te", te);
                }
                Ok::<_, Infallible>(answer)
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_call_streams_both_ways_and_ends_in_trailers() {
    let upstream = mirror().await;
    for http2 in [true, false] {
        let node = TestNode::start(&config(&format!("http://{upstream}"), http2)).await;
        let stream = TcpStream::connect(node.http()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        tokio::spawn(connection);
        let (pieces, taken) = tokio::sync::mpsc::channel::<Frame<Bytes>>(1);
        let body = futures_util::stream::unfold(taken, |mut taken| async {
            taken.recv().await.map(|piece| (piece, taken))
        });
        let request = Request::post("http://a/service/call")
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(StreamBody::new(Box::pin(body.map(Ok::<_, Infallible>))))
            .unwrap();
        let call = async {
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200, "h2 upstream: {http2}");
            assert_eq!(answer.headers()["x-te"], "trailers");
            let mut answer = answer.into_body();
            // Each piece comes back while the request is still open.
            for text in ["one", "two", "three"] {
                let piece = Frame::data(Bytes::from(text));
                pieces.send(piece).await.unwrap();
                let back = answer.frame().await.unwrap().unwrap();
                assert_eq!(back.into_data().unwrap(), text);
            }
            drop(pieces);
            let last = answer.frame().await.unwrap().unwrap();
            let trailers = last.into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], "0", "h2 upstream: {http2}");
        };
        tokio::time::timeout(PATIENCE, call).await.unwrap();
        node.stop().await;
    }
}

#[tokio::test]
async fn http1_clients_get_the_trailers_that_they_ask_for() {
    let upstream = mirror().await;
    for http2 in [true, false] {
        let node = TestNode::start(&config(&format!("http://{upstream}"), http2)).await;
        let post = |te: &str| {
            format!(
                "POST /x HTTP/1.1\r\nhost: a\r\nconnection: close, te\r\n{te}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            )
        };
        let answer = raw(node.http(), post("te: trailers\r\n")).await;
        assert!(answer.ends_with("0\r\ngrpc-status: 0\r\n\r\n"), "{answer}");
        let answer = raw(node.http(), post("")).await;
        assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
        assert!(answer.contains("\r\n3\r\nabc\r\n"), "{answer}");
        node.stop().await;
    }
}

#[tokio::test]
async fn trailers_of_a_request_arrive_without_what_only_a_head_may_say() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (sender, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let upstream = RawUpstream::start(move |_, mut stream| {
        let sender = sender.clone();
        async move {
            let mut request = Vec::new();
            let mut piece = [0; 1024];
            while !String::from_utf8_lossy(&request).contains("\r\n0\r\n")
                || !request.ends_with(b"\r\n\r\n")
            {
                match stream.read(&mut piece).await {
                    Ok(read @ 1..) => request.extend_from_slice(&piece[..read]),
                    _ => return,
                }
            }
            let _ = sender.send(String::from_utf8_lossy(&request).into_owned());
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
                .await;
        }
    })
    .await;
    let node = TestNode::start(&config(&upstream.url(), false)).await;
    let request = "POST /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\ntrailer: x-sum, x-zephyr-subject, via\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\nx-zephyr-subject: admin\r\nvia: 1.1 evil\r\n\r\n";
    let answer = raw(node.http(), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let seen = requests.recv().await.unwrap();
    assert!(seen.ends_with("\r\n0\r\nx-sum: 1\r\n\r\n"), "{seen}");
    node.stop().await;
}

#[tokio::test]
async fn an_answer_before_the_body_is_passed_on_and_the_connection_ends() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let upstream = RawUpstream::start(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream
            .write_all(
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno",
            )
            .await;
        let _ = stream.shutdown().await;
        while matches!(stream.read(&mut [0; 4096]).await, Ok(1..)) {}
    })
    .await;
    let node = TestNode::start(&config(&upstream.url(), false)).await;
    let mut stream = TcpStream::connect(node.http()).await.unwrap();
    let head = "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'x'; 1000]).await.unwrap();
    // The rest never comes: the client waits for what the server says, and it does say it.
    let mut heard = String::new();
    let read = stream.read_to_string(&mut heard);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("an end");
    assert!(heard.starts_with("HTTP/1.1 403 "), "{heard}");
    assert!(heard.ends_with("\r\n\r\nno"), "{heard}");
    node.stop().await;
}

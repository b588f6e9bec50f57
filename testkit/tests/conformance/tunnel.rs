//! WebSockets through a host: the handshake passes the filters, and then bytes go both ways.

use std::net::SocketAddr;
use std::time::Duration;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::wire;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An upstream that takes one WebSocket and sends every text back in capital letters.
pub(crate) async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    address
}

/// RFC 6455, section 4.2.2.
fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    STANDARD.encode(digest::digest(
        &digest::SHA1_FOR_LEGACY_USE_ONLY,
        text.as_bytes(),
    ))
}

async fn echo(mut stream: TcpStream) {
    let Ok(Some(request)) = wire::read(&mut stream, false).await else {
        return;
    };
    let key = request.field("sec-websocket-key").unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        accept(&key)
    );
    stream.write_all(answer.as_bytes()).await.unwrap();
    while let Some(text) = read_text(&mut stream).await {
        let text = text.to_uppercase();
        let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
        frame.extend_from_slice(text.as_bytes());
        stream.write_all(&frame).await.unwrap();
    }
}

/// The next short text; none at the end. Frames of other kinds are passed over.
async fn read_text(stream: &mut TcpStream) -> Option<String> {
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head).await.ok()?;
        let (kind, masked) = (head[0] & 0x0f, head[1] & 0x80 != 0);
        let mut mask = [0; 4];
        if masked {
            stream.read_exact(&mut mask).await.ok()?;
        }
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        stream.read_exact(&mut payload).await.ok()?;
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        match kind {
            1 => return String::from_utf8(payload).ok(),
            8 => return None,
            _ => {}
        }
    }
}

/// Opens a WebSocket through a host, and talks.
pub(crate) async fn check(host: SocketAddr, target: &str, fields: &str) {
    let talk = async {
        let mut stream = TcpStream::connect(host).await.unwrap();
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        // Byte by byte: what follows the head is the tunnel's.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(head.starts_with("http/1.1 101"), "{head}");
        assert!(head.contains(&accept(key).to_lowercase()), "{head}");
        for word in ["hello", "again"] {
            let mask = [1, 2, 3, 4];
            let mut frame = vec![0x81, 0x80 | u8::try_from(word.len()).unwrap()];
            frame.extend_from_slice(&mask);
            frame.extend(
                word.bytes()
                    .enumerate()
                    .map(|(at, byte)| byte ^ mask[at % 4]),
            );
            stream.write_all(&frame).await.unwrap();
            let text = read_text(&mut stream).await;
            assert_eq!(text, Some(word.to_uppercase()));
        }
    };
    tokio::time::timeout(PATIENCE, talk)
        .await
        .expect("an answer in time");
}

//! An HTTP/2 client that sends frames byte by byte, legal or not (RFC 9113, section 4).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::client::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const WITH_PRIORITY: u8 = 32;

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What a client hears of something it did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// An answer, by the first byte of its header block: 0x88 is 200, 0x8c 400.
    Answer(u8),
    /// The stream was reset, with this code.
    Reset(u32),
    /// The connection ends, with this code.
    GoAway(u32),
    /// The connection is closed.
    Closed,
    /// The node has answered a ping that was sent afterwards, and said nothing else.
    Nothing,
}

/// A connection.
pub(crate) struct Frames {
    pub(crate) stream: TcpStream,
}

impl Frames {
    /// Connects, with these settings.
    pub(crate) async fn open(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut frames = Self { stream };
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat())
            .collect();
        frames.send(SETTINGS, 0, 0, &payload).await;
        frames
    }

    /// Sends a frame; a connection that the node has closed takes it in silence.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let frame = frame(kind, flags, stream, payload);
        let _ = self.stream.write_all(&frame).await;
    }

    /// The next frame; none at the end.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            Some(Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
                payload,
            })
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("a frame in time")
    }

    /// What is heard of a stream; pings first, so that it ends even if that is nothing.
    pub(crate) async fn hear(&mut self, stream: u32) -> Heard {
        self.send(PING, 0, 0, b"are you?").await;
        self.wait(stream, true).await
    }

    /// Waits for an answer, or the end.
    pub(crate) async fn wait(&mut self, stream: u32, or_ping: bool) -> Heard {
        let code = |payload: &[u8]| u32::from_be_bytes(payload[..4].try_into().unwrap());
        loop {
            let Some(frame) = self.next().await else {
                return Heard::Closed;
            };
            match frame.kind {
                HEADERS if frame.stream == stream => return Heard::Answer(frame.payload[0]),
                RST_STREAM if frame.stream == stream => return Heard::Reset(code(&frame.payload)),
                GOAWAY if code(&frame.payload[4..]) != 0 => {
                    return Heard::GoAway(code(&frame.payload[4..]));
                }
                SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, b"").await,
                PING if or_ping && frame.flags & ACK != 0 => return Heard::Nothing,
                _ => {}
            }
        }
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A header block of literal fields without indexing (RFC 7541, section 6.2.2).
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name, value] {
            assert!(text.len() < 127);
            bytes.push(u8::try_from(text.len()).unwrap());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

/// The pseudo-header fields of a request, and these.
pub(crate) fn head(method: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut all = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/x"),
    ];
    all.extend_from_slice(fields);
    block(&all)
}

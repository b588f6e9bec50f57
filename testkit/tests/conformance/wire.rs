//! HTTP/1.1 as bytes, both ways: what is sent is exactly what a case says, and what comes is read
//! without a library that would mend it.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A message's first line, fields in order with names in lower case, and body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    pub(crate) first: String,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body is as long as the head says.
    pub(crate) whole: bool,
}

impl Message {
    /// The lines of a field, joined.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self
            .fields
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// The status of an answer.
    pub(crate) fn status(&self) -> u16 {
        let status = self.first.split(' ').nth(1);
        status.and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Sends bytes and reads the answer to a request of that method.
pub(crate) async fn exchange(
    address: SocketAddr,
    method: &str,
    bytes: &[u8],
) -> Result<Message, String> {
    let whole = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(bytes).await?;
        read(&mut stream, method == "HEAD").await
    };
    match tokio::time::timeout(PATIENCE, whole).await {
        Ok(Ok(Some(answer))) => Ok(answer),
        Ok(Ok(None)) => Err("the connection was closed without an answer".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// Reads a message; none when the peer closes before one has come.
pub(crate) async fn read(
    stream: &mut TcpStream,
    bodiless: bool,
) -> std::io::Result<Option<Message>> {
    let mut buffer = Vec::new();
    let end = loop {
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut message = Message {
        first: lines.next().unwrap_or_default().to_owned(),
        whole: true,
        ..Message::default()
    };
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let field = (name.to_ascii_lowercase(), value.trim().to_owned());
        message.fields.push(field);
    }
    let mut rest = buffer.split_off(end + 4);
    let is_answer = message.first.starts_with("HTTP/");
    if bodiless || is_answer && matches!(message.status(), 100..=199 | 204 | 304) {
        return Ok(Some(message));
    }
    let length = message
        .field("content-length")
        .and_then(|text| text.parse::<usize>().ok());
    let chunked = message.field("transfer-encoding").is_some();
    if let Some(length) = length {
        while rest.len() < length {
            // A peer that resets the connection has broken off as well.
            if stream.read_buf(&mut rest).await.unwrap_or(0) == 0 {
                message.whole = false;
                break;
            }
        }
        rest.truncate(length);
        message.body = rest;
    } else if chunked {
        loop {
            if let Some((body, ended)) = unchunk(&rest) {
                message.body = body;
                if ended {
                    break;
                }
            }
            if stream.read_buf(&mut rest).await.unwrap_or(0) == 0 {
                message.whole = false;
                break;
            }
        }
    } else if is_answer {
        while stream.read_buf(&mut rest).await.unwrap_or(0) > 0 {}
        message.body = rest;
    }
    Ok(Some(message))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// The chunks that are there, and whether the last one is among them.
fn unchunk(mut bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    loop {
        let Some(end) = find(bytes, b"\r\n") else {
            return Some((body, false));
        };
        let size = std::str::from_utf8(&bytes[..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        let data = &bytes[end + 2..];
        if size == 0 {
            return Some((body, find(data, b"\r\n").is_some()));
        }
        if data.len() < size + 2 {
            return Some((body, false));
        }
        body.extend_from_slice(&data[..size]);
        bytes = &data[size + 2..];
    }
}

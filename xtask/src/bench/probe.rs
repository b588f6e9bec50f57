//! One request, to see that a row answers as it should before it is measured.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// How long an answer may take; 10 MiB of a debug build are slow.
const LIMIT: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// A field's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Asks once, on a connection of its own. `header` is a whole field line.
pub(crate) fn get(port: u16, path: &str, header: Option<&str>) -> anyhow::Result<Answer> {
    let mut stream = connect(port)?;
    let authority = format!("127.0.0.1:{port}");
    stream.write_all(request(&authority, path, "close", header).as_bytes())?;
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .with_context(|| format!("the answer to {path}"))?;
    parse(&bytes).with_context(|| format!("the answer to {path} is no HTTP"))
}

/// The same over TLS, by `openssl s_client`, which believes any certificate. The server is asked
/// for as `localhost`.
pub(crate) fn get_tls(port: u16, path: &str, header: Option<&str>) -> anyhow::Result<Answer> {
    let authority = format!("localhost:{port}");
    let mut child = Command::new("timeout")
        .arg(LIMIT.as_secs().to_string())
        .args(["openssl", "s_client", "-quiet", "-tls1_3"])
        .args(["-servername", "localhost", "-connect"])
        .arg(format!("127.0.0.1:{port}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting openssl")?;
    // Kept open until the answer is in: its end would end the connection.
    let mut input = child.stdin.take().context("openssl's input")?;
    input.write_all(request(&authority, path, "close", header).as_bytes())?;
    let mut bytes = Vec::new();
    child
        .stdout
        .take()
        .context("openssl's output")?
        .read_to_end(&mut bytes)?;
    drop(input);
    child.wait()?;
    parse(&bytes).with_context(|| format!("no HTTP over TLS 1.3 answered {path} on port {port}"))
}

/// Opens a connection, asks, and keeps it open and silent after the answer.
pub(crate) fn keep(port: u16, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connect(port)?;
    let authority = format!("127.0.0.1:{port}");
    stream.write_all(request(&authority, path, "keep-alive", None).as_bytes())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk)?;
        anyhow::ensure!(count > 0, "the connection was closed");
        bytes.extend_from_slice(&chunk[..count]);
        let Some(answer) = parse(&bytes) else {
            continue;
        };
        anyhow::ensure!(answer.status == 200, "status {}", answer.status);
        let length: usize = answer
            .header("content-length")
            .context("an answer without Content-Length")?
            .parse()?;
        if answer.body.len() >= length {
            return Ok(stream);
        }
    }
}

fn connect(port: u16) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn request(authority: &str, path: &str, connection: &str, header: Option<&str>) -> String {
    let header = header.map(|line| format!("{line}\r\n")).unwrap_or_default();
    format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: {connection}\r\n{header}\r\n")
}

pub(super) fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        head,
        body: bytes[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn an_answer_is_read() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nX-Cache:  HIT\r\n\r\nbody").unwrap();
        assert_eq!(
            (answer.status, answer.header("x-cache")),
            (200, Some("HIT"))
        );
        assert_eq!(answer.body, b"body");
        assert!(parse(b"garbage").is_none());
    }

    /// Answers one connection with `bytes`, then waits for its end.
    fn answering(bytes: &'static [u8]) -> (u16, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let count = stream.read(&mut asked).unwrap();
            stream.write_all(bytes).unwrap();
            // Whatever way the other side goes.
            let _ = stream.read(&mut [0; 1]);
            String::from_utf8_lossy(&asked[..count]).into_owned()
        });
        (port, server)
    }

    #[test]
    fn a_kept_connection_has_had_its_whole_answer() {
        let (port, server) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        drop(keep(port, "/idle").unwrap());
        let asked = server.join().unwrap();
        assert!(asked.starts_with("GET /idle HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("Connection: keep-alive"), "{asked}");
    }

    #[test]
    fn a_refused_connection_is_not_kept() {
        let (port, server) = answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(keep(port, "/").unwrap_err().to_string(), "status 503");
        server.join().unwrap();
    }
}

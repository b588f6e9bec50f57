//! The socket of a client: reports what moves to the connection's timekeeper, and keeps what is not
//! strict HTTP/1.1 from hyper.
//!
//! hyper gets heads that are whole and legal. In the place of a request that is refused it gets one
//! that says so ([`REFUSED`]), so that the refusal is answered in its turn, after the requests before
//! it, and is counted and logged as any other answer.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::calm::Calm;
use super::state::Connection;
use crate::http1::{Limits, Scanner, Stop};

/// What stands in the place of a request that is refused.
const REFUSED: &[u8] = b"- / HTTP/1.1\r\nconnection: close\r\n\r\n";
/// And of one that gets no body as an answer.
const REFUSED_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n";

/// Read at once while a head is not whole.
const PIECE: usize = 2048;

/// A client's socket.
pub(super) struct Socket<S> {
    stream: S,
    /// None on HTTP/2.
    scanner: Option<Scanner>,
    /// None on HTTP/1.
    calm: Option<Calm>,
    /// For hyper.
    ready: BytesMut,
    /// The beginning of a head.
    held: BytesMut,
    /// Received, and not looked at: what was read while the protocol was found out, and what follows
    /// a head that asks for an upgrade.
    unseen: BytesMut,
    /// Whether hyper has been given a refused request, after which there is nothing.
    over: bool,
    connection: Rc<Connection>,
}

impl<S> Socket<S> {
    pub(super) fn new(
        stream: S,
        first: BytesMut,
        limits: Limits,
        connection: Rc<Connection>,
    ) -> Self {
        let scanner = connection.http1.then(|| Scanner::new(limits));
        let calm = (!connection.http1).then(|| {
            let mut calm = Calm::new();
            calm.takes(&first, 0);
            calm
        });
        let (ready, unseen) = match scanner {
            Some(_) => (BytesMut::new(), first),
            None => (first, BytesMut::new()),
        };
        Self {
            stream,
            scanner,
            calm,
            ready,
            held: BytesMut::new(),
            unseen,
            over: false,
            connection,
        }
    }

    /// The bare stream, and what has been received and not been read from here.
    pub(super) fn into_parts(mut self) -> (S, Bytes) {
        self.ready.unsplit(self.held);
        self.ready.unsplit(self.unseen);
        (self.stream, self.ready.freeze())
    }

    /// Takes in what was received: it goes on to hyper, waits, or is the end.
    fn take_in(&mut self, mut received: BytesMut) -> io::Result<()> {
        let Some(scanner) = &mut self.scanner else {
            // Over TLS a client of HTTP/2 has yet to begin; then its pings keep it alive.
            self.connection.awaits_head.set(false);
            self.ready.unsplit(received);
            return Ok(());
        };
        let scan = scanner.scan(&received);
        let rest = received.split_off(scan.passed);
        if scan.passed > 0 {
            self.ready.unsplit(std::mem::take(&mut self.held));
            self.ready.unsplit(received);
        }
        self.note();
        self.settle(rest, scan.stop)
    }

    /// Tells the timekeeper what is due.
    fn note(&self) {
        let (Some(scanner), connection) = (&self.scanner, &self.connection) else {
            return;
        };
        let in_head = scanner.in_head();
        if in_head && !connection.awaits_head.get() {
            connection.heads.set(connection.heads.get().wrapping_add(1));
        }
        connection.awaits_head.set(in_head);
        connection.awaits_body.set(scanner.in_body());
    }

    /// What becomes of bytes that may not go on now.
    fn settle(&mut self, rest: BytesMut, stop: Option<Stop>) -> io::Result<()> {
        let Some(scanner) = &self.scanner else {
            return Ok(());
        };
        match stop {
            None => self.held.unsplit(rest),
            Some(Stop::Upgrade) => {
                self.unseen = rest;
                self.connection.parked.set(true);
            }
            Some(Stop::Refused(violation)) => {
                let refused = (scanner.heads(), violation);
                self.connection.refused.set(Some(refused));
                let stands_in = match scanner.asks_for_head() {
                    true => REFUSED_HEAD,
                    false => REFUSED,
                };
                self.ready.extend_from_slice(stands_in);
                self.held.clear();
                self.over = true;
                self.connection.awaits_head.set(false);
                self.connection.awaits_body.set(false);
            }
            Some(Stop::Broken(violation)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, violation.detail));
            }
        }
        Ok(())
    }

    /// Whether nothing must be read for now.
    fn pauses(&self) -> bool {
        self.over || self.connection.parked.get()
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads what belongs to a head that is not whole yet.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
        if !self.unseen.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.unseen)));
        }
        let mut piece = [0; PIECE];
        let mut buf = ReadBuf::new(&mut piece);
        let poll = Pin::new(&mut self.stream).poll_read(cx, &mut buf);
        self.connection.read_waits.set(poll.is_pending());
        ready!(poll)?;
        Poll::Ready(Ok(BytesMut::from(buf.filled())))
    }

    /// Reads straight into hyper's buffer, as it is nearly always possible.
    fn poll_straight(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.connection.read_waits.set(poll.is_pending());
        ready!(poll)?;
        let received = &buf.filled()[before..];
        if received.is_empty() {
            self.connection.ended.set(true);
            return Poll::Ready(Ok(()));
        }
        self.connection.progressed();
        let Some(scanner) = &mut self.scanner else {
            self.connection.awaits_head.set(false);
            let written = self.connection.written.get();
            let calm = self.calm.as_mut();
            return Poll::Ready(
                match calm.is_none_or(|calm| calm.takes(received, written)) {
                    true => Ok(()),
                    false => Err(io::Error::other("a flood of frames")),
                },
            );
        };
        let scan = scanner.scan(received);
        let rest = BytesMut::from(&received[scan.passed..]);
        buf.set_filled(before + scan.passed);
        self.note();
        Poll::Ready(self.settle(rest, scan.stop))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if !this.ready.is_empty() {
                let length = this.ready.len().min(buf.remaining());
                buf.put_slice(&this.ready[..length]);
                this.ready.advance(length);
                if this.ready.is_empty() {
                    // An idle connection keeps no memory for what it once said.
                    this.ready = BytesMut::new();
                }
                return Poll::Ready(Ok(()));
            }
            if this.pauses() {
                this.connection.read_waits.set(false);
                *this.connection.reader.borrow_mut() = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if this.held.is_empty() && this.unseen.is_empty() {
                ready!(this.poll_straight(cx, buf))?;
                if buf.filled().len() > before || this.connection.ended.get() {
                    return Poll::Ready(Ok(()));
                }
            } else {
                let piece = ready!(this.poll_piece(cx))?;
                if piece.is_empty() {
                    // In the middle of a head, of which hyper knows nothing.
                    this.connection.ended.set(true);
                    return Poll::Ready(Ok(()));
                }
                this.connection.progressed();
                this.take_in(piece)?;
            }
        }
    }
}

impl<S> Socket<S> {
    fn wrote(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.connection.write_waits.set(poll.is_pending());
        if let Poll::Ready(Ok(written)) = &poll {
            self.connection.wrote(*written);
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        // TLS takes bytes before there is room for them on the socket.
        self.connection.write_waits.set(poll.is_pending());
        poll
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LIMITS: Limits = Limits {
        bytes: 2048,
        fields: 20,
    };

    fn connection() -> Rc<Connection> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        Rc::new(Connection::new(peer, false, true, false))
    }

    /// What hyper would read when the client sends these pieces, the first of them early.
    async fn read(pieces: &[&str]) -> (String, Rc<Connection>) {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let connection = connection();
        let first = BytesMut::from(pieces[0].as_bytes());
        let mut socket = Socket::new(server, first, LIMITS, Rc::clone(&connection));
        let mut all = Vec::new();
        let mut buf = [0; 16];
        for piece in &pieces[1..] {
            while let Poll::Ready(read) = futures_util::poll!(Box::pin(socket.read(&mut buf))) {
                all.extend_from_slice(&buf[..read.unwrap()]);
            }
            client.write_all(piece.as_bytes()).await.unwrap();
        }
        while let Poll::Ready(read) = futures_util::poll!(Box::pin(socket.read(&mut buf))) {
            all.extend_from_slice(&buf[..read.unwrap()]);
        }
        (String::from_utf8(all).unwrap(), connection)
    }

    #[tokio::test]
    async fn hyper_gets_whole_heads() {
        let (text, _) = read(&["GET / HT", "TP/1.1\r\n"]).await;
        assert_eq!(text, "");
        let head = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        let (text, _) = read(&["GET / HT", "TP/1.1\r\nhost: a\r\n\r\nGET / H"]).await;
        assert_eq!(text, head);
        let (text, _) = read(&[head, head, "POST"]).await;
        assert_eq!(text, format!("{head}{head}"));
    }

    #[tokio::test]
    async fn a_refused_request_is_replaced() {
        let head = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
        for pieces in [
            [head, "GET / HTTP/3\r\n"].as_slice(),
            &["GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/3\r\n", head],
            &[
                head,
                "GET /",
                " HTTP/3\r\nGET /smuggled HTTP/1.1\r\n\r\n",
                head,
            ],
        ] {
            let (text, connection) = read(pieces).await;
            let refused = String::from_utf8_lossy(REFUSED);
            assert_eq!(text, format!("{head}{refused}"), "{pieces:?}");
            assert_eq!(connection.refused.get().unwrap().0, 1, "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn nothing_is_read_past_an_upgrade_until_it_is_decided() {
        let upgrade = "GET / HTTP/1.1\r\nupgrade: x\r\n\r\n";
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let connection = connection();
        let mut socket = Socket::new(server, BytesMut::new(), LIMITS, Rc::clone(&connection));
        client
            .write_all(format!("{upgrade}\0\x01").as_bytes())
            .await
            .unwrap();
        let mut read = [0; 64];
        assert_eq!(socket.read(&mut read).await.unwrap(), upgrade.len());
        assert!(connection.parked.get());
        assert!(futures_util::poll!(Box::pin(socket.read(&mut read))).is_pending());
        let (_, rest) = socket.into_parts();
        assert_eq!(&*rest, b"\0\x01");
    }
}

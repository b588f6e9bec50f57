//! A bound on frames of HTTP/2 that cost the client nothing and bring no request further: PING, SETTINGS,
//! PRIORITY, WINDOW_UPDATE, RST_STREAM, DATA without data, and kinds that nobody knows (RFC 9113, section
//! 10.5). h2 answers or ignores each of them for as long as they come; what waits to be sent is bounded by
//! itself, for it reads no further until an answer is written.
//!
//! What is earned by time and by traffic that is of use is far more than any client needs.

use std::time::Instant;

/// Bytes of such frames at once, as far as none have come for a while.
const BURST: i64 = 1024 * 1024;
/// And each second from then on: about a thousand pings.
const PER_SECOND: i64 = 16 * 1024;
/// Of the bytes that are of use, in both directions, one in so many may be such frames besides: a
/// download needs WINDOW_UPDATE.
const SHARE: u64 = 8;

const PREFACE: u64 = 24;
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Watches what a client sends on one connection.
#[derive(Debug)]
pub(super) struct Calm {
    /// What comes before the next frame's head.
    skip: u64,
    /// The beginning of a head.
    head: [u8; HEAD],
    have: usize,
    left: i64,
    since: Instant,
    useful: u64,
    /// As it was when this was last looked at.
    written: u64,
}

impl Calm {
    pub(super) fn new() -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            have: 0,
            left: BURST,
            since: Instant::now(),
            useful: 0,
            written: 0,
        }
    }

    /// Takes note of what was received; false when it is a flood. `written` are the bytes sent on the
    /// connection so far.
    pub(super) fn takes(&mut self, mut bytes: &[u8], written: u64) -> bool {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len() as u64);
                self.skip -= skipped;
                bytes = &bytes[skipped as usize..];
                continue;
            }
            let taken = (HEAD - self.have).min(bytes.len());
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEAD {
                self.have = 0;
                self.frame();
            }
        }
        self.left >= 0 || self.earn(written)
    }

    fn frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = u32::from_be_bytes([0, high, middle, low]);
        self.skip = length.into();
        let is_of_use = match kind {
            HEADERS | CONTINUATION => true,
            DATA => length > 0 || flags & END_STREAM != 0,
            _ => false,
        };
        if is_of_use {
            self.useful += u64::from(length);
        } else {
            self.left -= HEAD as i64 + i64::from(length);
        }
    }

    /// Adds what time and traffic have earned; whether that is enough.
    fn earn(&mut self, written: u64) -> bool {
        let now = Instant::now();
        let seconds = now.duration_since(self.since).as_secs_f64();
        let of_use = (self.useful + written.wrapping_sub(self.written)) / SHARE;
        let earned = (seconds * PER_SECOND as f64) as i64;
        let of_use = i64::try_from(of_use).unwrap_or(BURST);
        self.left = self
            .left
            .saturating_add(earned)
            .saturating_add(of_use)
            .min(BURST);
        (self.since, self.useful, self.written) = (now, 0, written);
        self.left >= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let bytes = u32::try_from(length).unwrap().to_be_bytes();
        let mut frame = vec![bytes[1], bytes[2], bytes[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEAD + length, 7);
        frame
    }

    fn calm() -> Calm {
        let mut calm = Calm::new();
        assert!(calm.takes(&[0; PREFACE as usize], 0));
        calm
    }

    #[test]
    fn floods_end_whatever_their_pieces() {
        for (kind, length) in [(6, 8), (4, 0), (2, 5), (8, 4), (3, 4), (DATA, 0), (77, 100)] {
            for piece in [1, 7, 4096] {
                let mut calm = calm();
                let many = frame(kind, 0, length).repeat(4_000_000 / (HEAD + length));
                let calm = many.chunks(piece).position(|piece| !calm.takes(piece, 0));
                let at = calm.expect("a flood") * piece;
                assert!(at >= BURST as usize - piece, "{kind}: {at}");
            }
        }
    }

    #[test]
    fn what_is_of_use_is_no_flood() {
        for (kind, flags, length) in [(DATA, 0, 1), (DATA, END_STREAM, 0), (HEADERS, 5, 0)] {
            let many = frame(kind, flags, length).repeat(1_000_000);
            assert!(calm().takes(&many, 0), "{kind}");
        }
        // A download, of which two windows are updated for every KiB.
        let mut calm = calm();
        let updates = frame(8, 0, 4).repeat(2);
        assert!((1..1_000_000).all(|kib| calm.takes(&updates, kib << 10)));
    }

    #[test]
    fn time_brings_calm() {
        let mut calm = calm();
        let second = frame(6, 0, 8).repeat(900);
        for _ in 0..1000 {
            calm.since -= std::time::Duration::from_secs(1);
            assert!(calm.takes(&second, 0));
        }
    }
}

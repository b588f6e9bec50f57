//! Closes connections that keep the node waiting. One timer a connection, set a few times a minute
//! and never per request: each time it rings, it looks at what has moved since.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::state::Connection;
use crate::config::Listen;

/// A limit is this many rings, so it is kept to within a quarter.
const RINGS: u32 = 4;
/// As many bytes written are more than answers to pings.
const ANSWERS: u64 = 1024;

/// Watches one connection.
pub(super) struct Timekeeper {
    sleep: Pin<Box<Sleep>>,
    armed: bool,
    interval: Duration,
    head_rings: u32,
    idle_rings: u32,
    hurried: bool,
    seen: Seen,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    heads: u32,
    head_age: u32,
    progress: u32,
    quiet: u32,
    written: u64,
    steps: u32,
    stuck: u32,
}

/// What is to be done with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It has nothing to do for too long: close it the polite way.
    Idle,
    /// The peer stopped half-way: drop it.
    Stalled,
}

impl Timekeeper {
    pub(super) fn new(listen: &Listen) -> Self {
        let shortest = listen.header_read_timeout.min(listen.idle_timeout);
        let interval = (shortest / RINGS).max(Duration::from_millis(1));
        let rings = |limit: Duration| {
            u32::try_from(limit.as_nanos().div_ceil(interval.as_nanos())).unwrap_or(u32::MAX)
        };
        Self {
            sleep: Box::pin(tokio::time::sleep(interval)),
            armed: false,
            interval,
            head_rings: rings(listen.header_read_timeout),
            idle_rings: rings(listen.idle_timeout),
            hurried: false,
            seen: Seen::default(),
        }
    }

    /// From now on a connection that is quiet for one ring, and owes nobody anything, is idle.
    pub(super) fn hurry(&mut self) {
        self.hurried = true;
    }

    /// Must be polled whenever the connection's task is; nearly always it only reads one flag.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, connection: &Connection) -> Poll<Due> {
        loop {
            if self.armed && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            if self.sleep.as_mut().poll(cx).is_pending() {
                self.armed = true;
                return Poll::Pending;
            }
            self.armed = false;
            self.sleep.as_mut().reset(Instant::now() + self.interval);
            if let Some(due) = self.look(connection) {
                return Poll::Ready(due);
            }
        }
    }

    fn look(&mut self, connection: &Connection) -> Option<Due> {
        let seen = &mut self.seen;
        let (heads, progress) = (connection.heads.get(), connection.progress.get());
        let same_head = connection.awaits_head.get() && heads == seen.heads;
        seen.head_age = if same_head { seen.head_age + 1 } else { 0 };
        seen.quiet = if progress == seen.progress {
            seen.quiet + 1
        } else {
            0
        };
        (seen.heads, seen.progress) = (heads, progress);

        if seen.head_age >= self.head_rings {
            return Some(Due::Stalled);
        }
        let owes = connection.busy.get() > 0 || connection.write_waits.get();
        if self.hurried && seen.quiet > 0 && !owes {
            return Some(Due::Idle);
        }
        if !connection.http1 {
            return self.look_at_streams(connection);
        }
        if seen.quiet < self.idle_rings {
            return None;
        }
        let body_stalls = connection.awaits_body.get() && connection.read_waits.get();
        if connection.write_waits.get() || body_stalls {
            return Some(Due::Stalled);
        }
        (connection.busy.get() == 0).then_some(Due::Idle)
    }

    /// On HTTP/2 pings move bytes too, so what counts are the steps of requests and bytes in numbers
    /// that no ping has. A client that leaves the node without a window (RFC 9113, section 5.2) takes
    /// no steps, whatever else it sends.
    fn look_at_streams(&mut self, connection: &Connection) -> Option<Due> {
        let seen = &mut self.seen;
        let (written, steps) = (connection.written.get(), connection.steps.get());
        if steps != seen.steps || written.wrapping_sub(seen.written) >= ANSWERS {
            (seen.steps, seen.written, seen.stuck) = (steps, written, 0);
            return None;
        }
        seen.stuck += 1;
        if seen.stuck < self.idle_rings {
            return None;
        }
        if connection.given.get() > 0 || connection.write_waits.get() {
            return Some(Due::Stalled);
        }
        (connection.busy.get() == 0).then_some(Due::Idle)
    }
}

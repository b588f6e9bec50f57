//! How one server is chosen of those in question.

use std::time::Duration;

use crate::ring::Ring;
use crate::round_robin::Turns;
use crate::scatter;
use crate::server::{PARTS, Server};

/// A way to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Of two random ones the one with less latency times requests in flight.
    #[default]
    P2c,
    /// The one with the fewest requests in flight for its weight.
    LeastConnections,
    /// By a hash of the request.
    RingHash,
    /// In turn.
    RoundRobin,
}

/// A policy with what it remembers.
#[derive(Debug)]
pub(crate) enum Chooser {
    P2c,
    LeastConnections,
    RingHash(Ring),
    RoundRobin(Turns),
}

impl Chooser {
    pub(crate) fn new<'a>(
        policy: Policy,
        servers: impl Iterator<Item = &'a Server> + Clone,
    ) -> Self {
        match policy {
            Policy::P2c => Self::P2c,
            Policy::LeastConnections => Self::LeastConnections,
            Policy::RingHash => Self::RingHash(Ring::new(servers)),
            Policy::RoundRobin => Self::RoundRobin(Turns::default()),
        }
    }
}

/// The better of two random servers in question, both drawn by weight. The second takes it only when
/// its load is lower by a fifth: among equals the weights decide, not the noise of measuring.
pub(crate) fn p2c<'a>(
    random: u64,
    server: impl Fn(usize) -> &'a Server,
    (count, now, slow_start): (usize, Duration, Duration),
    in_question: impl Fn(usize) -> bool,
) -> Option<usize> {
    let draw = |random: u64, but: Option<usize>| {
        let candidates = || (0..count).filter(|index| Some(*index) != but && in_question(*index));
        let share = |index| server(index).share(now, slow_start);
        let total: u64 = candidates().map(share).sum();
        let mut left = random.checked_rem(total)?;
        candidates().find(|index| match left.checked_sub(share(*index)) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        })
    };
    let first = draw(scatter(random), None)?;
    let Some(second) = draw(scatter(!random), Some(first)) else {
        return Some(first);
    };
    let (one, other) = (server(first).load(now), server(second).load(now));
    Some(match u128::from(other) * 5 < u128::from(one) * 4 {
        true => second,
        false => first,
    })
}

/// The server with the fewest requests for its weight; among equals a random one.
pub(crate) fn least_connections<'a>(
    random: u64,
    server: impl Fn(usize) -> &'a Server,
    (count, now, slow_start): (usize, Duration, Duration),
    in_question: impl Fn(usize) -> bool,
) -> Option<usize> {
    let start = random.checked_rem(count as u64)? as usize;
    let load = |index: usize| {
        let server = server(index);
        let waiting = u64::from(server.in_flight()) + 1;
        waiting * PARTS * PARTS / server.share(now, slow_start).max(1)
    };
    (start..count)
        .chain(0..start)
        .filter(|index| in_question(*index))
        .min_by_key(|index| load(*index))
}

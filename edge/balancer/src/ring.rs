//! A hash ring with bounded loads (Mirrokni, Thorup, Zadimoghaddam: Consistent Hashing with Bounded
//! Loads): a key stays with its server while servers come and go, unless that server has a quarter
//! more to do than its share; then the next one on the ring takes it.

use std::time::Duration;

use crate::scatter;
use crate::server::Server;

/// Points on the ring for a unit of weight; fewer when servers or weights are many.
const POINTS: u64 = 160;
/// Points on a ring at most.
const MOST: u64 = 1 << 16;
/// A server's load over its share, in percent.
const BOUND: u64 = 125;

/// The points of all servers, in order.
#[derive(Debug, Default)]
pub struct Ring(Vec<(u64, u32)>);

impl Ring {
    /// The ring of these servers.
    pub(crate) fn new<'a>(servers: impl Iterator<Item = &'a Server> + Clone) -> Self {
        let weights: u64 = servers.clone().map(|server| u64::from(server.weight)).sum();
        let unit = POINTS.min(MOST / weights.max(1)).max(1);
        let mut points = Vec::new();
        for (index, server) in servers.enumerate() {
            let count = (u64::from(server.weight) * unit).min(MOST);
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            points.extend((0..count).map(|at| (scatter(server.identity ^ scatter(at)), index)));
        }
        points.sort_unstable();
        Self(points)
    }

    /// The first server from the key's place on that is in question and within its bound; the first
    /// in question when all are above theirs.
    pub(crate) fn choose<'a>(
        &self,
        key: u64,
        server: impl Fn(usize) -> &'a Server,
        (count, now, slow_start): (usize, Duration, Duration),
        in_question: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let (mut load, mut shares) = (1, 0);
        for index in (0..count).filter(|index| in_question(*index)) {
            load += u64::from(server(index).in_flight());
            shares += server(index).share(now, slow_start);
        }
        let start = self.0.partition_point(|(point, _)| *point < key);
        let mut first = None;
        let (after, before) = (&self.0[start..], &self.0[..start]);
        for (_, index) in after.iter().chain(before) {
            let index = *index as usize;
            if !in_question(index) {
                continue;
            }
            first.get_or_insert(index);
            let own = u128::from(server(index).in_flight()) + 1;
            let share = u128::from(server(index).share(now, slow_start));
            // own <= ceil(1.25 * load * share / shares), without division.
            let room = u128::from(load) * share * u128::from(BOUND);
            if (own - 1) * u128::from(shares) * 100 < room {
                return Some(index);
            }
        }
        first
    }
}

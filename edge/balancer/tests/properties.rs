//! What holds of every pool, whatever has happened to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use zephyr_balancer::{Ask, OutlierConfig, Policy, Pool, Server, hash, scatter};

const SECOND: Duration = Duration::from_secs(1);
const POLICIES: [Policy; 4] = [
    Policy::P2c,
    Policy::LeastConnections,
    Policy::RingHash,
    Policy::RoundRobin,
];

fn pool(weights: &[u32], policy: Policy, outlier: Option<OutlierConfig>) -> Pool {
    let servers = weights
        .iter()
        .enumerate()
        .map(|(index, weight)| {
            let identity = hash(format!("10.0.0.{index}:80").as_bytes());
            Arc::new(Server::new(identity, *weight, None))
        })
        .collect();
    Pool::new(servers, policy, outlier, 30 * SECOND)
}

fn ask(number: u64, now: Duration) -> Ask<'static> {
    Ask {
        now,
        random: scatter(number),
        key: scatter(!number),
        avoid: &[],
    }
}

fn eager() -> OutlierConfig {
    OutlierConfig {
        consecutive_failures: 1,
        max_ejected_percent: 100,
        ..OutlierConfig::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_unusable_server_is_never_asked_while_another_is_usable(
        policy in prop::sample::select(&POLICIES[..]),
        servers in prop::collection::vec((1_u32..10, 0_u32..5, any::<bool>(), any::<bool>(), 0_u64..100), 1..12),
        tried in prop::collection::vec(0_usize..12, 0..4),
        number: u64,
    ) {
        let weights: Vec<u32> = servers.iter().map(|server| server.0).collect();
        let pool = pool(&weights, policy, Some(eager()));
        for (server, (_, in_flight, healthy, good, millis)) in pool.servers().iter().zip(&servers) {
            (0..*in_flight).for_each(|_| server.enter());
            server.set_healthy(*healthy, SECOND);
            server.latency.observe(Duration::from_millis(*millis), SECOND);
            pool.record(server, *good, SECOND);
        }
        let now = 2 * SECOND;
        let usable = |index: usize| pool.servers()[index].is_usable(now);
        let any_usable = (0..servers.len()).any(usable);
        let mut question = ask(number, now);
        question.avoid = &tried;
        match pool.pick(&question) {
            Some(index) => {
                prop_assert!(!tried.contains(&index));
                prop_assert!(usable(index) || !any_usable || servers.len() == 1);
            }
            None => {
                let left = (0..servers.len()).filter(|index| !tried.contains(index));
                let mut left = left.filter(|index| usable(*index) || !any_usable);
                prop_assert!(servers.len() == 1 && !tried.is_empty() || left.next().is_none());
            }
        }
    }

    #[test]
    fn weights_are_met(weights in prop::collection::vec(1_u32..10, 2..6), seed: u64) {
        for (policy, tolerance) in [(Policy::RoundRobin, 0.001), (Policy::P2c, 0.05), (Policy::RingHash, 0.25)] {
            let pool = pool(&weights, policy, None);
            let mut asked = vec![0_u32; weights.len()];
            let rounds = 6_000;
            for round in 0..rounds {
                let index = pool.pick(&ask(seed.wrapping_add(round), SECOND)).unwrap();
                asked[index] += 1;
            }
            let sum: u32 = weights.iter().sum();
            for (weight, asked) in weights.iter().zip(asked) {
                let share = f64::from(asked) / rounds as f64;
                let due = f64::from(*weight) / f64::from(sum);
                prop_assert!((share - due).abs() < tolerance, "{policy:?} {weights:?}: {share} for {due}");
            }
        }
    }

    #[test]
    fn fewest_requests_for_its_weight(loads in prop::collection::vec((1_u32..5, 0_u32..20), 2..8), number: u64) {
        let weights: Vec<u32> = loads.iter().map(|load| load.0).collect();
        let pool = pool(&weights, Policy::LeastConnections, None);
        for (server, load) in pool.servers().iter().zip(&loads) {
            (0..load.1).for_each(|_| server.enter());
        }
        let cost = |index: usize| f64::from(loads[index].1 + 1) / f64::from(loads[index].0);
        let picked = pool.pick(&ask(number, SECOND)).unwrap();
        let least = (0..loads.len()).map(cost).fold(f64::MAX, f64::min);
        prop_assert!((cost(picked) - least).abs() < 0.01);
    }

    #[test]
    fn a_ring_keeps_most_keys_when_a_server_goes(count in 3_usize..12, gone in 0_usize..12) {
        let gone = gone % count;
        let all = pool(&vec![1; count], Policy::RingHash, None);
        let servers = all.servers().iter().enumerate().filter(|(at, _)| *at != gone);
        let left: Vec<(usize, Arc<Server>)> = servers.map(|(at, server)| (at, Arc::clone(server))).collect();
        let fewer = Pool::new(left.iter().map(|(_, server)| Arc::clone(server)).collect(), Policy::RingHash, None, SECOND);
        let mut moved = 0;
        let keys = 4_000;
        for key in 0..keys {
            let before = all.pick(&ask(key, SECOND)).unwrap();
            let after = left[fewer.pick(&ask(key, SECOND)).unwrap()].0;
            // Only what was with the server that went has another one now.
            prop_assert!(before == after || before == gone);
            moved += u64::from(before != after);
        }
        let share = moved as f64 * count as f64 / keys as f64;
        prop_assert!((0.5..1.6).contains(&share), "{moved} of {keys} keys with {count} servers");
    }

    #[test]
    fn a_ring_bounds_loads(count in 2_usize..8, requests in 1_u32..400) {
        let pool = pool(&vec![1; count], Policy::RingHash, None);
        let mut one_key = ask(7, SECOND);
        one_key.key = 42;
        for _ in 0..requests {
            let index = pool.pick(&one_key).unwrap();
            pool.servers()[index].enter();
        }
        let bound = (1.25 * f64::from(requests) / count as f64).ceil() as u32 + 1;
        for server in pool.servers() {
            prop_assert!(server.in_flight() <= bound, "{} above {bound}", server.in_flight());
        }
    }

    #[test]
    fn no_more_than_the_part_that_may_be_is_put_out(count in 1_usize..20, percent in 0_u32..=100) {
        let config = OutlierConfig { max_ejected_percent: percent, ..eager() };
        let pool = pool(&vec![1; count], Policy::P2c, Some(config));
        for server in pool.servers() {
            pool.record(server, false, SECOND);
        }
        let out = pool.servers().iter().filter(|server| server.is_ejected(SECOND)).count();
        prop_assert_eq!(out, count * percent as usize / 100);
    }
}

#[test]
fn the_faster_server_is_asked_more() {
    let pool = pool(&[1, 1], Policy::P2c, None);
    pool.servers()[0]
        .latency
        .observe(Duration::from_millis(100), SECOND);
    pool.servers()[1]
        .latency
        .observe(Duration::from_millis(1), SECOND);
    let mut asked: HashMap<usize, u32> = HashMap::new();
    for number in 0..1000 {
        *asked
            .entry(pool.pick(&ask(number, SECOND)).unwrap())
            .or_default() += 1;
    }
    assert_eq!(asked.get(&1), Some(&1000));
    // A minute later nobody knows any more how slow it was, and it is tried again.
    pool.servers()[1]
        .latency
        .observe(Duration::from_millis(1), 120 * SECOND);
    let again = (0..100).any(|number| pool.pick(&ask(number, 120 * SECOND)) == Some(0));
    assert!(again);
}

#[test]
fn a_server_is_out_longer_each_time() {
    let config = OutlierConfig {
        consecutive_failures: 2,
        ..OutlierConfig::default()
    };
    let pool = pool(&[1, 1], Policy::P2c, Some(config));
    let server = &pool.servers()[0];
    assert!(!pool.record(server, false, SECOND));
    assert!(!pool.record(server, true, SECOND));
    assert!(!pool.record(server, false, SECOND));
    assert!(pool.record(server, false, SECOND));
    assert!(server.is_ejected(10 * SECOND) && !server.is_ejected(11 * SECOND));
    pool.record(server, false, 11 * SECOND);
    assert!(pool.record(server, false, 11 * SECOND));
    assert!(server.is_ejected(30 * SECOND) && !server.is_ejected(31 * SECOND));
    assert_eq!(server.ejections(), 2);
}

#[test]
fn a_server_that_fails_more_than_the_others_is_put_out() {
    let config = OutlierConfig {
        consecutive_failures: 0,
        ..OutlierConfig::default()
    };
    let pool = pool(&[1, 1, 1], Policy::P2c, Some(config));
    let feed = |bad: &dyn Fn(usize, u32) -> bool| {
        for (index, server) in pool.servers().iter().enumerate() {
            for request in 0..30 {
                pool.record(server, !bad(index, request), SECOND);
            }
        }
    };
    feed(&|index, request| index == 1 && request % 3 != 0);
    assert_eq!(pool.look(SECOND), 1);
    assert!(pool.servers()[1].is_ejected(SECOND));
    // When all fail alike it is not the server.
    feed(&|_, request| request % 3 != 0);
    assert_eq!(pool.look(20 * SECOND), 0);
}

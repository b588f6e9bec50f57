//! The memory tier keeps more of what is asked for than an LRU of the same bytes.

#![expect(unreachable_pub, reason = "the trace is an example's module too")]

#[path = "../examples/zipf/trace.rs"]
mod trace;

#[test]
fn it_is_above_that_of_an_lru() {
    for alpha in [0.8, 1.0] {
        for percent in [5, 10] {
            let (ours, lru) = trace::compare(10_000, 200_000, alpha, percent);
            let gain = ours.requests - lru.requests;
            assert!(
                gain > 0.02,
                "Zipf {alpha}, {percent} %: {ours:?} against {lru:?}"
            );
            assert!(
                ours.bytes > lru.bytes,
                "Zipf {alpha}, {percent} %: {ours:?} against {lru:?}"
            );
        }
    }
}

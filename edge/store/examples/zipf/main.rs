//! Prints the hit ratio of the memory tier beside that of an LRU of the same bytes.
//!
//! `cargo run -p zephyr-store --example zipf`

#![expect(clippy::print_stdout, reason = "it is what it is for")]
#![expect(unreachable_pub, reason = "the trace is a test's module too")]

mod trace;

fn main() {
    println!(
        "| objects asked for by | cache | S3-FIFO: requests | bytes | LRU: requests | bytes |"
    );
    println!("|---|---|---|---|---|---|");
    for alpha in [0.8, 1.0] {
        for percent in [5, 10] {
            let (ours, lru) = trace::compare(100_000, 2_000_000, alpha, percent);
            println!(
                "| Zipf {alpha:.1} | {percent} % | {:.1} % | {:.1} % | {:.1} % | {:.1} % |",
                ours.requests * 100.0,
                ours.bytes * 100.0,
                lru.requests * 100.0,
                lru.bytes * 100.0
            );
        }
    }
}

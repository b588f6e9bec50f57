//! Progress lines on standard error: what is being done, and how long it took.

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Prints one line with the time since the start.
pub(crate) fn line(text: &str) {
    let elapsed = START.elapsed().as_secs_f64();
    // A closed standard error must not end a build.
    let _ = writeln!(std::io::stderr().lock(), "[{elapsed:6.1}s] {text}");
}

/// Runs `work` between two lines that name it; the second says how long it took.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
    line(name);
    let start = Instant::now();
    let outcome = work();
    let took = seconds(start.elapsed());
    match &outcome {
        Ok(_) => line(&format!("{name}: done in {took}")),
        Err(_) => line(&format!("{name}: FAILED after {took}")),
    }
    outcome
}

/// A duration as people read it: `0.4 s`, `75 s`, `3 min 5 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    let whole = duration.as_secs();
    match whole {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..120 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(75)), "75 s");
        assert_eq!(seconds(Duration::from_secs(185)), "3 min 5 s");
    }

    #[test]
    fn a_step_passes_its_outcome_on() {
        assert_eq!(step("adding", || Ok(2)).unwrap(), 2);
        let failed = step("failing", || anyhow::bail!("no")).map(|()| 0);
        assert_eq!(failed.unwrap_err().to_string(), "no");
    }
}

//! The load generator, and what it prints.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::cpu;
use super::placement::Placement;
use super::statistics::median;
use crate::process;

/// How load is put on.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) wrk: &'a Path,
    pub(crate) placement: &'a Placement,
    pub(crate) duration: Duration,
    pub(crate) connections: u32,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Answers in all.
    pub(crate) requests: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Processor time of the server for one request. Other work on the machine hardly shows in it.
    pub(crate) cpu_us: f64,
}

impl Load<'_> {
    /// Puts load on one address. Any answer that is not a success is an error: a server that
    /// refuses is fast.
    pub(crate) fn run(
        &self,
        url: &str,
        header: Option<&str>,
        server: u32,
    ) -> anyhow::Result<Measured> {
        let mut command = self.placement.load(self.wrk);
        command.args(["--threads", "1", "--latency", "--timeout", "10s"]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{}s", self.duration.as_secs())]);
        if let Some(header) = header {
            command.args(["--header", header]);
        }
        let limit = self.duration + Duration::from_secs(60);
        let before = cpu::spent(server)?;
        let text = process::run_bounded(command.arg(url), limit)?;
        let spent = cpu::spent(server)?.saturating_sub(before);
        let mut measured = parse(&text).with_context(|| format!("wrk printed:\n{text}"))?;
        measured.cpu_us = spent.as_secs_f64() * 1e6 / measured.requests;
        Ok(measured)
    }
}

impl Measured {
    /// The median of each figure by itself.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(&runs.iter().map(figure).collect::<Vec<_>>());
        Self {
            requests: of(|run| run.requests),
            cpu_us: of(|run| run.cpu_us),
            requests_per_second: of(|run| run.requests_per_second),
            p50_us: of(|run| run.p50_us),
            p99_us: of(|run| run.p99_us),
        }
    }
}

fn parse(text: &str) -> anyhow::Result<Measured> {
    let after = |start: &str| {
        text.lines()
            .find_map(|line| line.trim_start().strip_prefix(start))
            .map(str::trim)
            .with_context(|| format!("no line `{start}`"))
    };
    for trouble in ["Non-2xx or 3xx responses:", "Socket errors:"] {
        if let Ok(count) = after(trouble) {
            anyhow::bail!("{trouble} {count}");
        }
    }
    let requests_per_second: f64 = after("Requests/sec:")?.parse()?;
    anyhow::ensure!(requests_per_second > 0.0, "no request was answered");
    let requests = text
        .lines()
        .find_map(|line| line.trim_start().split_once(" requests in "))
        .context("no line `... requests in ...`")?
        .0
        .parse()?;
    Ok(Measured {
        requests,
        cpu_us: 0.0,
        requests_per_second,
        p50_us: microseconds(after("50%")?)?,
        p99_us: microseconds(after("99%")?)?,
    })
}

/// A time as wrk writes it: `850.00us`, `1.25ms`, `2.00s`, `1.50m`.
fn microseconds(text: &str) -> anyhow::Result<f64> {
    for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 6e7)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number
                .parse::<f64>()
                .with_context(|| format!("the time {text:?}"))?
                * factor);
        }
    }
    anyhow::bail!("the time {text:?} has no unit")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 2s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   459.72us  120.01us   4.30ms   90.11%
    Req/Sec    69.57k     3.45k   74.44k    80.00%
  Latency Distribution
     50%  448.00us
     75%  478.00us
     90%  514.00us
     99%    1.25ms
  138437 requests in 2.00s, 174.27MB read
Requests/sec:  69213.42
Transfer/sec:     87.13MB
";

    #[test]
    fn what_wrk_prints_is_read() {
        let expected = Measured {
            requests: 138_437.0,
            cpu_us: 0.0,
            requests_per_second: 69213.42,
            p50_us: 448.0,
            p99_us: 1250.0,
        };
        assert_eq!(parse(PRINTED).unwrap(), expected);
    }

    #[test]
    fn failures_are_no_figures() {
        let failed = format!("{PRINTED}  Non-2xx or 3xx responses: 138437\n");
        assert_eq!(
            parse(&failed).unwrap_err().to_string(),
            "Non-2xx or 3xx responses: 138437"
        );
        let errors = format!("{PRINTED}  Socket errors: connect 0, read 3, write 0, timeout 0\n");
        assert!(
            parse(&errors)
                .unwrap_err()
                .to_string()
                .starts_with("Socket errors: connect 0")
        );
        assert!(parse("").is_err());
        assert!(parse(&PRINTED.replace("69213.42", "0.00")).is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(microseconds("2.00s").unwrap(), 2e6);
        assert_eq!(microseconds("1.50m").unwrap(), 9e7);
        assert!(microseconds("12").is_err());
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |a, b, c| Measured {
            requests: a,
            cpu_us: b,
            requests_per_second: a,
            p50_us: b,
            p99_us: c,
        };
        let runs = [run(1.0, 9.0, 5.0), run(2.0, 8.0, 7.0), run(3.0, 7.0, 6.0)];
        assert_eq!(Measured::median(&runs), run(2.0, 8.0, 6.0));
    }
}

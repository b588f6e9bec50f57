//! The load generator of HTTP/1.1, and what it prints.

use anyhow::Context as _;

use super::super::case::Case;
use super::{Load, Measured};
use crate::process;

impl Load<'_> {
    pub(super) fn wrk(&self, case: &Case, url: &str) -> anyhow::Result<Measured> {
        let mut command = self.placement.load(&self.tools.wrk);
        command.args(["--threads", "1", "--latency", "--timeout", "60s"]);
        command.args(["--connections", &self.connections(case).to_string()]);
        command.args(["--duration", &format!("{}s", self.duration.as_secs())]);
        if let Some(header) = &case.header {
            command.args(["--header", header]);
        }
        let text = process::run_bounded(command.arg(url), self.limit())?;
        parse(&text).with_context(|| format!("wrk printed:\n{text}"))
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
}

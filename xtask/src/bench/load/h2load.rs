//! The load generator of HTTP/2, what it prints, and what it logs.

use anyhow::Context as _;

use super::super::statistics::percentile;
use super::{Load, Measured};
use crate::process;

/// Requests under way on one connection: what the version is for.
const STREAMS: u32 = 4;

impl Load<'_> {
    /// With as many requests under way as over HTTP/1.1, on fewer connections.
    pub(super) fn h2load(&self, url: &str) -> anyhow::Result<Measured> {
        let log = self.folder.join("h2load.log");
        // Or it would be added to.
        if log.exists() {
            std::fs::remove_file(&log).with_context(|| format!("removing {}", log.display()))?;
        }
        let mut command = self.placement.load(&self.tools.h2load);
        command.args(["--threads=1", "--npn-list=h2"]);
        command.arg(format!("--clients={}", (self.connections / STREAMS).max(1)));
        command.arg(format!("--max-concurrent-streams={STREAMS}"));
        command.arg(format!("--duration={}", self.duration.as_secs()));
        command.arg(format!("--log-file={}", log.display()));
        let text = process::run_bounded(command.arg(url), self.limit())?;
        let logged =
            std::fs::read_to_string(&log).with_context(|| format!("reading {}", log.display()))?;
        parse(&text, &logged).with_context(|| format!("h2load printed:\n{text}"))
    }
}

fn parse(text: &str, logged: &str) -> anyhow::Result<Measured> {
    let line = |start: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(start))
            .map(str::trim)
            .with_context(|| format!("no line `{start}`"))
    };
    let protocol = line("Application protocol:")?;
    anyhow::ensure!(protocol == "h2", "the protocol is {protocol}");
    let version = line("TLS Protocol:")?;
    anyhow::ensure!(version == "TLSv1.3", "TLS is {version}");

    let rate = line("finished in")?
        .split(", ")
        .find_map(|part| part.strip_suffix(" req/s"))
        .context("no `req/s`")?
        .parse()?;
    let counts = line("requests:")?;
    let codes = line("status codes:")?;
    let done = count(counts, "done")?;
    anyhow::ensure!(done > 0, "no request was answered");
    anyhow::ensure!(
        count(counts, "succeeded")? == done && count(codes, "2xx")? == done,
        "not all of {done} answers are successes: {counts}; {codes}"
    );
    let times = times(logged)?;
    Ok(Measured {
        requests: f64::from(done),
        cpu_us: 0.0,
        requests_per_second: rate,
        p50_us: percentile(&times, 50.0),
        p99_us: percentile(&times, 99.0),
    })
}

/// The number before a word: 7 of `9 total, 7 done`.
fn count(text: &str, word: &str) -> anyhow::Result<u32> {
    text.split(", ")
        .find_map(|part| part.strip_suffix(word)?.trim().parse().ok())
        .with_context(|| format!("no count of `{word}` in `{text}`"))
}

/// How long each request took, in microseconds: the third column.
fn times(logged: &str) -> anyhow::Result<Vec<f64>> {
    let times: Option<Vec<f64>> = logged
        .lines()
        .map(|line| line.split('\t').nth(2)?.parse().ok())
        .collect();
    let times = times.context("the log has a line without a time")?;
    anyhow::ensure!(!times.is_empty(), "the log is empty");
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "starting benchmark...
spawning thread #0: 8 total client(s). Timing-based test with 0s of warm-up time and 1s of main duration for measurements.
progress: 100% of clients started
TLS Protocol: TLSv1.3
Cipher: TLS_AES_128_GCM_SHA256
Server Temp Key: X25519 253 bits
Application protocol: h2
Stopped all clients for thread #0

finished in 1.02s, 25895.50 req/s, 1.75MB/s
requests: 25895 total, 25927 started, 25895 done, 25895 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 25895 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 1.75MB (1838937) total, 1.19MB (1242960) headers (space savings 51.02%), 126.44KB (129475) data
                     min         max         mean         sd        +/- sd
time for request:      121us      6.51ms       781us       898us    92.35%
req/s           :    3104.81     3391.38     3222.39      106.82    50.00%
";

    const LOGGED: &str = "1795535883953413\t200\t1419\n1795535883953414\t200\t1482\n";

    #[test]
    fn what_h2load_prints_and_logs_is_read() {
        let expected = Measured {
            requests: 25895.0,
            cpu_us: 0.0,
            requests_per_second: 25895.5,
            p50_us: 1419.0,
            p99_us: 1482.0,
        };
        assert_eq!(parse(PRINTED, LOGGED).unwrap(), expected);
    }

    #[test]
    fn failures_are_no_figures() {
        let wrong = |from: &str, to: &str| {
            let text = PRINTED.replace(from, to);
            assert_ne!(text, PRINTED);
            parse(&text, LOGGED).unwrap_err().to_string()
        };
        assert_eq!(
            wrong("protocol: h2", "protocol: http/1.1"),
            "the protocol is http/1.1"
        );
        assert_eq!(wrong("TLSv1.3", "TLSv1.2"), "TLS is TLSv1.2");
        assert!(
            wrong("25895 2xx, 0 3xx, 0 4xx, 0", "25890 2xx, 0 3xx, 0 4xx, 5").contains("not all")
        );
        assert!(wrong("25895 succeeded", "25894 succeeded").contains("not all"));
        assert!(wrong("25895 done", "0 done").contains("no request"));
        assert!(parse("", LOGGED).is_err());
        assert!(parse(PRINTED, "").is_err());
        assert!(parse(PRINTED, "1\t200\n").is_err());
    }
}

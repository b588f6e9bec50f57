//! Putting load on one case, and the figures that come of it.

mod h2load;
mod wrk;

use std::path::Path;
use std::time::Duration;

use super::case::{Address, Case, Protocol};
use super::cpu;
use super::placement::Placement;
use super::statistics::median;
use super::tools::Tools;

/// Large bodies are asked for on fewer connections: what is under way when the time is up is in
/// the processor time, but not among the answers.
const CONNECTIONS_FOR_LARGE: u32 = 8;

/// How load is put on.
#[derive(Debug)]
pub(crate) struct Load<'a> {
    pub(crate) tools: &'a Tools,
    pub(crate) placement: &'a Placement,
    /// For what the generators write.
    pub(crate) folder: &'a Path,
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
    /// Puts load on one case. Any answer that is not a success is an error: a server that refuses
    /// is fast.
    pub(crate) fn run(&self, case: &Case, server: &Address) -> anyhow::Result<Measured> {
        let url = case.url(server)?;
        let before = cpu::spent(server.pid)?;
        let mut measured = match case.protocol {
            Protocol::Http1 | Protocol::Tls => self.wrk(case, &url)?,
            Protocol::Http2 => self.h2load(&url)?,
        };
        let spent = cpu::spent(server.pid)?.saturating_sub(before);
        measured.cpu_us = spent.as_secs_f64() * 1e6 / measured.requests;
        Ok(measured)
    }

    fn connections(&self, case: &Case) -> u32 {
        match case.body() {
            Some(body) if body.is_large() => self.connections.min(CONNECTIONS_FOR_LARGE),
            _ => self.connections,
        }
    }

    /// How long a generator may take.
    fn limit(&self) -> Duration {
        self.duration + Duration::from_secs(90)
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

#[cfg(test)]
mod tests {
    use super::*;

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

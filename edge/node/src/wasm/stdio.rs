//! Where a guest's standard output and error go: into the node's log, at debug, within a budget.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Lines that one call may write to the log, by itself and through standard output.
const LINES_PER_CALL: u32 = 32;
/// The longest line, in bytes.
pub(super) const MAX_LINE: usize = 1024;

/// How many lines a call may still write.
#[derive(Clone, Debug, Default)]
pub(super) struct LogBudget(Arc<AtomicU32>);

impl LogBudget {
    /// A new call begins.
    pub(super) fn renew(&self) {
        self.0.store(LINES_PER_CALL, Relaxed);
    }

    /// Whether one more line may be written. `last` is told when the budget ends with this one.
    pub(super) fn spend(&self, last: impl FnOnce()) -> bool {
        let left = self.0.load(Relaxed);
        if left == 0 {
            return false;
        }
        self.0.store(left - 1, Relaxed);
        if left == 1 {
            last();
        }
        true
    }
}

/// A line within its bound, cut between two characters.
pub(super) fn cut(line: &str) -> &str {
    &line[..line.floor_char_boundary(MAX_LINE)]
}

/// Standard output or standard error of a guest.
#[derive(Clone, Debug)]
pub(super) struct LogStream {
    pub(super) component: Arc<str>,
    pub(super) stream: &'static str,
    pub(super) budget: LogBudget,
}

impl LogStream {
    fn log(&self, bytes: &[u8]) {
        for line in bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let component = &*self.component;
            let last = || tracing::debug!(component, "No more lines of this call are logged");
            if !self.budget.spend(last) {
                return;
            }
            let line = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]);
            tracing::debug!(component, stream = self.stream, "{}", cut(&line));
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.log(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "é".repeat(MAX_LINE);
        assert_eq!(cut(&long).len(), MAX_LINE);
        let odd = format!("a{long}");
        assert_eq!(cut(&odd).len(), MAX_LINE - 1);
    }

    #[test]
    fn the_budget_ends_and_says_so_once() {
        let budget = LogBudget::default();
        assert!(!budget.spend(|| {}));
        budget.renew();
        let mut ends = 0;
        let lines = (0..100).filter(|_| budget.spend(|| ends += 1)).count();
        assert_eq!((lines, ends), (LINES_PER_CALL as usize, 1));
    }
}

//! The access log: one JSON line a request on standard output. A worker gathers lines in memory and
//! hands them over in blocks, so no request waits for the terminal or the disk; when nobody takes
//! them, they are dropped and counted.

mod entry;

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

pub(crate) use entry::Entry;

/// A block is handed over when it is this large, and every second.
const BLOCK: usize = 32 * 1024;
/// Blocks that may wait to be written.
const WAITING: usize = 256;

/// Where workers send their blocks.
#[derive(Clone, Debug)]
pub(crate) struct Sender(SyncSender<Vec<u8>>);

/// The thread that writes. It ends when all senders are gone and all is written.
#[derive(Debug)]
pub(crate) struct Writer(JoinHandle<()>);

/// Starts the thread that writes to `out`.
pub(crate) fn start(out: impl Write + Send + 'static) -> std::io::Result<(Sender, Writer)> {
    let (sender, receiver) = sync_channel(WAITING);
    let thread = std::thread::Builder::new()
        .name("zephyr-access-log".into())
        .spawn(move || write_all(&receiver, out))?;
    Ok((Sender(sender), Writer(thread)))
}

fn write_all(blocks: &Receiver<Vec<u8>>, mut out: impl Write) {
    let mut failing = false;
    for block in blocks {
        let result = out.write_all(&block).and_then(|()| out.flush());
        if let Err(error) = &result
            && !failing
        {
            tracing::error!(%error, "the access log cannot be written");
        }
        failing = result.is_err();
    }
}

impl Writer {
    /// Waits until all is written.
    pub(crate) fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the access log's thread panicked");
        }
    }
}

/// The lines that one worker has not handed over yet.
#[derive(Debug)]
pub(crate) struct Lines {
    sender: Sender,
    block: Vec<u8>,
    count: u64,
}

impl Lines {
    pub(crate) fn new(sender: Sender) -> Self {
        Self {
            sender,
            block: Vec::with_capacity(BLOCK + 1024),
            count: 0,
        }
    }

    /// Adds a line; says how many were dropped.
    pub(crate) fn add(&mut self, entry: &Entry<'_>) -> u64 {
        entry.write(&mut self.block);
        self.count += 1;
        if self.block.len() >= BLOCK {
            self.hand_over()
        } else {
            0
        }
    }

    /// Hands over what there is; says how many lines were dropped.
    pub(crate) fn hand_over(&mut self) -> u64 {
        if self.block.is_empty() {
            return 0;
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK + 1024));
        let count = std::mem::take(&mut self.count);
        match self.sender.0.try_send(block) {
            Ok(()) => 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => count,
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, MutexGuard};

    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_when_the_worker_ends() {
        let out = Out::default();
        let (sender, writer) = start(out.clone()).unwrap();
        let mut lines = Lines::new(sender);
        for _ in 0..1000 {
            assert_eq!(lines.add(&Entry::example()), 0);
        }
        drop(lines);
        writer.join();
        let written: MutexGuard<'_, Vec<u8>> = out.0.lock().unwrap();
        assert_eq!(written.split(|byte| *byte == b'\n').count(), 1001);
    }

    /// Blocks until it is let go: a terminal that nobody reads.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_dropped_and_counted_when_nobody_takes_them() {
        let (go, stuck) = std::sync::mpsc::channel();
        let (sender, writer) = start(Stuck(stuck)).unwrap();
        let mut lines = Lines::new(sender);
        let dropped: u64 = (0..WAITING + 2)
            .map(|_| {
                lines.add(&Entry::example());
                lines.hand_over()
            })
            .sum();
        assert!(dropped >= 1, "{dropped}");
        drop(go);
        drop(lines);
        writer.join();
    }
}

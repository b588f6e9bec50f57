//! Threads that wait for the disk, so that the threads of requests do not.
//!
//! What the kernel has in memory is read on the spot (`preadv2` with `RWF_NOWAIT`): a hop to another
//! thread and back costs more than copying 64 KiB. io_uring would save the hop for the rest; it needs
//! one ring for each runtime, is forbidden in many containers, and what it saves is little beside the
//! disk's own time, so it is not used.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::buffers::{Buffer, Buffers};
use super::file::DataFile;
use super::read::ReadError;

/// More reads than this do not wait: the disk is too slow for what is asked of it.
const MAX_WAITING: usize = 4096;

/// The threads.
#[derive(Debug)]
pub(super) struct Pool {
    desk: Arc<Desk>,
    buffers: Arc<Buffers>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closing: bool,
}

#[derive(Debug)]
struct Job {
    file: Arc<DataFile>,
    at: u64,
    buffer: Buffer,
    reply: oneshot::Sender<io::Result<Buffer>>,
}

impl Pool {
    /// `size`: what is read at once at most.
    pub(super) fn start(threads: usize, size: usize) -> io::Result<Self> {
        let desk = Arc::new(Desk::default());
        let start = |number| {
            let desk = Arc::clone(&desk);
            let thread = std::thread::Builder::new().name(format!("zephyr-read-{number}"));
            thread.spawn(move || desk.work())
        };
        let threads = (0..threads.max(1)).map(start).collect::<io::Result<_>>()?;
        Ok(Self {
            desk,
            buffers: Buffers::new(size),
            threads,
        })
    }

    /// Reads bytes of a file.
    pub(super) fn read(
        &self,
        file: Arc<DataFile>,
        at: u64,
        length: usize,
    ) -> impl Future<Output = Result<Buffer, ReadError>> + Send + 'static {
        let mut buffer = self.buffers.take(length);
        let now = match file.read_now(at, buffer.bytes_mut()) {
            true => Ok(buffer),
            false => Err(self.ask(file, at, buffer)),
        };
        async move {
            match now {
                Ok(buffer) => Ok(buffer),
                Err(Some(reply)) => match reply.await {
                    Ok(read) => read.map_err(ReadError::Io),
                    Err(_) => Err(ReadError::Gone),
                },
                Err(None) => Err(ReadError::Busy),
            }
        }
    }

    fn ask(
        &self,
        file: Arc<DataFile>,
        at: u64,
        buffer: Buffer,
    ) -> Option<oneshot::Receiver<io::Result<Buffer>>> {
        let (reply, answer) = oneshot::channel();
        let mut queue = self.desk.queue.lock();
        if queue.jobs.len() >= MAX_WAITING || queue.closing {
            return None;
        }
        queue.jobs.push_back(Job {
            file,
            at,
            buffer,
            reply,
        });
        drop(queue);
        self.desk.news.notify_one();
        Some(answer)
    }
}

impl Desk {
    fn work(&self) {
        loop {
            let mut queue = self.queue.lock();
            let mut job = loop {
                if let Some(job) = queue.jobs.pop_front() {
                    break job;
                }
                if queue.closing {
                    return;
                }
                self.news.wait(&mut queue);
            };
            drop(queue);
            if !job.reply.is_closed() {
                let read = job.file.read_into(job.at, job.buffer.bytes_mut());
                // Nobody may wait any more.
                let _ = job.reply.send(read.map(|()| job.buffer));
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.desk.queue.lock().closing = true;
        self.desk.news.notify_all();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader of the cache's disk ended in a panic");
            }
        }
    }
}

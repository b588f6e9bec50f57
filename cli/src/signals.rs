//! The signals that ask a process for something.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Caught from the moment it is made, so that a signal during a start is not lost.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over from the system, which would end the process at once.
    pub(crate) fn catch() -> anyhow::Result<Signals> {
        let catch = |kind| signal(kind).context("could not catch signals");
        Ok(Signals {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one, and says what it was.
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.hang_up.recv() => "SIGHUP",
        }
    }
}

/// What an edge node is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// To stop; says by what.
    Stop(&'static str),
    /// To read its configuration again: SIGHUP.
    Reload,
    /// To start the program anew and hand its sockets over: SIGUSR2.
    Restart,
}

/// The signals of an edge node, caught from the moment it is made.
#[derive(Debug)]
pub(crate) struct EdgeSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    user: Signal,
}

impl EdgeSignals {
    pub(crate) fn catch() -> anyhow::Result<EdgeSignals> {
        let catch = |kind| signal(kind).context("could not catch signals");
        Ok(EdgeSignals {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hang_up: catch(SignalKind::hangup())?,
            user: catch(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop("Ctrl-C"),
            _ = self.terminate.recv() => Request::Stop("SIGTERM"),
            _ = self.hang_up.recv() => Request::Reload,
            _ = self.user.recv() => Request::Restart,
        }
    }

    /// Waits for the next one that asks to stop, and says what it was.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            if let Request::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}

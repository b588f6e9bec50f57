//! Processes that live and die together.
//!
//! Each child leads a process group of its own, so that Ctrl-C reaches us alone and the order of
//! the end is ours: the last started goes first, and what it started goes with it. Should we be
//! killed, the kernel asks the children to end (`setpriv --pdeathsig`, where there is one).

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::process::{self, Failed};
use crate::progress;

/// How long a child may take to end after it was asked to; PostgreSQL writes its memory then.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How often we look after the children and for a signal.
const LOOK: Duration = Duration::from_millis(100);

/// Children, and whether a signal asks to stop them. They are stopped when this is dropped.
#[derive(Debug)]
pub(super) struct Children {
    running: Vec<Running>,
    signal: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    child: Child,
}

impl Children {
    /// Takes the signals over from the system, which would end us at once.
    pub(super) fn new() -> anyhow::Result<Children> {
        let signal = Arc::new(AtomicBool::new(false));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(number, Arc::clone(&signal))
                .context("could not catch signals")?;
        }
        Ok(Children {
            running: Vec::new(),
            signal,
        })
    }

    pub(super) fn start(&mut self, name: &'static str, command: Command) -> anyhow::Result<()> {
        let program = command.get_program().display().to_string();
        let child = ending_with_us(command)
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {program}"))?;
        self.running.push(Running { name, child });
        Ok(())
    }

    /// Waits a moment and says whether a signal came. The error is that of a child that ended.
    pub(super) fn stopping(&mut self) -> anyhow::Result<bool> {
        std::thread::park_timeout(LOOK);
        if self.signal.load(Ordering::Relaxed) {
            return Ok(true);
        }
        for running in &mut self.running {
            if let Some(status) = running.child.try_wait()? {
                progress::line(&format!("{} ended by itself: {status}", running.name));
                return Err(Failed {
                    command: running.name.to_owned(),
                    code: code(status),
                }
                .into());
            }
        }
        Ok(false)
    }

    /// Waits for a signal, or for the first child that ends.
    pub(super) fn wait(&mut self) -> anyhow::Result<()> {
        while !self.stopping()? {}
        Ok(())
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        while let Some(mut running) = self.running.pop() {
            progress::line(&format!("stopping {}", running.name));
            stop(&mut running.child);
        }
    }
}

/// Asks, waits, and then ends the whole group: also what the child may have left behind.
fn stop(child: &mut Child) {
    let group = format!("-{}", child.id());
    let signal = |name: &str| {
        // A group that is gone is what we want, so no failure and no message.
        let _ = Command::new("kill")
            .args([name, "--", &group])
            .stderr(Stdio::null())
            .status();
    };
    let deadline = Instant::now() + STOP_LIMIT;
    if matches!(child.try_wait(), Ok(None)) {
        signal("-TERM");
    }
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::park_timeout(LOOK);
    }
    signal("-KILL");
    let _ = child.wait();
}

/// The same command, started so that the kernel ends it with us.
fn ending_with_us(command: Command) -> Command {
    if !process::exists("setpriv") {
        return command;
    }
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "TERM", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// A child that ends by itself is a failure, also where it calls that a success.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    match code.and_then(|code| u8::try_from(code).ok()) {
        Some(0) | None => 1,
        Some(code) => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_first_that_ends_ends_all_with_its_code() {
        let mut children = Children::new().unwrap();
        children.start("one", shell("sleep 600")).unwrap();
        children.start("two", shell("exit 7")).unwrap();
        let error = children.wait().unwrap_err();
        assert_eq!(error.downcast_ref::<Failed>().unwrap().code, 7);
        let first = children.running[0].child.id();
        drop(children);
        ends(first);
    }

    #[test]
    fn what_a_child_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut children = Children::new().unwrap();
        let script = format!("sleep 600 & echo $! > '{}'; exit 0", file.display());
        children.start("one", shell(&script)).unwrap();
        children.wait().unwrap_err();
        let below: u32 = std::fs::read_to_string(&file)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        drop(children);
        ends(below);
    }

    #[test]
    fn a_signal_stops() {
        let mut children = Children::new().unwrap();
        children.start("one", shell("sleep 600")).unwrap();
        children.signal.store(true, Ordering::Relaxed);
        children.wait().unwrap();
    }

    /// The kernel takes a moment to end what it was told to end.
    fn ends(pid: u32) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_alive(pid) {
            assert!(Instant::now() < deadline, "process {pid} was left over");
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// A zombie that nobody waits for counts as gone.
    fn is_alive(pid: u32) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
    }
}

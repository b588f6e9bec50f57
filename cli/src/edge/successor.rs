//! The process that takes this one's place: the same program, as it is on disk now, with the same
//! arguments.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;

/// What Linux appends to the path of a program whose file was replaced.
const REPLACED: &[u8] = b" (deleted)";

/// Variables with which systemd speaks to one process.
const OF_THIS_PROCESS: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// Starts it. It asks this process for its sockets when it is up; how it ends is logged.
pub(super) fn start() -> anyhow::Result<()> {
    let program = program(std::env::current_exe().context("where this program is")?);
    let mut command = Command::new(&program);
    command.args(arguments(std::env::args_os().skip(1)));
    for variable in OF_THIS_PROCESS {
        command.env_remove(variable);
    }
    let started = command.spawn();
    let mut child = started.with_context(|| format!("starting {}", program.display()))?;
    let pid = child.id();
    tracing::info!(pid, "process {pid} is to take over");
    let wait = move || match child.wait() {
        Ok(status) => tracing::error!(pid, "process {pid} has ended: {status}"),
        Err(error) => tracing::error!(%error, pid, "process {pid} cannot be waited for: {error}"),
    };
    std::thread::Builder::new()
        .name("zephyr-successor".into())
        .spawn(wait)
        .context("no thread to wait for it")?;
    Ok(())
}

fn program(running: PathBuf) -> PathBuf {
    let path = running.as_os_str().as_bytes();
    match path.strip_suffix(REPLACED) {
        Some(path) if !running.exists() => OsString::from_vec(path.to_vec()).into(),
        _ => running,
    }
}

fn arguments(mut all: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let flag = OsString::from("--takeover");
    let mut arguments: Vec<_> = all.by_ref().filter(|argument| *argument != flag).collect();
    arguments.push(flag);
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_given_once() {
        let given = |line: &[&str]| arguments(line.iter().map(OsString::from));
        let expected = ["edge", "--config", "a", "--takeover"].map(OsString::from);
        assert_eq!(given(&["edge", "--config", "a"]), expected);
        assert_eq!(given(&["edge", "--takeover", "--config", "a"]), expected);
    }

    #[test]
    fn a_replaced_program_is_found_where_it_was() {
        assert_eq!(
            program("/no/such/zephyr (deleted)".into()),
            PathBuf::from("/no/such/zephyr")
        );
        let here = std::env::current_exe().unwrap();
        assert_eq!(program(here.clone()), here);
    }
}

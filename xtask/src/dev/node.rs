//! The edge on our own node.
//!
//! The process is replaced, as cargo replaced itself by this one. So a whole development set-up is
//! one process with PostgreSQL below it, and a signal to it needs no forwarding.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use super::options::Options;
use crate::components;
use crate::workspace::Workspace;

/// Does not return but for an error.
pub(super) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    components::prepare(workspace, components::Product)?;
    super::build_zephyr(workspace)?;

    let mut command = Command::new(workspace.target.join("debug/zephyr"));
    command
        .arg("dev")
        // Parsed by the same code, so they can go on as they are.
        .args(without_host(std::env::args_os().skip(2)))
        .arg("--config")
        .arg(workspace.root.join("zephyr.toml"))
        .arg("--components")
        .arg(workspace.components());
    if options.data.is_none() {
        command.arg("--data").arg(workspace.root.join(".zephyr"));
    }
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", command.get_program().display()))
}

/// The arguments but for `--host`, which `zephyr dev` does not know.
fn without_host(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        if arg == "--host" {
            args.next();
        } else if !arg.as_encoded_bytes().starts_with(b"--host=") {
            kept.push(arg);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_does_not_go_on() {
        let args = |words: &[&str]| {
            let words = words.iter().map(OsString::from);
            without_host(words).join(&OsString::from(" "))
        };
        assert_eq!(args(&["--edges", "2"]), "--edges 2");
        assert_eq!(args(&["--host", "node", "--edges", "2"]), "--edges 2");
        assert_eq!(args(&["--no-seed", "--host=node"]), "--no-seed");
    }
}

//! `cargo xtask check`: the project's rules, as far as a program can verify them.
//!
//! All steps run, whatever fails; the failing ones are listed in the end. The quick ones come
//! first. What each step verifies:
//!
//! * `lock-file` -- `Cargo.lock` says what the manifests ask for.
//! * `layers` -- which crate may depend on which ([`layers`]).
//! * `purity` -- no driver at the edge, no I/O below the pure crates ([`purity`]).
//! * `modules` -- each file opens with `//!`, and none has a name that says nothing ([`modules`]).
//! * `format`, `clippy`, `guests` (clippy for what exists on their target only), `documentation`,
//!   `dependencies`.

mod layers;
mod modules;
mod purity;

use std::process::Command;

use anyhow::Context as _;

use crate::process::{self, Failed};
use crate::workspace::Workspace;
use crate::{components, progress, toolchain};

/// How a step ended that did not fail.
enum Outcome {
    Verified,
    /// What it needs is not on this machine.
    Skipped(String),
}

type Step = (&'static str, fn(&Workspace) -> anyhow::Result<Outcome>);

const STEPS: [Step; 9] = [
    ("lock-file", lock_file),
    ("layers", |workspace| {
        findings(layers::violations(workspace))
    }),
    ("purity", |workspace| {
        findings(purity::violations(workspace)?)
    }),
    ("modules", |workspace| {
        findings(modules::violations(&workspace.root)?)
    }),
    ("format", format),
    ("clippy", clippy),
    ("guests", clippy_for_guests),
    ("documentation", documentation),
    ("dependencies", dependencies),
];

/// Options of `cargo xtask check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these steps
    #[arg(value_name = "STEP", value_parser = STEPS.map(|(name, _)| name))]
    steps: Vec<String>,
}

/// Runs the steps, all of them by default; the error lists those that failed.
pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    let chosen = |name: &str| args.steps.is_empty() || args.steps.iter().any(|step| step == name);
    for (name, step) in STEPS.into_iter().filter(|(name, _)| chosen(name)) {
        let outcome = progress::step(name, || step(workspace));
        match outcome {
            Ok(Outcome::Verified) => {}
            Ok(Outcome::Skipped(why)) => progress::line(&format!("{name}: SKIPPED, {why}")),
            Err(error) => {
                for line in format!("{error:#}").lines() {
                    progress::line(&format!("  {line}"));
                }
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        progress::line("check: passed");
        return Ok(());
    }
    let command = format!("cargo xtask check ({})", failed.join(", "));
    Err(Failed { command, code: 1 }.into())
}

fn verified(command: &mut Command) -> anyhow::Result<Outcome> {
    process::run(command).map(|()| Outcome::Verified)
}

/// Turns what a checker found into a step's outcome.
fn findings(found: Vec<String>) -> anyhow::Result<Outcome> {
    anyhow::ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(Outcome::Verified)
}

fn lock_file(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut command = workspace.cargo();
    process::read(command.args(["metadata", "--locked", "--format-version=1"]))?;
    Ok(Outcome::Verified)
}

fn format(workspace: &Workspace) -> anyhow::Result<Outcome> {
    // `-l`: which files, and not what is different in each.
    process::run(
        workspace
            .cargo()
            .args(["fmt", "--all", "--check", "--", "-l"]),
    )
    .context("the files above are not formatted; `cargo fmt --all` does it")?;
    Ok(Outcome::Verified)
}

fn clippy(workspace: &Workspace) -> anyhow::Result<Outcome> {
    let mut command = workspace.cargo();
    command.args([
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--",
        "-Dwarnings",
    ]);
    verified(&mut command)
}

/// What exports a policy, and the edge for other hosts, exist on their targets only.
fn clippy_for_guests(workspace: &Workspace) -> anyhow::Result<Outcome> {
    toolchain::ensure(workspace)?;
    let guests = components::guests(workspace, components::All);
    let hosts = ["edge/guest", "edge/middleware", "edge/spin", "edge/wasi"];
    let hosts = hosts.map(|folder| workspace.package_in(folder));
    let hosts = hosts.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut command = clippy_on(workspace, components::TARGET);
    for package in guests.into_iter().chain(hosts) {
        command.args(["--package", &package.name]);
        for feature in package.features.keys() {
            command.arg(format!("--features={}/{feature}", package.name));
        }
    }
    process::run(command.args(["--", "-Dwarnings"]))?;

    let worker = workspace.package_in("edge/worker")?;
    let mut command = clippy_on(workspace, "wasm32-unknown-unknown");
    command.args(["--package", &worker.name, "--", "-Dwarnings"]);
    verified(&mut command)
}

fn clippy_on(workspace: &Workspace, target: &str) -> Command {
    let mut command = workspace.cargo();
    command.args([
        "clippy",
        "--quiet",
        "--keep-going",
        "--lib",
        "--target",
        target,
    ]);
    command
}

fn documentation(workspace: &Workspace) -> anyhow::Result<Outcome> {
    toolchain::ensure(workspace)?;
    let mut own = workspace.cargo();
    own.args(["doc", "--quiet", "--keep-going", "--workspace", "--no-deps"]);
    // These exist on their targets only.
    let hosts = [
        ("edge/middleware", components::TARGET),
        ("edge/spin", components::TARGET),
        ("edge/wasi", components::TARGET),
        ("edge/worker", "wasm32-unknown-unknown"),
    ];
    let mut commands = Vec::new();
    for (folder, target) in hosts {
        let package = workspace.package_in(folder)?;
        own.args(["--exclude", &package.name]);
        let mut command = workspace.cargo();
        command.args(["doc", "--quiet", "--no-deps", "--target", target]);
        command.args(["--package", &package.name]);
        commands.push(command);
    }
    for command in std::iter::once(&mut own).chain(&mut commands) {
        process::run(command.env("RUSTDOCFLAGS", "-Dwarnings"))?;
    }
    Ok(Outcome::Verified)
}

fn dependencies(workspace: &Workspace) -> anyhow::Result<Outcome> {
    if process::read(workspace.cargo().args(["deny", "--version"])).is_err() {
        let why = "cargo-deny is not here; `cargo install --locked cargo-deny` brings it";
        return Ok(Outcome::Skipped(why.to_owned()));
    }
    verified(
        workspace
            .cargo()
            .args(["deny", "check", "bans", "licenses", "sources"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_listed_line_by_line() {
        assert!(findings(Vec::new()).is_ok());
        let Err(error) = findings(vec!["one".into(), "two".into()]) else {
            panic!("passed")
        };
        assert_eq!(error.to_string(), "one\ntwo");
    }
}

//! `cargo xtask test`: the set-up, then every test; the test runner's summary is the last thing said.
//!
//! Tests that need PostgreSQL or Redis get private ones from testkit's `with-services`. Everything
//! for the host is built by one cargo call with the features that the runner asks for, so that
//! nothing is built twice.

use std::path::Path;
use std::process::Command;

use crate::workspace::Workspace;
use crate::{build, components, process, progress, toolchain};

/// Options of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// For the test runner: a part of a test's name, `-p <crate>`, ...; with any of them only what
    /// they choose is run
    #[arg(
        value_name = "FILTER",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) runner: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, args: &Args) -> anyhow::Result<()> {
    components::prepare(workspace, components::All)?;
    // What the conformance suite runs on the other hosts.
    build::spin::build(workspace)?;
    build::worker::build(workspace)?;
    let everything = args.runner.is_empty();
    if everything {
        for target in toolchain::TARGETS {
            let title = format!("compiling the pure crates for {target}");
            progress::step(&title, || check_pure(workspace, target))?;
        }
    }
    progress::step("building the tests", || {
        process::run(
            workspace
                .cargo()
                .args(["build", "--workspace", "--bins", "--tests"]),
        )
    })?;
    let nextest = has_nextest(workspace);
    // `cargo test` runs documentation tests by itself.
    if everything && nextest {
        progress::step("documentation tests", || {
            process::run(
                workspace
                    .cargo()
                    .args(["test", "--quiet", "--workspace", "--doc"]),
            )
        })?;
    }

    let runner = if nextest {
        "cargo-nextest"
    } else {
        "cargo test (cargo-nextest is not here)"
    };
    progress::line(&format!("running the tests with {runner}"));
    let services = workspace.target.join("debug/with-services");
    process::run(&mut runner_command(
        workspace,
        &services,
        nextest,
        &args.runner,
    ))
}

/// The policies and what they are made of must compile without an operating system, too.
fn check_pure(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    let mut command = workspace.cargo();
    command.args(["check", "--quiet", "--lib", "--target", target]);
    for package in pure(workspace) {
        command.args(["--package", package]);
    }
    process::run(&mut command)
}

/// What every host shares, and every component.
fn pure(workspace: &Workspace) -> Vec<&str> {
    let core = workspace.below("edge").filter(|package| {
        matches!(
            workspace.folder(package).as_str(),
            "edge/core" | "edge/cache" | "edge/pipeline" | "edge/portable" | "edge/signatures"
        )
    });
    core.chain(workspace.below("components"))
        .map(|package| package.name.as_str())
        .collect()
}

fn has_nextest(workspace: &Workspace) -> bool {
    process::read(workspace.cargo().args(["nextest", "--version"])).is_ok()
}

/// `with-services cargo nextest run --workspace`, and what the caller added.
fn runner_command(
    workspace: &Workspace,
    services: &Path,
    nextest: bool,
    filter: &[String],
) -> Command {
    let cargo = workspace.cargo();
    let mut command = Command::new(services);
    command
        .current_dir(&workspace.root)
        .env("ZEPHYR_COMPONENTS", workspace.components());
    for (name, value) in cargo.get_envs() {
        if value.is_none() {
            command.env_remove(name);
        }
    }
    command.arg(cargo.get_program());
    command.args(if nextest {
        &["nextest", "run"][..]
    } else {
        &["test"][..]
    });
    let names_packages = filter
        .iter()
        .any(|word| word.starts_with("-p") || word.starts_with("--package"));
    if !names_packages {
        command.arg("--workspace");
    }
    // The one ignored test is for machines that have Spin.
    if nextest && process::exists("spin") {
        command.args(["--run-ignored", "all"]);
    }
    command.args(filter);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(nextest: bool, filter: &[&str]) -> Vec<String> {
        let workspace = Workspace::load().unwrap();
        let filter: Vec<String> = filter.iter().map(|&word| word.to_owned()).collect();
        let command = runner_command(&workspace, Path::new("services"), nextest, &filter);
        command
            .get_args()
            .skip(1)
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn all_tests_run_by_default_and_a_filter_goes_to_the_runner() {
        assert_eq!(words(true, &[]), ["nextest", "run", "--workspace"]);
        assert_eq!(
            words(true, &["purge"]),
            ["nextest", "run", "--workspace", "purge"]
        );
        assert_eq!(words(false, &["purge"]), ["test", "--workspace", "purge"]);
    }

    #[test]
    fn a_named_package_is_the_only_one() {
        assert_eq!(
            words(true, &["-p", "zephyr-kv"]),
            ["nextest", "run", "-p", "zephyr-kv"]
        );
        assert_eq!(
            words(false, &["--package=zephyr-kv"]),
            ["test", "--package=zephyr-kv"]
        );
    }

    #[test]
    fn the_pure_crates_are_the_core_the_cache_and_the_components() {
        let workspace = Workspace::load().unwrap();
        let pure = pure(&workspace);
        for name in ["zephyr-edge-core", "zephyr-cache", "zephyr-component-image"] {
            assert!(pure.contains(&name), "{name} is not among {pure:?}");
        }
        assert!(!pure.contains(&"zephyr-edge"));
    }
}

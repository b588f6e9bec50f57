//! The command line as a stranger meets it: help, completions, mistakes and their exit codes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

/// Runs `zephyr` with an environment of its own.
fn zephyr(args: &[&str], env: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zephyr"));
    command.args(args).current_dir(folder.path()).env_clear();
    command.envs(env.iter().copied()).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A configuration with one route to one upstream, and what `extra` adds.
fn configuration(folder: &Path, extra: &str) -> String {
    let file = folder.join("node.toml");
    let text = format!(
        "[listen]\nhttp = \"127.0.0.1:0\"\n\n[upstreams.origin]\nurl = \"http://127.0.0.1:9\"\n\n\
         [[routes]]\nname = \"all\"\npaths = [\"/{{*rest}}\"]\nupstream = \"origin\"\n{extra}"
    );
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn help_shows_every_command_and_where_to_start() {
    let output = zephyr(&["--help"], &[]);
    assert!(output.status.success());
    let help = stdout(&output);
    for word in [
        "dev",
        "edge",
        "spin",
        "origin",
        "migrate",
        "seed",
        "completions",
        "DATABASE_URL",
    ] {
        assert!(help.contains(word), "{word} is not in:\n{help}");
    }
}

#[test]
fn help_never_shows_a_secret() {
    let env = [
        ("DATABASE_URL", "postgres://u:hunter2@h/d"),
        ("ZEPHYR_ADMIN_TOKEN", "hunter2"),
        ("ZEPHYR_EDGE_TOKEN", "hunter2"),
    ];
    for command in ["dev", "origin", "migrate", "seed"] {
        let output = zephyr(&[command, "--help"], &env);
        assert!(output.status.success());
        assert!(!stdout(&output).contains("hunter2"), "{}", stdout(&output));
    }
}

#[test]
fn completions_exist_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = zephyr(&["completions", shell], &[]);
        assert!(output.status.success());
        assert!(stdout(&output).contains("edge-admin-port"), "{shell}");
    }
    assert_eq!(zephyr(&["completions", "tcsh"], &[]).status.code(), Some(2));
}

#[test]
fn a_missing_secret_is_named() {
    let output = zephyr(
        &["origin", "--signing-key", "key"],
        &[("ZEPHYR_EDGE_TOKEN", "x")],
    );
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("[env: NAME=]"), "{text}");
    let text = text.split("Usage:").next().unwrap();
    assert!(
        text.contains("--admin-token") && text.contains("--database-url"),
        "{text}"
    );
    assert!(
        !text.contains("--edge-token"),
        "it was given by the environment: {text}"
    );
}

#[test]
fn a_right_configuration_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path(), "");
    let output = zephyr(&["edge", "--check", "--config", &file], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("right; 1 routes, 0 components"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn a_mistake_in_the_configuration_is_said_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = configuration(folder.path(), "cashe = true\n");
    let output = zephyr(&["edge", "--check", "--config", &file], &[]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.starts_with(&format!("error: {file}:11:1: ")), "{text}");
    assert!(text.contains("cashe"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let output = zephyr(&["edge", "--check"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("zephyr.toml"),
        "{}",
        stderr(&output)
    );

    let folder = tempfile::tempdir().unwrap();
    let component = "[components.auth]\npath = \"$components/auth.wasm\"\nkind = \"filter\"\n";
    let file = configuration(folder.path(), component);
    let none = folder.path().join("none");
    let args = [
        "edge",
        "--check",
        "--config",
        &file,
        "--components",
        none.to_str().unwrap(),
    ];
    let output = zephyr(&args, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("none/auth.wasm"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_token_that_the_configuration_names_must_be_set() {
    let folder = tempfile::tempdir().unwrap();
    let control = "[control]\nurl = \"http://127.0.0.1:9\"\ntoken_env = \"SOME_TOKEN\"\n";
    let file = configuration(folder.path(), control);
    let output = zephyr(&["edge", "--config", &file], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("SOME_TOKEN, which is not set"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_wrong_log_filter_is_refused() {
    let output = zephyr(&["completions", "bash"], &[("RUST_LOG", "a=nonsense")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("error: RUST_LOG: "),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_taken_port_stops_dev_before_it_starts_anything() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = zephyr(
        &[
            "dev",
            "--edge-port",
            "0",
            "--edge-admin-port",
            "0",
            "--origin-port",
            &port,
        ],
        &[("ZEPHYR_DATA", data.to_str().unwrap())],
    );
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(
        text.starts_with(&format!("error: port {port} for the origin is taken")),
        "{text}"
    );
    assert!(text.contains("--origin-port"), "{text}");
    assert!(!data.exists(), "the data folder was made");
}

#[test]
fn an_unreachable_database_is_a_failure_and_its_password_stays_hidden() {
    let output = zephyr(
        &["migrate"],
        &[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:9/d")],
    );
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(
        text.starts_with("error: migrating the database: "),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn a_spin_manifest_is_checked_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("spin.toml");
    let write = |more: &str| {
        let text = format!(
            "spin_manifest_version = 2\napplication = {{ name = \"a\" }}\n\
             [variables]\nhost = {{ required = true }}\n\
             [[trigger.http]]\nroute = \"/...\"\ncomponent = \"a\"\n\
             [component.a]\nsource = \"a.wasm\"\n{more}"
        );
        std::fs::write(&file, text).unwrap();
    };
    let check =
        |env: &[(&str, &str)]| zephyr(&["spin", "--check", "-f", file.to_str().unwrap()], env);

    write("");
    let missing = check(&[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("a.wasm"), "{}", stderr(&missing));
    std::fs::write(folder.path().join("a.wasm"), "").unwrap();
    assert!(check(&[]).status.success());

    write("allowed_outbound_hosts = [\"http://{{ host }}\"]\n");
    let unset = stderr(&check(&[]));
    assert!(
        unset.contains("spin.toml:4:1: the variable \"host\" has no value"),
        "{unset}"
    );
    assert!(unset.contains("SPIN_VARIABLE_HOST"), "{unset}");
    let set = check(&[("SPIN_VARIABLE_HOST", "127.0.0.1:81")]);
    assert!(set.status.success(), "{}", stderr(&set));
    let encrypted = stderr(&check(&[("SPIN_VARIABLE_HOST", "a/b")]));
    assert!(
        encrypted.contains("spin.toml:10:27: not supported here"),
        "{encrypted}"
    );

    write("files = [\"a\"]\n");
    let refused = stderr(&check(&[]));
    assert!(
        refused.contains("spin.toml:10:9: not supported here: `files`"),
        "{refused}"
    );
}

//! Running other programs: to the end with their exit code kept, or bounded in time.

use std::ffi::OsString;
use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// A program ran and failed. It has printed why, so only its name and exit code are kept.
#[derive(Debug)]
pub(crate) struct Failed {
    /// The program and its first arguments.
    pub(crate) command: String,
    /// The exit code to pass on: the program's own, or 128 + the signal that ended it.
    pub(crate) code: u8,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ended with exit code {}", self.command, self.code)
    }
}

impl std::error::Error for Failed {}

/// The cargo that runs us, so that every step uses one toolchain.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    without_own_variables(&mut command);
    command
}

/// Takes away the variables that `cargo run` sets for xtask itself; build scripts that watch one of
/// them would run again and again.
pub(crate) fn without_own_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_own_variable) {
            command.env_remove(name);
        }
    }
}

fn is_own_variable(name: &str) -> bool {
    [
        "CARGO_PKG_",
        "CARGO_MANIFEST_",
        "CARGO_BIN_",
        "CARGO_CRATE_",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// The compiler that belongs to [`cargo`].
pub(crate) fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Runs a program to its end with our standard streams.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = describe(command);
    let status = command
        .status()
        .with_context(|| format!("could not start `{name}`"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failed {
        command: name,
        code: exit_code(status),
    }
    .into())
}

/// Runs a program to its end and returns what it printed on standard output.
pub(crate) fn read(command: &mut Command) -> anyhow::Result<String> {
    let name = describe(command);
    let output = command
        .output()
        .with_context(|| format!("could not start `{name}`"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        anyhow::bail!("`{name}` failed: {}", stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{name}` printed no UTF-8"))
}

/// Runs a program that may hang, for at most `limit`, and returns all that it printed.
///
/// The error of a failure carries the last lines of its output.
pub(crate) fn run_bounded(command: &mut Command, limit: Duration) -> anyhow::Result<String> {
    let name = describe(command);
    let (reader, writer) = std::io::pipe().context("could not make a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("could not start `{name}`"))?;
    // Our copies of the writing end must go, or the reader would never see the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (lines, printed) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(reader).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });

    let deadline = Instant::now() + limit;
    let mut text = String::new();
    loop {
        match printed.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                text.push_str(&line);
                text.push('\n');
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                anyhow::bail!("`{name}` did not end within {} s", limit.as_secs());
            }
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("lost sight of `{name}`"))?;
    anyhow::ensure!(status.success(), "`{name}` failed: {}", tail(&text, 6));
    Ok(text)
}

/// Whether a program of that name can be found in `PATH`.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![
        program
            .file_name()
            .unwrap_or(program.as_os_str())
            .to_os_string(),
    ];
    words.extend(command.get_args().take(6).map(OsString::from));
    if command.get_args().len() > 6 {
        words.push("...".into());
    }
    words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(count)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_pass_through() {
        let error = run(Command::new("sh").args(["-c", "exit 42"])).unwrap_err();
        assert_eq!(error.downcast_ref::<Failed>().unwrap().code, 42);
        let error = run(Command::new("sh").args(["-c", "kill -9 $$"])).unwrap_err();
        assert_eq!(error.downcast_ref::<Failed>().unwrap().code, 137);
    }

    #[test]
    fn a_bounded_program_is_ended_at_its_limit() {
        let mut command = Command::new("sleep");
        let start = Instant::now();
        let error = run_bounded(command.arg("600"), Duration::from_millis(50)).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(60));
        assert_eq!(error.to_string(), "`sleep 600` did not end within 0 s");
    }

    #[test]
    fn a_bounded_failure_carries_both_streams() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2; exit 3"]);
        let error = run_bounded(&mut command, Duration::from_secs(60)).unwrap_err();
        assert!(error.to_string().ends_with("failed: one | two"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("zephyr-no-such-program")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not start `zephyr-no-such-program`"
        );
        assert!(!exists("zephyr-no-such-program"));
        assert!(exists("sh"));
    }
}

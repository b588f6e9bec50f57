//! How a failure ends the process: one message on standard error and an exit code.

use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

/// Marks an error as the caller's: a wrong option or configuration.
#[derive(Debug)]
pub(crate) struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrong options or configuration")
    }
}

impl std::error::Error for Usage {}

/// An error that ends the process with 2; its message is what is wrong.
pub(crate) fn usage(problem: impl fmt::Display) -> anyhow::Error {
    anyhow::Error::new(Usage).context(problem.to_string())
}

/// Prints what clap has to say: what is wrong with the command line, or the help that was asked for.
pub(crate) fn command_line(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if error.kind() == clap::error::ErrorKind::MissingRequiredArgument {
        let hint = "An option that --help shows with [env: NAME=] can be given by that environment \
                    variable instead, and secrets should be.";
        let _ = writeln!(std::io::stderr().lock(), "{hint}");
    }
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

/// Prints an error and says the exit code that goes with it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.chain().any(<dyn std::error::Error>::is::<Usage>);
    let causes: Vec<String> = error
        .chain()
        .filter(|cause| !cause.is::<Usage>())
        .map(ToString::to_string)
        .collect();
    let _ = writeln!(std::io::stderr().lock(), "error: {}", causes.join(": "));
    if is_usage {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_usage_from_failure() {
        let code = |error| format!("{:?}", report(&error));
        assert_eq!(
            code(anyhow::anyhow!("broken")),
            format!("{:?}", ExitCode::FAILURE)
        );
        assert_eq!(
            code(usage("port 0").context("edge")),
            format!("{:?}", ExitCode::from(2))
        );
    }
}

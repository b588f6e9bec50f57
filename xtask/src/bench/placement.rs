//! Which cores run what.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::Tools;

/// Where the servers run and where the load comes from.
#[derive(Debug)]
pub(crate) struct Placement {
    taskset: Option<PathBuf>,
    cores: usize,
}

impl Placement {
    /// One core for the server under test, the others for the rest; with one core only, or without
    /// `taskset`, the system places them.
    pub(crate) fn choose(tools: &Tools) -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism()?.get();
        let taskset = tools.taskset.clone().filter(|_| cores > 1);
        Ok(Self { taskset, cores })
    }

    /// A command for the server under test.
    pub(crate) fn server(&self, program: &Path) -> Command {
        self.on("0", program)
    }

    /// A command for the load generator or the upstream.
    pub(crate) fn load(&self, program: &Path) -> Command {
        self.on(&format!("1-{}", self.cores - 1), program)
    }

    fn on(&self, cores: &str, program: &Path) -> Command {
        match &self.taskset {
            Some(taskset) => {
                let mut command = Command::new(taskset);
                // It replaces itself by the program, so that the process is the server's own.
                command.args(["--cpu-list", cores]).arg(program);
                command
            }
            None => Command::new(program),
        }
    }

    /// For the report.
    pub(crate) fn describe(&self) -> String {
        match (&self.taskset, self.cores) {
            (Some(_), 2) => "server on core 0, load and upstream on core 1".to_owned(),
            (Some(_), cores) => {
                format!(
                    "server on core 0, load and upstream on cores 1 to {}",
                    cores - 1
                )
            }
            (None, cores) => format!("not pinned, {cores} cores"),
        }
    }
}

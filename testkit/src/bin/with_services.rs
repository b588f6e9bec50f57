//! `with-services COMMAND...`: starts PostgreSQL and Redis, tells the command where they are, and
//! stops them when it has ended. Exits as the command did.
#![expect(clippy::print_stderr, reason = "the set-up says what takes long")]

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use zephyr_db::private::{Postgres, PostgresOptions};
use zephyr_testkit::redis::Redis;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments
        .next()
        .context("usage: with-services COMMAND...")?;
    // Below /tmp, where an unprivileged user may go too.
    let folder = tempfile::Builder::new().prefix("zephyr-test-").tempdir()?;
    let mut command = Command::new(&program);
    command.args(arguments);

    let postgres = match std::env::var(zephyr_testkit::DATABASE_URL) {
        Ok(_) => None,
        Err(_) => {
            open_to_all(folder.path())?;
            let options = PostgresOptions {
                data_dir: folder.path().join("postgres"),
                durable: false,
                progress: Arc::new(|line| eprintln!("with-services: {line}")),
            };
            let postgres = Postgres::start(&options).await?;
            command.env(zephyr_testkit::DATABASE_URL, postgres.url());
            Some(postgres)
        }
    };
    let redis = match std::env::var(zephyr_testkit::REDIS_URL) {
        Ok(_) => None,
        Err(_) => {
            let redis = Redis::start().await?;
            command.env(zephyr_testkit::REDIS_URL, redis.url());
            Some(redis)
        }
    };

    let mut child = command
        .spawn()
        .with_context(|| format!("running {}", program.to_string_lossy()))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // Sent to us alone, by whoever cancels a run: pass it on, and clean up as always.
            _ = terminate.recv() => {
                if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
            // The command is in our process group and gets it too; we wait for it and clean up.
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    drop(redis);
    if let Some(postgres) = postgres {
        postgres.stop().await?;
    }
    let code = status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// The folder holds nothing but folders that close themselves.
fn open_to_all(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
}

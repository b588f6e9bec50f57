//! Starts and stops the private server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::process::{Child, Command};

use super::folder::{self, Place};
use super::user::{self, User};
use super::{PrivateError, binaries};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What kind of private server.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where its data lives; made when it is not there.
    pub data_dir: PathBuf,
    /// Whether a commit survives a power cut. False for tests.
    pub durable: bool,
    /// Told what takes long.
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

/// A running private server. Stop it with [`Postgres::stop`]; dropping it stops it too, without
/// waiting.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    url: String,
    home: PathBuf,
    socket: PathBuf,
    /// Held for as long as this process answers for the server.
    _lock: File,
}

impl Postgres {
    /// Starts the server, with a database `zephyr`. Data of an earlier start is kept; a server that
    /// an earlier process left behind is stopped first. One that another process still answers for
    /// is let be: that is an error.
    ///
    /// # Errors
    ///
    /// [`PrivateError`] says what is missing or what the server's log says.
    pub async fn start(options: &PostgresOptions) -> Result<Self, PrivateError> {
        let wanted = std::path::absolute(&options.data_dir)
            .map_err(PrivateError::io("finding", &options.data_dir))?;
        let user = user::to_drop_to();
        let home = user::reachable(&wanted, user);
        if home != wanted {
            (options.progress)(&format!(
                "PostgreSQL cannot run as root, and its user cannot reach {}: its data is in {}",
                wanted.display(),
                home.display()
            ));
        }
        let place = if home == wanted {
            Place::Chosen
        } else {
            Place::Shared
        };
        folder::private(&home, user, place)?;
        let lock = folder::lock(&home)?;
        let bin = binaries::find_or_bring(&home.join("package"), &*options.progress).await?;
        let data = home.join("data");
        stop_leftover(&data).await;
        if !data.join("PG_VERSION").is_file() {
            (options.progress)("making a database cluster");
            initdb(&bin, &data, user, options.durable).await?;
        }
        let socket = folder::for_socket(&home, user)?;
        let log = home.join("server.log");
        let child = spawn(&bin, &data, &socket, &log, user, options.durable)?;
        let url = format!("postgres:///zephyr?host={}&user=zephyr", socket.display());
        // From here on the server is stopped when it fails or the caller stops waiting.
        let mut server = Self {
            child,
            url,
            home,
            socket: socket.clone(),
            _lock: lock,
        };
        ready(&mut server.child, &socket, &log).await?;
        Ok(server)
    }

    /// The URL of its database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder that holds its data, log and package.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Waits until the server ends without having been asked to, and says how. Whoever stops waiting
    /// may wait again later.
    pub async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Stops the server: connections are cut, all data is written.
    ///
    /// # Errors
    ///
    /// It did not end in time and was killed; the next start recovers from its log.
    pub async fn stop(mut self) -> Result<(), PrivateError> {
        signal(&self.child, Signal::INT);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        if ended.is_err() {
            let _ = self.child.kill().await;
            let output = "did not stop in time and was killed".to_owned();
            return Err(PrivateError::Program {
                program: "postgres".to_owned(),
                output,
            });
        }
        // The server has removed its socket; what is not empty is not ours to remove.
        let _ = fs::remove_dir(&self.socket);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // A fast shutdown; after `stop` there is no child to signal any more.
        signal(&self.child, Signal::INT);
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

fn command(program: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    // A folder that the user can be in, whatever this process's own is.
    command
        .current_dir("/")
        .env_clear()
        .env("LC_ALL", "C")
        .env("TZ", "UTC");
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

async fn initdb(
    bin: &Path,
    data: &Path,
    user: Option<User>,
    durable: bool,
) -> Result<(), PrivateError> {
    // Made beside its place and moved there, so that an interrupted start leaves no half of one.
    let partial = data.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(PrivateError::io("removing", &partial))?;
    }
    let mut initdb = command(&bin.join("initdb"), user);
    initdb.kill_on_drop(true).arg("-D").arg(&partial);
    initdb.args([
        "-U",
        "zephyr",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-instructions",
    ]);
    if !durable {
        initdb.arg("--no-sync");
    }
    let output = initdb
        .output()
        .await
        .map_err(PrivateError::io("running", &bin.join("initdb")))?;
    if output.status.success() {
        return fs::rename(&partial, data).map_err(PrivateError::io("moving into place", data));
    }
    let _ = fs::remove_dir_all(&partial);
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(PrivateError::Program {
        program: "initdb".to_owned(),
        output: text,
    })
}

fn spawn(
    bin: &Path,
    data: &Path,
    socket: &Path,
    log: &Path,
    user: Option<User>,
    durable: bool,
) -> Result<Child, PrivateError> {
    let program = bin.join("postgres");
    let file = File::create(log).map_err(PrivateError::io("creating", log))?;
    let errors = file.try_clone().map_err(PrivateError::io("opening", log))?;
    let mut postgres = command(&program, user);
    postgres
        .arg("-D")
        .arg(data)
        .arg("-k")
        .arg(socket)
        .args(["-p", "5432"]);
    let mut set = |setting: &str| {
        postgres.arg("-c").arg(setting);
    };
    set("listen_addresses=");
    set("unix_socket_permissions=0700");
    set("max_connections=200");
    set("shared_buffers=128MB");
    set("log_min_messages=warning");
    if !durable {
        set("fsync=off");
        set("synchronous_commit=off");
        set("full_page_writes=off");
    }
    postgres
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        // Ctrl-C in a terminal goes to a whole process group. The server is stopped last, by us.
        .process_group(0)
        .spawn()
        .map_err(PrivateError::io("running", &program))
}

async fn ready(child: &mut Child, socket: &Path, log: &Path) -> Result<(), PrivateError> {
    let options = sqlx::postgres::PgConnectOptions::new_without_pgpass()
        .socket(socket)
        .username("zephyr")
        .database("postgres")
        .log_statements(tracing::log::LevelFilter::Off);
    let failed = |reason: String| {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        PrivateError::NotStarted {
            reason,
            log: log.to_owned(),
            tail,
        }
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut connection = loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(failed(format!("it ended with {status}")));
        }
        match options.connect().await {
            Ok(connection) => break connection,
            Err(error) if tokio::time::Instant::now() > deadline => {
                return Err(failed(format!("no answer within {PATIENCE:?}: {error}")));
            }
            // Nothing tells when a server accepts connections; asking again does.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_database where datname = 'zephyr')")
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        sqlx::query("create database zephyr")
            .execute(&mut connection)
            .await?;
    }
    connection.close().await?;
    Ok(())
}

/// Stops the server of an earlier process that was killed before it could do so itself.
async fn stop_leftover(data: &Path) {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
        return;
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .and_then(Pid::from_raw);
    let Some(pid) = pid else { return };
    // The pid may belong to something else by now.
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let data = data.as_os_str().as_encoded_bytes();
    if !command
        .split(|&byte| byte == 0)
        .any(|argument| argument == data)
    {
        return;
    }
    for stop in [Signal::INT, Signal::QUIT, Signal::KILL] {
        let _ = kill_process(pid, stop);
        for _ in 0..500 {
            if test_kill_process(pid).is_err() {
                return;
            }
            // Not our child: there is nothing to wait on but its disappearance.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

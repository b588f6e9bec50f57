//! Servers as child processes: started, waited for, stopped when dropped.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::case::Address;

/// How long a server may take until it accepts connections. The node compiles its components then.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: u16,
    tls: Option<u16>,
}

impl Server {
    /// Starts a server that will listen on this port of the loopback address, and waits until
    /// `ready` answers.
    pub(crate) fn start(
        mut command: Command,
        port: u16,
        log: &Path,
        ready: impl Fn() -> bool,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {}", command.get_program().display()))?;
        let mut server = Self {
            child,
            port,
            tls: None,
        };
        server.wait(log, ready)?;
        Ok(server)
    }

    fn wait(&mut self, log: &Path, ready: impl Fn() -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                anyhow::bail!("a server ended with {status} instead of getting ready:\n{said}");
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "a server is not ready after {} s; its log is {}",
                START_LIMIT.as_secs(),
                log.display()
            );
            // Nothing tells from outside when a server is ready; asking again does.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Says that it also listens on this port, for TLS.
    pub(crate) fn with_tls(mut self, port: Option<u16>) -> Self {
        self.tls = port;
        self
    }

    pub(crate) fn address(&self) -> Address {
        Address {
            pid: self.pid(),
            port: self.port,
            tls: self.tls,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // nginx stops its worker only when it is asked to.
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while asked.is_ok() && Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        // Not a reason to fail: the figures are in.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Whether somebody listens on this port.
pub(crate) fn listens(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_ok()
}

/// A port that nobody listens on at the moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A folder of its own below `folder`.
pub(crate) fn subfolder(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(path)
}

//! A running `zephyr edge` is replaced by another process, and clients do not notice.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// For a node to start; generous, since compilers may be running beside.
const PATIENCE: Duration = Duration::from_secs(120);

/// Processes of one node, after each other: they share a log, since a new one inherits it.
struct Edge {
    child: Child,
    log: mpsc::Receiver<String>,
    read: String,
    folder: tempfile::TempDir,
}

impl Edge {
    fn start(upstream: SocketAddr, threads: usize) -> Edge {
        let folder = tempfile::tempdir().unwrap();
        write_config(
            folder.path(),
            "127.0.0.1:0",
            "127.0.0.1:0",
            upstream,
            threads,
        );
        let mut child = command(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = mpsc::channel();
        std::thread::spawn(move || {
            let mut lines = stderr.lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Edge {
            child,
            log,
            read: String::new(),
            folder,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Reads the log up to a line with `text`.
    fn read_until(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.log.recv_timeout(PATIENCE) else {
                panic!("no line with {text:?} came; the log:\n{}", self.read);
            };
            self.read.push_str(&line);
            self.read.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    fn address(&mut self) -> SocketAddr {
        let line = self.read_until("Edge node listens on ");
        let (_, address) = line.split_once("listens on ").unwrap();
        address.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The process that has taken over, by what the log says.
    fn successor(&mut self) -> Pid {
        let line = self.read_until("is to take over");
        let words: Vec<_> = line.split_whitespace().collect();
        let at = words
            .iter()
            .position(|word| word.ends_with("process"))
            .unwrap();
        Pid::from_raw(words[at + 1].parse().unwrap()).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that is nobody's child by now, ended with the test.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zephyr"));
    command
        .arg("edge")
        .arg("--config")
        .arg(folder.join("z.toml"));
    command.env_remove("RUST_LOG");
    command
}

fn write_config(folder: &Path, http: &str, admin: &str, upstream: SocketAddr, threads: usize) {
    let data = folder.join("data");
    let cache = folder.join("cache");
    let text = format!(
        r#"
        [node]
        threads = {threads}
        data_dir = {data:?}
        shutdown_grace = "4s"
        [listen]
        http = "{http}"
        admin = "{admin}"
        [log]
        access = false
        [cache]
        disk_path = {cache:?}
        [upstreams.a]
        url = "http://{upstream}"
        [[routes]]
        name = "all"
        paths = ["/{{*rest}}"]
        upstream = "a"
        [[routes]]
        name = "cached"
        paths = ["/cached/{{*rest}}"]
        upstream = "a"
        cache = true
        "#
    );
    std::fs::write(folder.join("z.toml"), text).unwrap();
}

/// Answers every request with `ok`.
fn upstream() -> SocketAddr {
    upstream_until(&Arc::default())
}

/// The same, until it is down: then it takes no more connections.
fn upstream_until(down: &Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let down = Arc::clone(down);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if down.load(SeqCst) {
                return;
            }
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                loop {
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=600\r\n\r\nok";
                    if reader.get_mut().write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A client's connection.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> std::io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Client(BufReader::new(stream)))
    }

    /// One GET; tells whether the connection stays open.
    fn get(&mut self) -> std::io::Result<bool> {
        let wrong = |what: &str| std::io::Error::other(what.to_owned());
        self.0
            .get_mut()
            .write_all(b"GET /x HTTP/1.1\r\nhost: a\r\n\r\n")?;
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200") {
            return Err(wrong(&format!("answered {line:?}")));
        }
        let mut stays = true;
        while line != "\r\n" {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(wrong("broke off in the head"));
            }
            stays &= !line.eq_ignore_ascii_case("connection: close\r\n");
        }
        let mut body = [0; 2];
        self.0.read_exact(&mut body)?;
        if body != *b"ok" {
            return Err(wrong("another body"));
        }
        Ok(stays)
    }
}

/// Clients that ask without a pause until told to stop: some on new connections, some on kept ones.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<(Mutex<usize>, Condvar)>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn start(address: SocketAddr) -> Load {
        let (stop, answered) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<(Mutex<usize>, Condvar)>::default(),
        );
        let client = |keeps: bool| {
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                let mut kept: Option<Client> = None;
                while !stop.load(SeqCst) {
                    let connection = kept.take().map_or_else(|| Client::connect(address), Ok);
                    let mut connection = match connection {
                        Ok(connection) => connection,
                        Err(error) => {
                            failures.push(format!("connecting: {error}"));
                            continue;
                        }
                    };
                    match connection.get() {
                        Ok(stays) => {
                            *answered.0.lock().unwrap() += 1;
                            answered.1.notify_all();
                            kept = (stays && keeps).then_some(connection);
                        }
                        Err(error) => failures.push(format!("kept: {keeps}: {error}")),
                    }
                }
                failures
            })
        };
        let clients = [false, false, true, true].map(client).into();
        Load {
            stop,
            answered,
            clients,
        }
    }

    /// Waits for so many more answers.
    fn more(&self, count: usize) {
        let (answered, told) = &*self.answered;
        let answered = answered.lock().unwrap();
        let goal = *answered + count;
        let (answered, late) = told
            .wait_timeout_while(answered, PATIENCE, |answered| *answered < goal)
            .unwrap();
        drop(answered);
        assert!(!late.timed_out(), "no answers any more");
    }

    /// What went wrong.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, SeqCst);
        let ended = self
            .clients
            .into_iter()
            .map(|client| client.join().unwrap());
        ended.flatten().collect()
    }
}

#[test]
fn no_request_fails_while_another_process_takes_over() {
    let upstream = upstream();
    let mut edge = Edge::start(upstream, 2);
    let address = edge.address();
    let socket = edge.data().join("takeover.sock");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "for this user only");

    let load = Load::start(address);
    load.more(200);
    // The new process has another number of threads: two sockets, three workers.
    write_config(
        edge.folder.path(),
        "127.0.0.1:0",
        "127.0.0.1:0",
        upstream,
        3,
    );
    edge.signal(Signal::USR2);
    let successor = Orphan(edge.successor());
    edge.read_until("takes no more requests");
    let status = edge.child.wait().unwrap();
    assert!(status.success(), "{status}");
    load.more(200);

    // And once more: three sockets, one worker. This time the other process is started by hand.
    write_config(
        edge.folder.path(),
        "127.0.0.1:0",
        "127.0.0.1:0",
        upstream,
        1,
    );
    let mut third = command(edge.folder.path());
    let mut third = third
        .arg("--takeover")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    edge.read_until("another process has taken over");
    edge.read_until("has stopped");
    load.more(200);
    let failures = load.stop();
    assert!(
        failures.is_empty(),
        "{} failures: {failures:?}",
        failures.len()
    );
    drop(successor);
    kill_process(Pid::from_child(&third), Signal::TERM).unwrap();
    assert!(third.wait().unwrap().success());
    assert!(
        TcpStream::connect(address).is_err(),
        "nobody listens any more"
    );
    assert!(!socket.exists());
}

/// The head of the answer to one GET on a connection of its own.
fn head(address: SocketAddr, path: &str) -> String {
    let mut client = Client::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    client.0.get_mut().write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.0.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_new_process_has_what_the_old_one_had_on_disk() {
    let down = Arc::default();
    let mut edge = Edge::start(upstream_until(&down), 1);
    let address = edge.address();
    let paths: Vec<_> = (0..20).map(|n| format!("/cached/{n}")).collect();
    for path in &paths {
        assert!(head(address, path).starts_with("HTTP/1.1 200"));
    }
    edge.signal(Signal::USR2);
    let _successor = Orphan(edge.successor());
    edge.read_until("takes no more requests");
    assert!(edge.child.wait().unwrap().success());
    down.store(true, SeqCst);
    // What is not in the cache is not to be had any more.
    while head(address, "/cached/other").starts_with("HTTP/1.1 200") {}
    for path in &paths {
        let head = head(address, path);
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("Zephyr; hit"), "{head}");
    }
}

#[test]
fn a_new_process_that_cannot_start_changes_nothing() {
    let upstream = upstream();
    let mut edge = Edge::start(upstream, 1);
    let address = edge.address();
    let good = std::fs::read_to_string(edge.folder.path().join("z.toml")).unwrap();
    std::fs::write(edge.folder.path().join("z.toml"), "[[[").unwrap();
    edge.signal(Signal::USR2);
    edge.read_until("has ended: exit status: 2");
    assert!(Client::connect(address).unwrap().get().unwrap());
    // The same file does not get in by a reload either.
    edge.signal(Signal::HUP);
    edge.read_until("the old one stays");
    assert!(Client::connect(address).unwrap().get().unwrap());
    std::fs::write(edge.folder.path().join("z.toml"), good).unwrap();
    edge.signal(Signal::HUP);
    edge.read_until("configuration 2 is in force");
    assert!(Client::connect(address).unwrap().get().unwrap());
    edge.signal(Signal::TERM);
    edge.read_until("has stopped");
    assert!(edge.child.wait().unwrap().success());
}

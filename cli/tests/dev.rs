//! `zephyr dev` on the real thing: everything comes up, stops cleanly, keeps its data, and recovers
//! from being killed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// For everything to come up or go down; generous, since compilers may be running beside.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running `zephyr dev`.
struct Dev {
    child: Child,
    lines: mpsc::Receiver<String>,
    banner: String,
}

impl Dev {
    /// Starts it on free ports and waits for its banner.
    fn start(data: &Path, extra: &[&str]) -> Dev {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zephyr"));
        command.args([
            "dev",
            "--edge-port=0",
            "--edge-admin-port=0",
            "--origin-port=0",
        ]);
        command
            .args(["--listings=40", "--data"])
            .arg(data)
            .args(extra);
        command
            .arg("--config")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../zephyr.toml"));
        command
            .arg("--components")
            .arg(zephyr_testkit::components::folder());
        for variable in ["DATABASE_URL", "ZEPHYR_ADMIN_TOKEN", "RUST_LOG"] {
            command.env_remove(variable);
        }
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut dev = Dev {
            child,
            lines,
            banner: String::new(),
        };
        dev.banner = dev.read_until("Ctrl-C stops");
        dev
    }

    /// What it prints, up to a line with `text`.
    fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => {
                    read.push_str(&line);
                    read.push('\n');
                    if line.contains(text) {
                        return read;
                    }
                }
                Err(_) => panic!("no line with {text:?} came; it printed:\n{read}"),
            }
        }
    }

    /// What follows `label` in the banner, up to the next blank.
    fn field(&self, label: &str) -> String {
        let mut fields = self
            .banner
            .lines()
            .filter_map(|line| line.trim().strip_prefix(label)?.split_whitespace().next());
        fields
            .next()
            .unwrap_or_else(|| panic!("no {label:?} in:\n{}", self.banner))
            .to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Asks it to stop and expects that all went well.
    fn stop(mut self) {
        self.signal(Signal::TERM);
        let log = self.read_until("dev: stopped");
        for part in [
            "stopping edge nodes",
            "stopping the origin",
            "stopping PostgreSQL",
        ] {
            assert!(log.contains(part), "{part:?} is not in:\n{log}");
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // After a failed assertion: still leave nothing behind.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// The process id of the private PostgreSQL whose socket stands in the banner.
fn postgres(dev: &Dev) -> Pid {
    let url = dev.field("database    psql");
    let socket = url
        .split("host=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let lock = std::fs::read_to_string(format!("{socket}/.s.PGSQL.5432.lock")).unwrap();
    Pid::from_raw(lock.lines().next().unwrap().trim().parse().unwrap()).unwrap()
}

fn get(url: &str, token: Option<&str>) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut request = reqwest::Client::new().get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    })
}

/// A folder that PostgreSQL's own user can reach when the tests run as root.
fn data_folder() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("zephyr-dev-")
        .tempdir_in("/tmp")
        .unwrap()
}

#[test]
fn it_comes_up_stops_cleanly_and_keeps_its_data() {
    let folder = data_folder();
    let data = folder.path().join("data");

    let dev = Dev::start(&data, &["--edges=2"]);
    let (edge, second) = (dev.field("edge 1"), dev.field("edge 2"));
    let (origin, token) = (dev.field("origin"), dev.field("admin token"));
    let server = postgres(&dev);
    for edge in [&edge, &second] {
        let (status, body) = get(&format!("{edge}/api/listings?limit=1"), None);
        assert_eq!(status, 200, "{body}");
        assert!(body.contains("\"items\""), "{body}");
    }
    assert_eq!(get(&format!("{origin}/admin/api/nodes"), None).0, 401);
    assert_eq!(
        get(&format!("{origin}/admin/api/nodes"), Some(&token)).0,
        200
    );
    dev.stop();
    assert!(
        test_kill_process(server).is_err(),
        "PostgreSQL was left behind"
    );

    let dev = Dev::start(&data, &[]);
    assert_eq!(dev.field("admin token"), token, "the token changed");
    let (_, body) = get(
        &format!("{}/api/listings?limit=1", dev.field("edge 1")),
        None,
    );
    assert!(body.contains("\"id\""), "the listings are gone: {body}");
    dev.stop();
}

#[test]
fn it_recovers_from_kills() {
    let folder = data_folder();
    let data = folder.path().join("data");

    let mut dev = Dev::start(&data, &[]);
    let first = postgres(&dev);
    dev.signal(Signal::KILL);
    dev.child.wait().unwrap();

    // The first one's PostgreSQL may still be up; the next start stops it and takes its data over.
    let mut dev = Dev::start(&data, &[]);
    assert!(
        test_kill_process(first).is_err(),
        "two servers on one folder"
    );
    let server = postgres(&dev);
    kill_process(server, Signal::KILL).unwrap();
    dev.read_until("PostgreSQL is back");
    let (status, body) = get(
        &format!("{}/api/listings?limit=1", dev.field("origin")),
        None,
    );
    assert_eq!(status, 200, "{body}");
    dev.stop();
}

#[test]
fn a_stop_during_the_start_leaves_nothing_behind() {
    let folder = data_folder();
    let data = folder.path().join("data");
    let mut command = Command::new(env!("CARGO_BIN_EXE_zephyr"));
    command.args([
        "dev",
        "--edge-port=0",
        "--edge-admin-port=0",
        "--origin-port=0",
        "--data",
    ]);
    command
        .arg(&data)
        .arg("--components")
        .arg(zephyr_testkit::components::folder());
    command
        .env_remove("DATABASE_URL")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.contains("migrating the database")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let rest: Vec<String> = lines.collect();
    assert!(
        rest.iter()
            .any(|line| line == "dev: Ctrl-C during the start"),
        "{rest:?}"
    );
    assert!(child.wait().unwrap().success());
    // A server that stops takes its lock file along.
    let lock = std::fs::read_dir(data.join("postgres/data"))
        .unwrap()
        .flatten();
    assert!(
        lock.into_iter()
            .all(|entry| entry.file_name() != "postmaster.pid")
    );
}

#[test]
fn one_data_folder_serves_one_at_a_time() {
    let folder = data_folder();
    let data = folder.path().join("data");
    let dev = Dev::start(&data, &[]);
    let mut second = Command::new(env!("CARGO_BIN_EXE_zephyr"));
    second.args([
        "dev",
        "--edge-port=0",
        "--edge-admin-port=0",
        "--origin-port=0",
        "--data",
    ]);
    let output = second.arg(&data).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("another `zephyr dev` uses the data folder"),
        "{text}"
    );
    dev.stop();
}

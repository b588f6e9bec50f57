//! The private PostgreSQL, through its whole life. It needs server binaries and nothing else.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use sqlx::PgPool;
use tempfile::TempDir;
use zephyr_db::private::{Postgres, PostgresOptions, PrivateError};

/// A folder that the server's user can reach, too.
fn folder() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("zephyr-private-")
        .tempdir()
        .unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn options(folder: &TempDir) -> PostgresOptions {
    PostgresOptions {
        // What is above it is made, too.
        data_dir: folder.path().join("above/postgres"),
        durable: false,
        progress: Arc::new(|_| {}),
    }
}

async fn rows(postgres: &Postgres) -> i64 {
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    let rows = sqlx::query_scalar("select count(*) from kept")
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    rows
}

#[tokio::test]
async fn data_outlives_a_stop_and_a_process_that_was_killed() {
    let folder = folder();
    let options = options(&folder);
    let postgres = Postgres::start(&options).await.unwrap();
    let pool = PgPool::connect(postgres.url()).await.unwrap();
    sqlx::raw_sql("create table kept (n int); insert into kept values (1)")
        .execute(&pool)
        .await
        .unwrap();

    // Two at once would spoil the data, or stop each other's server.
    let error = Postgres::start(&options).await.unwrap_err();
    assert!(matches!(error, PrivateError::InUse(_)), "{error}");
    assert_eq!(rows(&postgres).await, 1);

    // With a connection open, as at every Ctrl-C.
    let socket = postgres.url().split("host=").nth(1).unwrap().to_owned();
    let socket = socket.split('&').next().unwrap();
    assert!(std::path::Path::new(socket).is_dir());
    postgres.stop().await.unwrap();
    assert!(
        !std::path::Path::new(socket).exists(),
        "nothing of it stays in /tmp"
    );
    pool.close().await;
    let pid = folder.path().join("above/postgres/data/postmaster.pid");
    assert!(!pid.exists(), "it has shut down cleanly");

    let mut postgres = Postgres::start(&options).await.unwrap();
    assert_eq!(rows(&postgres).await, 1);

    // Its own process dies at once: the next start finds a stale pid file.
    let text = std::fs::read_to_string(&pid).unwrap();
    let server = text.lines().next().unwrap().parse().unwrap();
    let server = rustix::process::Pid::from_raw(server).unwrap();
    rustix::process::kill_process(server, rustix::process::Signal::QUIT).unwrap();
    postgres.ended().await;
    drop(postgres);
    std::fs::write(&pid, text).unwrap();

    let postgres = Postgres::start(&options).await.unwrap();
    assert_eq!(rows(&postgres).await, 1);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_was_left_behind_is_stopped_first() {
    let folder = folder();
    let options = options(&folder);
    let first = Postgres::start(&options).await.unwrap();
    let pid = folder.path().join("above/postgres/data/postmaster.pid");
    let before = std::fs::read_to_string(&pid).unwrap();
    // As after a SIGKILL of the process that answered for it: nobody stops the server. Dropping asks
    // it to stop but does not wait, so the next start meets it alive or just gone.
    drop(first);
    let second = Postgres::start(&options).await.unwrap();
    let after = std::fs::read_to_string(&pid).unwrap();
    assert_ne!(before.lines().next(), after.lines().next());
    second.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_does_not_start_says_why() {
    let folder = folder();
    let options = options(&folder);
    Postgres::start(&options)
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let conf = folder.path().join("above/postgres/data/postgresql.conf");
    std::fs::write(&conf, "no_such_setting = on\n").unwrap();
    let error = Postgres::start(&options).await.unwrap_err();
    assert!(matches!(error, PrivateError::NotStarted { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no_such_setting") && text.contains("server.log"),
        "{text}"
    );
}

#[tokio::test]
async fn it_tells_when_its_data_is_elsewhere() {
    let folder = folder();
    let said = Arc::new(Mutex::new(String::new()));
    let mut options = options(&folder);
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o700)).unwrap();
    options.data_dir = closed.join("postgres");
    let sink = said.clone();
    options.progress = Arc::new(move |line| sink.lock().unwrap().push_str(line));
    let postgres = Postgres::start(&options).await.unwrap();
    let home = postgres.home().to_owned();
    postgres.stop().await.unwrap();
    if rustix::process::geteuid().is_root() {
        assert!(home.starts_with("/var/tmp"), "{}", home.display());
        let said = said.lock().unwrap().clone();
        assert!(said.contains(&home.display().to_string()), "{said}");
        std::fs::remove_dir_all(home).unwrap();
    } else {
        assert_eq!(home, options.data_dir);
    }
}

//! What only a server has: it can be away, refuse, hang and come back.

#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "contract/subject.rs"]
#[expect(
    dead_code,
    reason = "only the name spaces are shared with the contract"
)]
mod subject;

use std::time::{Duration, Instant};

use redis::AsyncCommands;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;
use zephyr_kv::redis::Options;
use zephyr_kv::{Error, Redis, Store};

fn url() -> String {
    std::env::var("ZEPHYR_TEST_REDIS_URL").expect("run `cargo xtask test`")
}

fn store(url: String) -> Redis {
    let mut options = Options::new(url.into());
    options.namespace = subject::namespace();
    options.timeout = Duration::from_secs(30);
    options.connect_timeout = Duration::from_secs(30);
    Redis::connect(options).unwrap()
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    drop(listener);
    let store = store(url);
    assert!(matches!(
        store.get("a").await,
        Err(Error::Unavailable { .. })
    ));
    assert!(matches!(
        store.increment("a", 1, None).await,
        Err(Error::Unavailable { .. })
    ));
}

#[tokio::test]
async fn a_server_that_hangs_is_unavailable_in_time() {
    // It takes connections, into its backlog, and never says a word.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = Options::new(format!("redis://{}", listener.local_addr().unwrap()).into());
    options.timeout = Duration::from_millis(50);
    let store = Redis::connect(options).unwrap();
    let asked = Instant::now();
    assert!(matches!(
        store.get("a").await,
        Err(Error::Unavailable { .. })
    ));
    assert!(asked.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_broken_connection_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = store(format!("redis://{}", listener.local_addr().unwrap()));
    let proxy = |connections: usize| {
        let listener = &listener;
        async move {
            let mut open = JoinSet::new();
            for _ in 0..connections {
                let (client, _) = listener.accept().await.unwrap();
                open.spawn(relay(client));
            }
            open
        }
    };
    let (open, set) = tokio::join!(proxy(1), store.set("a", "1".into(), None));
    set.unwrap();
    drop(open);

    // The store learns of the break with the call that meets it; the one after finds a connection.
    let calls = async {
        loop {
            match store.get("a").await {
                Ok(value) => break value,
                Err(Error::Unavailable { .. }) => (),
                Err(other) => panic!("{other}"),
            }
        }
    };
    let (_open, value) = tokio::join!(proxy(1), calls);
    assert_eq!(value.unwrap(), "1");
}

async fn relay(mut client: TcpStream) {
    let url = url();
    if let Some((_, path)) = url.split_once("unix://") {
        let mut server = UnixStream::connect(path).await.unwrap();
        drop(copy_bidirectional(&mut client, &mut server).await);
    } else {
        let address = url.trim_start_matches("redis://").trim_end_matches('/');
        let mut server = TcpStream::connect(address).await.unwrap();
        drop(copy_bidirectional(&mut client, &mut server).await);
    }
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_gets_them_again() {
    let store = store(url());
    store.set("a", "1".into(), None).await.unwrap();
    let client = redis::Client::open(url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let () = redis::cmd("SCRIPT")
        .arg("FLUSH")
        .query_async(&mut connection)
        .await
        .unwrap();
    store.set("a", "2".into(), None).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().unwrap(), "2");
}

#[tokio::test]
async fn keys_that_expired_leave_the_index_with_later_writes() {
    let mut options = Options::new(url().into());
    options.namespace = subject::namespace();
    options.timeout = Duration::from_secs(30);
    let index = format!("{{{}}}:keys", options.namespace);
    let expiries = format!("{{{}}}:expiries", options.namespace);
    let store = Redis::connect(options).unwrap();
    for n in 0..20 {
        store
            .set(
                &format!("old{n}"),
                "x".into(),
                Some(Duration::from_millis(1)),
            )
            .await
            .unwrap();
    }
    for n in 0..20 {
        while store.get(&format!("old{n}")).await.unwrap().is_some() {}
    }
    for n in 0..5 {
        store
            .set(&format!("new{n}"), "x".into(), None)
            .await
            .unwrap();
    }
    let client = redis::Client::open(url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    assert_eq!(connection.zcard::<_, usize>(&index).await.unwrap(), 5);
    assert_eq!(connection.zcard::<_, usize>(&expiries).await.unwrap(), 0);
}

#[tokio::test]
async fn a_key_of_another_type_is_corrupt() {
    let mut options = Options::new(url().into());
    options.namespace = subject::namespace();
    let client = redis::Client::open(url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let key = format!("{{{}}}:v:list", options.namespace);
    let () = connection.rpush(&key, "x").await.unwrap();
    options.timeout = Duration::from_secs(30);
    let store = Redis::connect(options).unwrap();
    assert!(matches!(
        store.get("list").await,
        Err(Error::Corrupt { .. })
    ));
    assert!(matches!(
        store.increment("list", 1, None).await,
        Err(Error::Corrupt { .. })
    ));
}

#[tokio::test]
async fn a_wrong_url_or_name_space_is_invalid_and_not_repeated() {
    for url in [
        "",
        "http://user:hunter2@host",
        "redis://user:hunter2@host:port",
    ] {
        let error = Redis::connect(Options::new(url.into())).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{error:?}"
        );
    }
    for namespace in ["", "a}b", "a b", &"n".repeat(65)] {
        let mut options = Options::new("redis://127.0.0.1".into());
        options.namespace = namespace.into();
        assert!(
            matches!(Redis::connect(options), Err(Error::Invalid(_))),
            "{namespace:?}"
        );
    }
}

//! A store under test, and how time passes for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::AsyncCommands;
use zephyr_kv::clock::Manual;
use zephyr_kv::{Memory, Redb, Redis, Store, memory};

pub(crate) struct Subject {
    pub(crate) store: Arc<dyn Store>,
    time: Time,
}

enum Time {
    Clock(Arc<Manual>),
    /// Redis has a clock of its own. Time passes by taking it off what each value has left.
    Server {
        connection: redis::aio::MultiplexedConnection,
        namespace: String,
    },
}

impl Subject {
    pub(crate) async fn advance(&self, by: Duration) {
        match &self.time {
            Time::Clock(clock) => clock.advance(by),
            Time::Server {
                connection,
                namespace,
            } => {
                let mut connection = connection.clone();
                let by = i64::try_from(by.as_millis()).unwrap();
                let pattern = format!("{{{namespace}}}:v:*");
                let mut keys = Vec::<Vec<u8>>::new();
                let mut found = connection.scan_match::<_, Vec<u8>>(pattern).await.unwrap();
                while let Some(key) = found.next_item().await {
                    keys.push(key.unwrap());
                }
                drop(found);
                for key in keys {
                    let left: i64 = connection.pttl(&key).await.unwrap();
                    if left >= 0 {
                        // A time that is not positive expires the key at once.
                        let () = connection.pexpire(&key, left - by).await.unwrap();
                    }
                }
            }
        }
    }
}

pub(crate) async fn memory() -> Subject {
    let clock = Arc::new(Manual::at(Duration::from_secs(1)));
    let store = Memory::with_clock(memory::Options::default(), Arc::clone(&clock));
    Subject {
        store: Arc::new(store),
        time: Time::Clock(clock),
    }
}

pub(crate) async fn redb() -> Subject {
    let clock = Arc::new(Manual::at(Duration::from_secs(1)));
    // The open file outlives its name.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kv.redb");
    let store = Redb::open_with_clock(path, Arc::clone(&clock))
        .await
        .unwrap();
    Subject {
        store: Arc::new(store),
        time: Time::Clock(clock),
    }
}

pub(crate) async fn redis() -> Subject {
    let url = std::env::var("ZEPHYR_TEST_REDIS_URL").expect("run `cargo xtask test`");
    let namespace = namespace();
    let client = redis::Client::open(url.as_str()).unwrap();
    let connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut options = zephyr_kv::redis::Options::new(url.into());
    options.namespace.clone_from(&namespace);
    // Not a test of speed: on a busy machine an answer may take its time.
    options.timeout = Duration::from_secs(30);
    options.connect_timeout = Duration::from_secs(30);
    let store = Redis::connect(options).unwrap();
    Subject {
        store: Arc::new(store),
        time: Time::Server {
            connection,
            namespace,
        },
    }
}

/// A name space that no other test uses, in this process or another.
pub(crate) fn namespace() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let started = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test-{}-{}-{next}", std::process::id(), started.as_nanos())
}

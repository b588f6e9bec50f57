//! Filters that misbehave: they are cut off, the exchange comes back, and the next call is fine.
#![expect(
    clippy::unwrap_used,
    reason = "a test panics when what it needs is not there"
)]

#[path = "wasm_support/guests.rs"]
mod guests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use guests::{exchange, filter, hostile, limits, options, results, runtime};
use tokio::sync::Semaphore;
use zephyr_edge::wasm::{
    CountersSnapshot, FilterStage, Limits, LoadError, Phase, Runtime, StageError, Verdict,
};
use zephyr_kv::{Error, Memory, Page, Store};

/// A stage that does a deed once, when the request has the field `x-hostile`.
fn once(runtime: &Arc<Runtime>, deed: &str, limits: Limits) -> FilterStage {
    let config = format!(r#"{{"do": "{deed}", "when": "x-hostile"}}"#);
    filter(runtime, "hostile", limits).stage(&config).unwrap()
}

/// Has the stage misbehave, and checks that the exchange comes back and that the next call is fine.
async fn misbehave(stage: &FilterStage) -> StageError {
    let mut x = exchange();
    x.request.headers.insert("x-hostile", "1".parse().unwrap());
    let (x, verdict) = stage.call(Phase::Request, x).await;
    assert_eq!(&*x.id, "id-1");
    assert_eq!(
        x.request.headers["x-before"], "1",
        "what was changed before the deed stays"
    );
    let error = verdict.unwrap_err();

    let (_, verdict) = stage.call(Phase::Request, exchange()).await;
    assert!(matches!(verdict, Ok(Verdict::Next)), "{verdict:?}");
    error
}

fn counters(stage: &FilterStage) -> CountersSnapshot {
    stage.component().counters().snapshot()
}

#[tokio::test]
async fn traps_cost_their_call_only() {
    let runtime = runtime();
    for deed in ["trap", "panic", "recurse", "exit", "key-flood"] {
        let stage = once(&runtime, deed, limits());
        let error = misbehave(&stage).await;
        assert!(matches!(error, StageError::Trap(_)), "{deed}: {error:?}");
        assert_eq!(counters(&stage).traps, 1, "{deed}");
        assert_eq!(
            counters(&stage).live_instances,
            1,
            "{deed}: the trapped one is gone"
        );
    }
}

#[tokio::test]
async fn a_loop_is_cut_off_at_its_deadline() {
    let runtime = runtime();
    let deadline = Duration::from_millis(200);
    for deed in ["loop", "sleep"] {
        let stage = once(
            &runtime,
            deed,
            Limits {
                deadline,
                ..limits()
            },
        );
        let before = Instant::now();
        let error = misbehave(&stage).await;
        assert!(
            matches!(error, StageError::Deadline(_)),
            "{deed}: {error:?}"
        );
        assert!(before.elapsed() >= deadline, "{deed}");
        assert_eq!(counters(&stage).deadlines, 1, "{deed}");
        assert_eq!(counters(&stage).live_instances, 1, "{deed}");
    }
}

#[tokio::test]
async fn a_loop_does_not_stop_the_other_calls_of_its_thread() {
    let runtime = runtime();
    let deadline = Duration::from_secs(5);
    let looping = hostile(
        &runtime,
        "loop",
        Limits {
            deadline,
            ..limits()
        },
    );
    let noop = filter(&runtime, "noop", limits()).stage("{}").unwrap();
    let before = Instant::now();
    tokio::select! {
        biased;
        (_, verdict) = looping.call(Phase::Request, exchange()) => panic!("{verdict:?}"),
        (_, verdict) = noop.call(Phase::Request, exchange()) => verdict.map(drop).unwrap(),
    }
    assert!(before.elapsed() < deadline, "the loop was still running");
    // Its future was dropped in the middle of the call: the instance is gone, the stage is fine.
    assert_eq!(counters(&looping).live_instances, 0);
}

#[tokio::test]
async fn memory_is_limited_per_instance() {
    let stage = once(
        &runtime(),
        "grow",
        Limits {
            memory: 4 << 20,
            ..limits()
        },
    );
    let error = misbehave(&stage).await;
    assert!(
        matches!(error, StageError::OutOfMemory(4_194_304)),
        "{error:?}"
    );
    assert_eq!(counters(&stage).out_of_memory, 1);
    assert_eq!(counters(&stage).traps, 0);
}

#[test]
fn limits_that_cannot_be_kept_are_refused() {
    let runtime = runtime();
    let bytes = guests::component("noop");
    for limits in [
        Limits {
            memory: 1 << 30,
            ..limits()
        },
        Limits {
            max_instances: 0,
            ..limits()
        },
        Limits {
            max_reuse: 0,
            ..limits()
        },
        Limits {
            deadline: Duration::ZERO,
            ..limits()
        },
    ] {
        let refused = runtime.load_filter("noop", &bytes, limits).unwrap_err();
        assert!(matches!(refused, LoadError::Limits { .. }), "{refused}");
    }
    // Less memory than the component begins with.
    let noop = runtime
        .load_filter(
            "noop",
            &bytes,
            Limits {
                memory: 1 << 16,
                ..limits()
            },
        )
        .unwrap();
    let refused = noop.stage("{}").unwrap_err();
    assert!(matches!(refused, LoadError::Start { .. }), "{refused}");
}

#[test]
fn a_configuration_that_a_filter_refuses_is_refused() {
    let hostile = filter(&runtime(), "hostile", limits());
    let refused = |config: &str| hostile.stage(config).unwrap_err().to_string();
    assert_eq!(
        refused(r#"{"do": "refuse-config"}"#),
        "component hostile: refuses its configuration: refused as asked"
    );
    assert!(refused(r#"{"do": "nothing", "more": 1}"#).contains("unknown field `more`"));
    assert!(refused("garbage").contains("line 1"));
    assert!(refused(r#"{"do": "trap-in-config"}"#).contains("its first instance failed: trapped"));
    assert!(refused(r#"{"do": "loop-in-config"}"#).contains("deadline"));
}

/// A store that answers when it is told to.
#[derive(Debug)]
struct Gate {
    memory: Memory,
    entered: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Arc<Self> {
        let closed = || Arc::new(Semaphore::new(0));
        Arc::new(Self {
            memory: Memory::new(Default::default()),
            entered: closed(),
            open: closed(),
        })
    }
}

#[async_trait]
impl Store for Gate {
    async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        self.entered.add_permits(1);
        drop(self.open.acquire().await.unwrap());
        self.memory.get(key).await
    }
    async fn set(&self, key: &str, value: Bytes, ttl: Option<Duration>) -> Result<(), Error> {
        self.memory.set(key, value, ttl).await
    }
    async fn delete(&self, key: &str) -> Result<bool, Error> {
        self.memory.delete(key).await
    }
    async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, Error> {
        self.memory.compare_and_set(key, expected, value, ttl).await
    }
    async fn increment(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, Error> {
        self.memory.increment(key, by, ttl).await
    }
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Page, Error> {
        self.memory.list(prefix, after, limit).await
    }
}

fn gated(gate: &Arc<Gate>) -> Arc<Runtime> {
    let mut options = options();
    options.capabilities.kv = Arc::clone(gate) as Arc<dyn Store>;
    Runtime::new(options).unwrap()
}

#[tokio::test]
async fn a_waiting_call_keeps_its_instance_and_others_wait_their_turn() {
    let gate = Gate::new();
    let runtime = gated(&gate);
    let stage = hostile(
        &runtime,
        "kv",
        Limits {
            max_instances: 1,
            ..limits()
        },
    );
    let (first, second) = tokio::join!(stage.call(Phase::Request, exchange()), async {
        // Not before the first one has suspended its guest inside the host.
        gate.entered.acquire().await.unwrap().forget();
        let mut second = Box::pin(stage.call(Phase::Response, exchange()));
        assert!(
            futures_util::poll!(&mut second).is_pending(),
            "it waits for its turn"
        );
        gate.open.add_permits(1000);
        second.await
    });
    first.1.unwrap();
    assert_eq!(results(&first.0)[2], "Some(\"1\")");
    second.1.unwrap();
    assert_eq!(counters(&stage).live_instances, 1);
}

#[tokio::test]
async fn too_many_calls_at_once_are_saturation() {
    let gate = Gate::new();
    let runtime = gated(&gate);
    let deadline = Duration::from_millis(300);
    let stage = hostile(
        &runtime,
        "kv",
        Limits {
            max_instances: 1,
            deadline,
            ..limits()
        },
    );
    let mut waiting = Box::pin(stage.call(Phase::Request, exchange()));
    tokio::select! {
        biased;
        _ = &mut waiting => panic!("the gate is closed"),
        permit = gate.entered.acquire() => permit.unwrap().forget(),
    }
    // `waiting` is not polled meanwhile, so it holds the only instance.
    let (x, verdict) = stage.call(Phase::Request, exchange()).await;
    assert!(matches!(verdict, Err(StageError::Saturated)), "{verdict:?}");
    assert_eq!(&*x.id, "id-1");
    assert_eq!(counters(&stage).saturated, 1);

    gate.open.add_permits(1000);
    drop(waiting);
    let (_, verdict) = stage.call(Phase::Request, exchange()).await;
    verdict.unwrap();
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_unavailable_before_the_deadline() {
    let gate = Gate::new();
    let runtime = gated(&gate);
    let deadline = Duration::from_secs(1);
    let stage = hostile(
        &runtime,
        "kv-once",
        Limits {
            deadline,
            ..limits()
        },
    );
    let (x, verdict) = stage.call(Phase::Request, exchange()).await;
    verdict.unwrap();
    assert!(
        results(&x)[0].contains("Unavailable(\"no answer in time\")"),
        "{:?}",
        results(&x)
    );
}

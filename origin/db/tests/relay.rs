//! Events on their way from an outbox to a consumer: in order, at least once, with one effect.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use zephyr_db::inbox::Inbox;
use zephyr_db::outbox::Outbox;
use zephyr_db::relay::{self, Relay};
use zephyr_db::{Db, DbError};
use zephyr_origin_core::{Consumer, ConsumerError, Event};
use zephyr_testkit::TestDb;

const LEFT: Outbox = zephyr_db::outbox!("lefts");
const RIGHT: Outbox = zephyr_db::outbox!("rights");
const INBOX: Inbox = zephyr_db::inbox!("lefts");

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database with two services' outboxes, and a consumer's inbox and effects.
async fn database() -> TestDb {
    let database = TestDb::new().await;
    let tables = "
        create schema lefts;
        create schema rights;
        create table lefts.outbox (
            seq bigint generated always as identity primary key, id uuid not null unique,
            kind text not null, key text not null, payload jsonb not null,
            occurred_at timestamptz not null);
        create table rights.outbox (like lefts.outbox including all);
        create table lefts.inbox (event_id uuid primary key, taken_at timestamptz not null default now());
        create table lefts.effects (seq bigint generated always as identity, key text not null);";
    sqlx::raw_sql(tables)
        .execute(database.db.write())
        .await
        .unwrap();
    database
}

async fn publish(db: &Db, outbox: Outbox, kind: &str, key: &str) -> Uuid {
    let mut tx = db.begin().await.unwrap();
    let event = Event::new(kind, key, json!({}));
    outbox.publish(&mut tx, &event).await.unwrap();
    tx.commit().await.unwrap();
    event.id
}

async fn effects(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar("select key from lefts.effects order by seq")
        .fetch_all(pool)
        .await
        .unwrap()
}

async fn waiting(db: &Db) -> Vec<i64> {
    let waiting = relay::waiting(db, &[LEFT, RIGHT]).await.unwrap();
    waiting.into_iter().map(|outbox| outbox.events).collect()
}

/// Has an effect of every event, once. Counts how often it was asked, and can be held up.
#[derive(Clone)]
struct Recorder {
    db: Db,
    asked: Arc<Mutex<Vec<String>>>,
    /// Told when an effect is committed. With `stuck` the relay never hears of it.
    done: Arc<Notify>,
    stuck: bool,
    refuses: Option<&'static str>,
}

impl Recorder {
    fn new(db: &Db) -> Self {
        Self {
            db: db.clone(),
            asked: Arc::default(),
            done: Arc::default(),
            stuck: false,
            refuses: None,
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn relay(&self) -> Relay {
        let consumer: Arc<dyn Consumer> = Arc::new(self.clone());
        Relay::new(self.db.clone(), vec![LEFT, RIGHT], vec![consumer])
    }

    async fn take(&self, event: &Event) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        if INBOX.is_new(&mut tx, event.id).await? {
            sqlx::query("insert into lefts.effects (key) values ($1)")
                .bind(&event.key)
                .execute(&mut *tx)
                .await?;
        }
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl Consumer for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn wants(&self, kind: &str) -> bool {
        kind == "thing.made"
    }

    async fn consume(&self, event: &Event) -> Result<(), ConsumerError> {
        self.asked.lock().unwrap().push(event.key.clone());
        if self.refuses == Some(event.key.as_str()) {
            return Err(ConsumerError("not today".into()));
        }
        let taken = self.take(event).await;
        taken.map_err(|error| ConsumerError(error.into()))?;
        self.done.notify_one();
        if self.stuck {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_commits_is_handed_on_once_and_in_order() {
    let database = database().await;
    let db = &database.db;
    let keys: Vec<String> = (0..230).map(|number| number.to_string()).collect();
    for key in &keys {
        publish(db, LEFT, "thing.made", key).await;
    }
    publish(db, LEFT, "thing.of.no.interest", "x").await;
    let mut given_up = db.begin().await.unwrap();
    let event = Event::new("thing.made", "given up", json!({}));
    LEFT.publish(&mut given_up, &event).await.unwrap();
    given_up.rollback().await.unwrap();

    let recorder = Recorder::new(db);
    recorder.relay().pass().await.unwrap();
    assert_eq!(recorder.asked(), keys);
    assert_eq!(
        waiting(db).await,
        [0, 0],
        "what nobody wants does not wait either"
    );
    recorder.relay().pass().await.unwrap();
    assert_eq!(recorder.asked().len(), keys.len());
    assert_eq!(effects(db.write()).await, keys);
}

#[tokio::test]
async fn a_relay_that_dies_after_the_effect_causes_no_second_one() {
    let database = database().await;
    let db = &database.db;
    publish(db, LEFT, "thing.made", "a").await;
    publish(db, LEFT, "thing.made", "b").await;

    let mut dies = Recorder::new(db);
    dies.stuck = true;
    let relay = dies.relay();
    let pass = tokio::spawn(async move { relay.pass().await });
    tokio::time::timeout(PATIENCE, dies.done.notified())
        .await
        .expect("the first effect");
    pass.abort();
    assert!(pass.await.unwrap_err().is_cancelled());
    assert_eq!(effects(db.write()).await, ["a"]);
    assert_eq!(waiting(db).await, [2, 0], "nothing was ticked off");

    let next = Recorder::new(db);
    // The dead relay's transaction ends when its connection comes back to the pool.
    let both = async {
        while waiting(db).await != [0, 0] {
            next.relay().pass().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, both)
        .await
        .expect("the next relay takes over");
    assert_eq!(next.asked(), ["a", "b"], "the first came twice");
    assert_eq!(effects(db.write()).await, ["a", "b"], "with one effect");
}

#[tokio::test]
async fn an_event_that_is_refused_holds_back_its_own_outbox_only() {
    let database = database().await;
    let db = &database.db;
    for key in ["a", "b", "c"] {
        publish(db, LEFT, "thing.made", key).await;
    }
    publish(db, RIGHT, "thing.made", "right").await;

    let mut recorder = Recorder::new(db);
    recorder.refuses = Some("b");
    let error = recorder.relay().pass().await.unwrap_err().to_string();
    assert!(
        error.contains("recorder") && error.contains("not today"),
        "{error}"
    );
    assert_eq!(recorder.asked(), ["a", "b", "right"]);
    assert_eq!(waiting(db).await, [2, 0]);

    recorder.refuses = None;
    recorder.relay().pass().await.unwrap();
    assert_eq!(effects(db.write()).await, ["a", "right", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_relays_do_not_overtake_each_other() {
    let database = database().await;
    let db = &database.db;
    let keys: Vec<String> = (0..150).map(|number| number.to_string()).collect();
    let recorder = Recorder::new(db);
    let stop = CancellationToken::new();
    let relays: Vec<_> = (0..2)
        .map(|_| tokio::spawn(recorder.relay().run(stop.clone())))
        .collect();
    for key in &keys {
        publish(db, LEFT, "thing.made", key).await;
    }
    let all = async {
        while recorder.asked().len() < keys.len() {
            recorder.done.notified().await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all");
    stop.cancel();
    for relay in relays {
        relay.await.unwrap();
    }
    assert_eq!(recorder.asked(), keys);
}

#[tokio::test]
async fn a_relay_survives_the_loss_of_its_connections() {
    let database = database().await;
    let db = &database.db;
    let recorder = Recorder::new(db);
    let stop = CancellationToken::new();
    let relay = tokio::spawn(recorder.relay().run(stop.clone()));
    publish(db, LEFT, "thing.made", "before").await;
    tokio::time::timeout(PATIENCE, recorder.done.notified())
        .await
        .expect("the first event");

    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
    )
    .execute(db.write())
    .await
    .unwrap();
    publish(db, LEFT, "thing.made", "after").await;
    tokio::time::timeout(PATIENCE, recorder.done.notified())
        .await
        .expect("the second event");
    assert_eq!(effects(db.write()).await, ["before", "after"]);
    stop.cancel();
    tokio::time::timeout(PATIENCE, relay)
        .await
        .expect("it stops when told to")
        .unwrap();
}

//! All SQL of this service.

use serde_json::Value;
use sqlx::{FromRow, PgTransaction};
use time::OffsetDateTime;
use zephyr_db::inbox::Inbox;
use zephyr_db::{Db, DbError};

use crate::model::{Change, Heartbeat};

/// The channel on which a commit with a change wakes the streams.
pub(crate) const CHANNEL: &str = "control";

/// Events taken in.
pub(crate) const INBOX: Inbox = zephyr_db::inbox!("control");

/// Appends a change. The head's row is locked until the transaction ends, so numbers are committed
/// in their order: who has read up to one will never find a smaller one later.
pub(crate) async fn append(
    tx: &mut PgTransaction<'_>,
    kind: &'static str,
    payload: &Value,
) -> Result<i64, DbError> {
    let seq: i64 = sqlx::query_scalar("update control.head set seq = seq + 1 returning seq")
        .fetch_one(&mut **tx)
        .await?;
    sqlx::query("insert into control.changes (seq, kind, payload) values ($1, $2, $3)")
        .bind(seq)
        .bind(kind)
        .bind(payload)
        .execute(&mut **tx)
        .await?;
    sqlx::query("select pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(seq.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(seq)
}

pub(crate) async fn head(db: &Db) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select seq from control.head")
        .fetch_one(db.write())
        .await?)
}

/// What a stream begins with, of one moment.
pub(crate) struct Start {
    /// The head of the log.
    pub(crate) head: i64,
    /// The oldest change kept; one past the head when none is.
    pub(crate) oldest: i64,
    /// All keys and values.
    pub(crate) kv: Vec<(String, String)>,
}

pub(crate) async fn start(db: &Db) -> Result<Start, DbError> {
    let mut tx = db.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only")
        .execute(&mut *tx)
        .await?;
    let (head, oldest): (i64, i64) = sqlx::query_as(
        "select h.seq, coalesce((select min(seq) from control.changes), h.seq + 1)
         from control.head h",
    )
    .fetch_one(&mut *tx)
    .await?;
    let kv = sqlx::query_as("select key, value from control.kv order by key")
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Start { head, oldest, kv })
}

pub(crate) async fn changes_after(db: &Db, seq: i64) -> Result<Vec<(i64, String, Value)>, DbError> {
    let changes = sqlx::query_as(
        "select seq, kind, payload from control.changes where seq > $1 order by seq limit 500",
    )
    .bind(seq)
    .fetch_all(db.write())
    .await?;
    Ok(changes)
}

pub(crate) async fn last_changes(db: &Db, before: i64, limit: i64) -> Result<Vec<Change>, DbError> {
    let rows: Vec<(i64, String, Value, OffsetDateTime)> = sqlx::query_as(
        "select seq, kind, payload, created_at from control.changes
         where seq < $1 order by seq desc limit $2",
    )
    .bind(before)
    .bind(limit)
    .fetch_all(db.read())
    .await?;
    let change = |(seq, kind, payload, created_at)| Change {
        seq,
        kind,
        payload,
        created_at,
    };
    Ok(rows.into_iter().map(change).collect())
}

pub(crate) async fn value(
    tx: &mut PgTransaction<'_>,
    key: &str,
) -> Result<Option<String>, DbError> {
    let value = sqlx::query_scalar("select value from control.kv where key = $1")
        .bind(key)
        .fetch_optional(&mut **tx)
        .await?;
    Ok(value)
}

pub(crate) async fn set_value(
    tx: &mut PgTransaction<'_>,
    key: &str,
    value: &str,
    seq: i64,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.kv (key, value, seq) values ($1, $2, $3)
         on conflict (key) do update set value = excluded.value, seq = excluded.seq",
    )
    .bind(key)
    .bind(value)
    .bind(seq)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(crate) async fn note_heartbeat(db: &Db, heartbeat: &Heartbeat) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.nodes (name, heartbeat, seq) values ($1, $2, $3)
         on conflict (name) do update
             set heartbeat = excluded.heartbeat, seq = excluded.seq, last_seen = now()",
    )
    .bind(&heartbeat.node)
    .bind(sqlx::types::Json(heartbeat))
    .bind(heartbeat.seq)
    .execute(db.write())
    .await?;
    Ok(())
}

/// A node's row.
#[derive(Debug, FromRow)]
pub(crate) struct Node {
    pub(crate) heartbeat: sqlx::types::Json<Heartbeat>,
    pub(crate) first_seen: OffsetDateTime,
    pub(crate) last_seen: OffsetDateTime,
    /// Seen within the last 15 seconds, by the clock that noted it.
    pub(crate) alive: bool,
}

pub(crate) async fn nodes(db: &Db) -> Result<Vec<Node>, DbError> {
    let nodes = sqlx::query_as(
        "select heartbeat, first_seen, last_seen,
                last_seen > now() - interval '15 seconds' as alive
         from control.nodes order by name limit 1000",
    )
    .fetch_all(db.read())
    .await?;
    Ok(nodes)
}

/// Forgets changes that no node will ask for any more, nodes gone for a week, and old events.
pub(crate) async fn trim(db: &Db, keep: i64) -> Result<u64, DbError> {
    let mut tx = db.begin().await?;
    let trimmed =
        sqlx::query("delete from control.changes where seq <= (select seq from control.head) - $1")
            .bind(keep)
            .execute(&mut *tx)
            .await?;
    sqlx::query("delete from control.nodes where last_seen < now() - interval '7 days'")
        .execute(&mut *tx)
        .await?;
    INBOX.trim(&mut tx).await?;
    tx.commit().await?;
    Ok(trimmed.rows_affected())
}

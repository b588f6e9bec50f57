//! Rate limits in a Durable Object: it sees all requests of a component, one at a time, so the same
//! arithmetic as on a node is exact for the whole site.
//!
//! Counters lie in memory. Those that take long to come back are kept in the object's storage too,
//! because an object without traffic is evicted; what is forgotten then is as good as new.

use std::cell::RefCell;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, State, durable_object};
use zephyr_edge_core::capability::{Decision, Limit, LimiterError};
use zephyr_edge_portable::limits::{Change, Counters};

/// A key that comes back sooner is not written down.
const KEPT: Duration = Duration::from_secs(30);
/// How often keys that are as good as new are deleted.
const SWEEP: Duration = Duration::from_secs(300);

#[derive(Serialize, Deserialize)]
struct Asked {
    key: String,
    count: u32,
    period_us: u64,
    burst: u32,
    cost: u32,
}

#[derive(Serialize, Deserialize)]
struct Told {
    allowed: bool,
    remaining: u32,
    reset_after_ns: u64,
    retry_after_ns: u64,
}

/// What the object answers: decisions, or why there are none.
#[derive(Serialize, Deserialize)]
enum Answer {
    Decisions(Vec<Told>),
    Invalid(String),
    Unavailable(String),
}

/// Asks the object of the component that the keys begin with.
pub(crate) async fn ask(
    env: &Env,
    limits: &[Limit],
) -> worker::Result<Result<Vec<Decision>, LimiterError>> {
    let component = limits.first().and_then(|limit| limit.key.split('/').next());
    let stub = env
        .durable_object("LIMITER")?
        .get_by_name(component.unwrap_or_default())?;
    let asked: Vec<Asked> = limits
        .iter()
        .map(|limit| Asked {
            key: limit.key.clone(),
            count: limit.count,
            period_us: u64::try_from(limit.period.as_micros()).unwrap_or(u64::MAX),
            burst: limit.burst,
            cost: limit.cost,
        })
        .collect();
    let body = serde_json::to_string(&asked)?;
    let mut init = worker::RequestInit::new();
    init.with_method(worker::Method::Post)
        .with_body(Some(body.into()));
    let request = Request::new_with_init("https://limiter.zephyr.invalid/", &init)?;
    let answer: Answer = stub.fetch_with_request(request).await?.json().await?;
    Ok(match answer {
        Answer::Decisions(told) => Ok(told
            .into_iter()
            .map(|told| Decision {
                allowed: told.allowed,
                remaining: told.remaining,
                reset_after: Duration::from_nanos(told.reset_after_ns),
                retry_after: Duration::from_nanos(told.retry_after_ns),
            })
            .collect()),
        Answer::Invalid(why) => Err(LimiterError::Invalid(why)),
        Answer::Unavailable(why) => Err(LimiterError::Unavailable(why)),
    })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn now() -> Duration {
    Duration::from_millis(worker::Date::now().as_millis())
}

/// The object.
#[durable_object]
pub struct Limiter {
    state: State,
    /// None until the kept ones have been read.
    counters: RefCell<Option<Counters>>,
}

impl DurableObject for Limiter {
    fn new(state: State, _: Env) -> Self {
        Self {
            state,
            counters: RefCell::new(None),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let asked: Vec<Asked> = request.json().await?;
        self.load().await?;
        let limits: Vec<Limit> = asked
            .into_iter()
            .map(|asked| Limit {
                key: asked.key,
                count: asked.count,
                period: Duration::from_micros(asked.period_us),
                burst: asked.burst,
                cost: asked.cost,
            })
            .collect();
        // No await between reading and writing: requests cannot come between each other.
        let checked = {
            let mut counters = self.counters.borrow_mut();
            counters.get_or_insert_default().check(now(), &limits)
        };
        let answer = match checked {
            Ok((decisions, changes)) => {
                self.keep(&changes).await?;
                Answer::Decisions(
                    decisions
                        .into_iter()
                        .map(|decision| Told {
                            allowed: decision.allowed,
                            remaining: decision.remaining,
                            reset_after_ns: nanos(decision.reset_after),
                            retry_after_ns: nanos(decision.retry_after),
                        })
                        .collect(),
                )
            }
            Err(LimiterError::Invalid(why)) => Answer::Invalid(why),
            Err(LimiterError::Unavailable(why)) => Answer::Unavailable(why),
        };
        Response::from_json(&answer)
    }

    /// Deletes what is as good as new.
    async fn alarm(&self) -> worker::Result<Response> {
        self.load().await?;
        let expired = {
            let mut counters = self.counters.borrow_mut();
            counters.get_or_insert_default().expire(now())
        };
        // 128 is what one call takes.
        for keys in expired.chunks(128) {
            self.state.storage().delete_multiple(keys.to_vec()).await?;
        }
        let idle = self
            .counters
            .borrow()
            .as_ref()
            .is_none_or(Counters::is_empty);
        if !idle {
            self.state.storage().set_alarm(SWEEP).await?;
        }
        Response::empty()
    }
}

impl Limiter {
    async fn load(&self) -> worker::Result<()> {
        if self.counters.borrow().is_some() {
            return Ok(());
        }
        let kept = self.state.storage().list().await?;
        let mut entries = Vec::new();
        kept.for_each(&mut |tat, key| {
            if let (Some(key), Some(tat)) = (key.as_string(), tat.as_string())
                && let Ok(tat) = tat.parse()
            {
                entries.push((key, tat));
            }
        });
        // Another request may have been here while this one read.
        self.counters
            .borrow_mut()
            .get_or_insert_with(|| Counters::new(entries));
        Ok(())
    }

    async fn keep(&self, changes: &[Change]) -> worker::Result<()> {
        let storage = self.state.storage();
        let kept = changes.iter().filter(|change| change.reset_after >= KEPT);
        let mut any = false;
        for change in kept {
            // As text: numbers of this size do not fit JavaScript's.
            storage.put(&change.key, change.tat.to_string()).await?;
            any = true;
        }
        if any && storage.get_alarm().await?.is_none() {
            storage.set_alarm(SWEEP).await?;
        }
        Ok(())
    }
}

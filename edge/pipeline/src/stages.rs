//! A route's stages around whoever answers: filters on the way in, the cache and the target, filters
//! on the way out.
//!
//! On the way in, stages run in order until one replies. `on-upstream` runs in reverse order on what
//! the target answered, before it is stored ([`on_upstream`]). On the way out, `on-response` runs in
//! reverse order for the stages that let the request pass; a stage that replied has said its word.
//! A stage that fails answers for the request (`on_error = "closed"`), or is passed over (`"open"`).

use std::fmt;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderValue, Version, header};
use zephyr_cache::answer::CACHE_STATUS;
use zephyr_edge_core::Phases;

use crate::config::OnError;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;
use crate::proxy_status::{self, ErrorType, PROXY_STATUS};
use crate::{fields, problem};

/// An answer on its way to the client.
pub type Answer<B> = (Parts, B);

/// When a filter is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A request has arrived and nothing has answered it.
    Request,
    /// An upstream has answered; the answer is not stored yet.
    Upstream,
    /// An answer leaves for the client.
    Response,
}

impl Phase {
    /// Whether a filter asked to be called in this phase.
    #[must_use]
    pub fn is_in(self, phases: Phases) -> bool {
        match self {
            Self::Request => phases.request,
            Self::Upstream => phases.upstream,
            Self::Response => phases.response,
        }
    }
}

/// What happens to the exchange after a filter has seen it.
#[derive(Debug)]
pub enum Verdict {
    /// Go on with the next stage.
    Next,
    /// Answer with this and skip the stages that are left. Status and fields follow the rules of
    /// `wit/filter.wit`; `content-length` is not set. Never stored in the cache.
    Reply(http::Response<Bytes>),
}

impl Verdict {
    /// Checks what a filter says against the rules of `wit/filter.wit`.
    ///
    /// # Errors
    ///
    /// Says which rule a reply breaks.
    pub fn checked(verdict: zephyr_edge_core::Verdict) -> Result<Self, String> {
        let reply = match verdict {
            zephyr_edge_core::Verdict::Next => return Ok(Self::Next),
            zephyr_edge_core::Verdict::Reply(reply) => reply,
        };
        if !(200..=599).contains(&reply.status) {
            return Err(format!("status {} is not 200 to 599", reply.status));
        }
        let mut response = http::Response::new(Bytes::from(reply.body));
        *response.status_mut() =
            http::StatusCode::from_u16(reply.status).map_err(|error| error.to_string())?;
        for (name, value) in reply.headers {
            let (name, value) = crate::headers::checked(&name, value)
                .map_err(|error| format!("field {name:?}: {error}"))?;
            if response.headers_mut().try_append(name, value).is_err() {
                return Err("too many fields".to_owned());
            }
        }
        Ok(Self::Reply(response))
    }
}

/// Why a filter gave no verdict.
pub trait Failure: fmt::Display {
    /// Whether it was not called at all, because all of its instances were busy.
    fn is_saturated(&self) -> bool {
        false
    }
}

/// A filter in a pipeline.
#[expect(async_fn_in_trait, reason = "a request never changes threads")]
pub trait Stage {
    /// Why it gives no verdict.
    type Failure: Failure;

    /// The filter's name.
    fn name(&self) -> &str;
    /// The phases in which it is to be called.
    fn phases(&self) -> Phases;
    /// What becomes of a request when it fails.
    fn on_error(&self) -> OnError;
    /// Calls it. It takes the exchange by value, so that it comes back whatever the filter does.
    async fn call(
        &self,
        phase: Phase,
        x: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, Self::Failure>);
}

/// Who answers when no stage has.
#[expect(async_fn_in_trait, reason = "a request never changes threads")]
pub trait Answerer<B> {
    /// Answers the request, from a cache or from the route's target.
    ///
    /// # Errors
    ///
    /// What the trip to the target says.
    async fn answer(&self, x: &mut Exchange, body: B) -> Result<Answer<B>, ProxyError>;
}

/// Runs a request through a route. `phases` are those of all its stages together.
pub async fn run<S: Stage, B: From<Bytes>>(
    stages: &[S],
    phases: Phases,
    mut x: Box<Exchange>,
    body: B,
    answerer: &impl Answerer<B>,
) -> (Box<Exchange>, Answer<B>) {
    let mut passed = stages.len();
    let mut early = None;
    if phases.request {
        for (at, stage) in stages.iter().enumerate() {
            if !stage.phases().request {
                continue;
            }
            let reply;
            (x, reply) = call(stage, Phase::Request, x).await;
            if let Some(answer) = reply {
                (passed, early) = (at, Some(answer));
                break;
            }
        }
    }
    let mut answer = match early {
        Some((parts, body)) => (parts, B::from(body)),
        None => match answerer.answer(&mut x, body).await {
            Ok(answer) => answer,
            Err(error) => {
                let (parts, body) = failed(&x, &error);
                (parts, B::from(body))
            }
        },
    };
    for change in std::mem::take(&mut x.pending) {
        change.apply(&mut answer.0.headers);
    }
    let stages = &stages[..passed];
    if phases.response && stages.iter().any(|stage| stage.phases().response) {
        (x, answer) = on_response(stages, x, answer).await;
    }
    finish(&x.id, &mut answer.0);
    (x, answer)
}

async fn on_response<S: Stage, B: From<Bytes>>(
    stages: &[S],
    mut x: Box<Exchange>,
    (parts, body): Answer<B>,
) -> (Box<Exchange>, Answer<B>) {
    x.response = Some(parts);
    for stage in stages.iter().rev().filter(|stage| stage.phases().response) {
        let reply;
        (x, reply) = call(stage, Phase::Response, x).await;
        if let Some((parts, body)) = reply {
            x.response = None;
            return (x, (parts, B::from(body)));
        }
    }
    let parts = x.response.take().unwrap_or_else(empty_head);
    (x, (parts, body))
}

/// Shows the target's answer to the stages that asked for it. What one of them answers in its place
/// must not be stored: the exchange's directives say so afterwards.
pub async fn on_upstream<S: Stage, B: From<Bytes>>(
    stages: &[S],
    x: &mut Exchange,
    (parts, body): Answer<B>,
) -> Answer<B> {
    let mut boxed = Box::new(std::mem::replace(x, x.placeholder()));
    boxed.response = Some(parts);
    let mut taken = None;
    for stage in stages.iter().rev().filter(|stage| stage.phases().upstream) {
        let reply;
        (boxed, reply) = call(stage, Phase::Upstream, boxed).await;
        if reply.is_some() {
            taken = reply;
            break;
        }
    }
    *x = *boxed;
    let seen = x.response.take();
    if let Some((parts, body)) = taken {
        let reason = || "filter-reply".to_owned();
        x.cache.bypass.get_or_insert_with(reason);
        return (parts, B::from(body));
    }
    (seen.unwrap_or_else(empty_head), body)
}

fn empty_head() -> Parts {
    http::Response::new(()).into_parts().0
}

/// Calls a stage and judges what comes of it.
async fn call<S: Stage>(
    stage: &S,
    phase: Phase,
    x: Box<Exchange>,
) -> (Box<Exchange>, Option<Answer<Bytes>>) {
    let (x, result) = stage.call(phase, x).await;
    let reply = match result {
        Ok(Verdict::Next) => None,
        Ok(Verdict::Reply(mut reply)) => {
            if phase == Phase::Request && is_refusal(reply.status()) {
                // RFC 9209, section 2.3.22: refused by policy, and forwarded to nobody.
                let status = proxy_status::value(ErrorType::HttpRequestDenied, None, "");
                reply.headers_mut().entry(PROXY_STATUS).or_insert(status);
            }
            Some(reply.into_parts())
        }
        Err(error) => stage_failed(stage, &x, &error),
    };
    (x, reply)
}

fn is_refusal(status: http::StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn stage_failed<S: Stage>(stage: &S, x: &Exchange, error: &S::Failure) -> Option<Answer<Bytes>> {
    let (filter, route, id) = (stage.name(), &*x.route, &*x.id);
    match stage.on_error() {
        OnError::Open => {
            tracing::warn!(filter, route, request.id = id, %error, "filter {filter} failed; going on without it");
            None
        }
        OnError::Closed => {
            tracing::error!(filter, route, request.id = id, %error, "filter {filter} failed");
            let (status, detail) = if error.is_saturated() {
                (503, "The server is too busy to check this request.")
            } else {
                (500, "The server could not check this request.")
            };
            Some(problem(status, detail, id))
        }
    }
}

/// An answer with a problem body.
fn problem(status: u16, detail: &str, id: &str) -> Answer<Bytes> {
    let (parts, body) = problem::response(status, detail, id).into_parts();
    (parts, body.into())
}

/// The answer to a request that the target could not answer.
fn failed(x: &Exchange, error: &ProxyError) -> Answer<Bytes> {
    let (route, id, status) = (&*x.route, &*x.id, error.status.as_u16());
    let mut answer = problem(status, error.detail, id);
    let headers = &mut answer.0.headers;
    headers.insert(PROXY_STATUS, proxy_status::of_error(error));
    if let Some(told) = &error.cache_status {
        headers.insert(CACHE_STATUS, told.clone());
    }
    if let Some(time) = error.retry_after {
        // In whole seconds (RFC 9110, section 10.2.3), and never too early.
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    if error.source == Source::Client {
        tracing::debug!(route, request.id = id, %error, "a request could not be read");
        if x.request.version < Version::HTTP_2 {
            // Where its body ends is not certain, so neither is where the next request begins.
            let close = HeaderValue::from_static("close");
            answer.0.headers.insert(header::CONNECTION, close);
        }
    } else {
        tracing::warn!(route, request.id = id, %error, "a request could not be answered: {error}");
    }
    answer
}

/// What every answer carries.
pub fn finish(id: &str, parts: &mut Parts) {
    if let Ok(id) = HeaderValue::from_str(id) {
        parts.headers.insert(fields::X_REQUEST_ID, id);
    }
    if !parts.headers.contains_key(header::VIA) {
        let via = HeaderValue::from_static(fields::VIA);
        parts.headers.insert(header::VIA, via);
    }
}

/// The answer to a request that is refused before it has a route.
#[must_use]
pub fn refuse(refusal: &crate::admission::Refusal, id: &str) -> Answer<Bytes> {
    let (mut parts, body) = problem(refusal.status.as_u16(), refusal.detail, id);
    if refusal.status == http::StatusCode::METHOD_NOT_ALLOWED {
        let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        let methods = HeaderValue::from_static(methods);
        parts.headers.insert(header::ALLOW, methods);
    }
    finish(id, &mut parts);
    (parts, body)
}

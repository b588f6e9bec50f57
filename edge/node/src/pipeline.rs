//! A route's pipeline: filters on the way in, the cache and the target, filters on the way out.
//!
//! On the way in, stages run in order until one replies. `on-upstream` runs in reverse order on what
//! the target answered, before it is stored (see [`trip`]). On the way out, `on-response` runs in
//! reverse order for the stages that let the request pass; a stage that replied has said its word.
//! A stage that fails answers for the request (`on_error = "closed"`), or is passed over (`"open"`).

mod problem;
mod route;
mod trip;

use http::response::Parts;
use http::{HeaderValue, Version, header};

pub(crate) use problem::{json as problem_json, problem, response as problem_response};
pub(crate) use route::{LoadedComponent, Route, Stage, Target};
pub(crate) use trip::{Trip, UpstreamTime};

use crate::body::Body;
use crate::config::OnError;
use crate::error::{ProxyError, Source};
use crate::exchange::Exchange;
use crate::fields;
use crate::wasm::{Phase, StageError, Verdict};
use crate::worker::{RouteTrip, Worker};

/// An answer on its way to the client.
pub(crate) type Answer = (Parts, Body);

/// What a stage has decided.
enum Decision {
    Next,
    Answer(Answer),
}

/// Runs a request through a route.
pub(crate) async fn run(
    worker: &Worker,
    route: &Route,
    trip: &RouteTrip,
    mut x: Box<Exchange>,
    body: Body,
) -> (Box<Exchange>, Answer) {
    let mut passed = route.stages.len();
    let mut early = None;
    if route.phases.request {
        for (at, stage) in route.stages.iter().enumerate() {
            if !stage.phases.request {
                continue;
            }
            let decision;
            (x, decision) = call(stage, Phase::Request, x).await;
            if let Decision::Answer(answer) = decision {
                (passed, early) = (at, Some(answer));
                break;
            }
        }
    }
    let mut answer = match early {
        Some(answer) => answer,
        None => {
            let result = if route.cache {
                worker.node.cache.serve(&mut x, body, &trip.fetch).await
            } else {
                trip.direct.without_cache(&mut x, body).await
            };
            result.unwrap_or_else(|error| failed(&x, error))
        }
    };
    for change in std::mem::take(&mut x.pending) {
        change.apply(&mut answer.0.headers);
    }
    if route.phases.response
        && route.stages[..passed]
            .iter()
            .any(|stage| stage.phases.response)
    {
        (x, answer) = on_response(&route.stages[..passed], x, answer).await;
    }
    finish(&x, &mut answer.0);
    (x, answer)
}

async fn on_response(
    stages: &[Stage],
    mut x: Box<Exchange>,
    (parts, body): Answer,
) -> (Box<Exchange>, Answer) {
    x.response = Some(parts);
    for stage in stages.iter().rev().filter(|stage| stage.phases.response) {
        let decision;
        (x, decision) = call(stage, Phase::Response, x).await;
        if let Decision::Answer(answer) = decision {
            x.response = None;
            return (x, answer);
        }
    }
    let parts = x
        .response
        .take()
        .unwrap_or_else(|| http::Response::new(()).into_parts().0);
    (x, (parts, body))
}

/// Calls a stage and judges what comes of it.
async fn call(stage: &Stage, phase: Phase, x: Box<Exchange>) -> (Box<Exchange>, Decision) {
    let (x, result) = stage.filter.call(phase, x).await;
    let decision = match result {
        Ok(Verdict::Next) => Decision::Next,
        Ok(Verdict::Reply(reply)) => {
            let (parts, body) = reply.into_parts();
            Decision::Answer((parts, Body::full(body)))
        }
        Err(error) => stage_failed(stage, &x, &error),
    };
    (x, decision)
}

fn stage_failed(stage: &Stage, x: &Exchange, error: &StageError) -> Decision {
    let (filter, route, id) = (stage.filter.name(), &*x.route, &*x.id);
    match stage.on_error {
        OnError::Open => {
            tracing::warn!(filter, route, request.id = id, %error, "filter {filter} failed; going on without it");
            Decision::Next
        }
        OnError::Closed => {
            tracing::error!(filter, route, request.id = id, %error, "filter {filter} failed");
            let (status, detail) = match error {
                StageError::Saturated => (503, "The server is too busy to check this request."),
                _ => (500, "The server could not check this request."),
            };
            Decision::Answer(problem(status, detail, id))
        }
    }
}

/// The answer to a request that the target could not answer.
fn failed(x: &Exchange, error: ProxyError) -> Answer {
    let (route, id, status) = (&*x.route, &*x.id, error.status.as_u16());
    let mut answer = problem(status, error.detail, id);
    if error.source == Source::Client {
        tracing::debug!(route, request.id = id, %error, "a request could not be read");
        if x.request.version < Version::HTTP_2 {
            // Where its body ends is not certain, so neither is where the next request begins.
            answer
                .0
                .headers
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    } else {
        tracing::warn!(route, request.id = id, %error, "a request could not be answered: {error}");
    }
    answer
}

/// What every answer carries.
pub(crate) fn finish(x: &Exchange, parts: &mut Parts) {
    if let Ok(id) = HeaderValue::from_str(&x.id) {
        parts.headers.insert(fields::X_REQUEST_ID, id);
    }
    if !parts.headers.contains_key(header::VIA) {
        parts
            .headers
            .insert(header::VIA, HeaderValue::from_static(fields::VIA));
    }
}

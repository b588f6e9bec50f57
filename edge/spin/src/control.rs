//! The control plane's state in the key-value store: the site's keys and values, and what has been
//! purged. Requests have the origin polled behind their backs, one at a time.

use std::rc::Rc;
use std::time::Duration;

use spin_sdk::key_value::Store;
use wasip3::http::client;
use wasip3::http::types::{Method, Request, Response, Scheme};
use wasip3::wit_future;
use zephyr_edge_pipeline::BoxError;
use zephyr_edge_pipeline::config::Origin;
use zephyr_edge_portable::cache::Dropped;
use zephyr_edge_portable::control::State;

use zephyr_edge_wasi::body::Body;
use zephyr_edge_wasi::{atomic, convert};

/// The key of the state.
const KEY: &str = "control/state";
/// How old the state may get before traffic has it polled again, in milliseconds.
const POLLED: u64 = 5_000;
/// The longest answer to a poll.
const MAX_BODY: usize = 16 << 20;

/// The state.
pub(crate) async fn state() -> Result<Rc<State>, BoxError> {
    let store = Store::open(atomic::STORE).await?;
    Ok(Rc::new(read(store.get(KEY).await?.as_deref())))
}

fn read(json: Option<&[u8]>) -> State {
    json.and_then(|json| serde_json::from_slice(json).ok())
        .unwrap_or_default()
}

fn update<T>(mut change: impl FnMut(&mut State) -> T) -> Result<T, BoxError> {
    let outcome = atomic::update(KEY, |json| {
        let mut state = read(json);
        let outcome = change(&mut state);
        (serde_json::to_vec(&state).ok(), outcome)
    });
    outcome.map_err(BoxError::from)
}

/// Notes a purge; gives the state after it.
pub(crate) fn purge(what: &Dropped) -> Result<Rc<State>, BoxError> {
    update(|state| {
        state.drop(what);
        Rc::new(state.clone())
    })
}

/// Whether the origin is to be asked again.
pub(crate) fn is_due(state: &State, now: Duration) -> bool {
    millis(now).saturating_sub(state.polled_ms) >= POLLED
}

fn millis(now: Duration) -> u64 {
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Asks the origin what has changed, unless another request has just begun to.
pub(crate) async fn poll(control: &(Origin, String), now: Duration) -> Result<(), BoxError> {
    let (origin, token) = control;
    let claimed = update(|state| {
        let due = is_due(state, now);
        if due {
            state.polled_ms = millis(now);
        }
        due.then(|| state.target("spin"))
    })?;
    let Some(target) = claimed else {
        return Ok(());
    };
    let body = fetch(origin, &target, token).await?;
    update(|state| state.take(&body).map(drop))??;
    Ok(())
}

async fn fetch(origin: &Origin, target: &str, token: &str) -> Result<Vec<u8>, BoxError> {
    let mut headers = http::HeaderMap::new();
    let bearer = http::HeaderValue::try_from(format!("Bearer {token}"))?;
    headers.insert(http::header::AUTHORIZATION, bearer);
    let (_, end) = wit_future::new(|| Ok(None));
    let (request, _sent) = Request::new(convert::fields_of(&headers), None, end, None);
    let scheme = if origin.is_tls() {
        Scheme::Https
    } else {
        Scheme::Http
    };
    let refused = |()| "the origin's address is refused";
    request.set_method(&Method::Get).map_err(refused)?;
    request.set_scheme(Some(&scheme)).map_err(refused)?;
    request
        .set_authority(Some(origin.authority().as_str()))
        .map_err(refused)?;
    request.set_path_with_query(Some(target)).map_err(refused)?;
    let response = client::send(request).await?;
    let status = response.get_status_code();
    if status != 200 {
        return Err(format!("the origin answers {status}").into());
    }
    let (_, done) = wit_future::new(|| Ok(()));
    let (stream, end) = Response::consume_body(response, done);
    let body = Body::of(stream, end, None).collect(MAX_BODY).await?;
    Ok(body.into())
}

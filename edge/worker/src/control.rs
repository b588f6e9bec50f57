//! The control plane's state in a Durable Object: the site's keys and values, and what has been
//! purged. It polls the origin, and takes purges of the Workers themselves in order.
//!
//! Isolates remember the state for a second. So a purge reaches all of a site's data centres within
//! that second of being noted here, and at once the isolate that asked for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use worker::{DurableObject, Env, Method, Request, Response, durable_object};
use zephyr_edge_portable::cache::Dropped;
use zephyr_edge_portable::control::State;

use crate::convert;
use crate::settings;

/// How long an isolate remembers the state, in milliseconds.
const REMEMBERED: u64 = 1_000;
/// How old the state may get before traffic has it polled again, in milliseconds.
const POLLED: u64 = 5_000;
/// A poll that takes longer than this is not waited for any more, in milliseconds.
const STUCK: u64 = 30_000;
/// The key of the state in the object's storage.
const KEY: &str = "state";

thread_local! {
    static KNOWN: RefCell<Option<(u64, Rc<State>)>> = const { RefCell::new(None) };
}

fn now() -> u64 {
    worker::Date::now().as_millis()
}

/// The state, at most a second old.
pub(crate) async fn state(env: &Env) -> worker::Result<Rc<State>> {
    let known = KNOWN.with_borrow(|known| {
        let (at, state) = known.as_ref()?;
        let age = now().checked_sub(*at)?;
        (age < REMEMBERED).then(|| Rc::clone(state))
    });
    match known {
        Some(state) => Ok(state),
        None => ask(env, "state", None).await,
    }
}

/// Notes a purge; gives the state after it.
pub(crate) async fn purge(env: &Env, what: &Dropped) -> worker::Result<Rc<State>> {
    ask(env, "purge", Some(serde_json::to_string(what)?)).await
}

/// Has the origin polled now.
pub(crate) async fn poll(env: &Env) -> worker::Result<Rc<State>> {
    ask(env, "poll", None).await
}

async fn ask(env: &Env, what: &str, body: Option<String>) -> worker::Result<Rc<State>> {
    let stub = env.durable_object("CONTROL")?.get_by_name("site")?;
    let mut init = worker::RequestInit::new();
    init.with_method(Method::Post)
        .with_body(body.map(worker::wasm_bindgen::JsValue::from));
    let request = Request::new_with_init(&format!("https://control.zephyr.invalid/{what}"), &init)?;
    let asked = now();
    let mut response = stub.fetch_with_request(request).await?;
    if response.status_code() != 200 {
        return Err(worker::Error::RustError(response.text().await?));
    }
    let state: Rc<State> = Rc::new(response.json().await?);
    KNOWN.set(Some((asked, Rc::clone(&state))));
    Ok(state)
}

/// The object.
#[durable_object]
pub struct Control {
    state: worker::State,
    env: Env,
    known: RefCell<Option<State>>,
    /// Since when somebody polls, in milliseconds; 0: nobody does.
    polling: Cell<u64>,
}

impl DurableObject for Control {
    fn new(state: worker::State, env: Env) -> Self {
        Self {
            state,
            env,
            known: RefCell::new(None),
            polling: Cell::new(0),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        self.load().await?;
        match request.path().as_str() {
            "/state" => {
                let polled = self.with(|state| state.polled_ms);
                if now().saturating_sub(polled) >= POLLED
                    && let Err(error) = self.poll().await
                {
                    // What is known is better than nothing; the next request tries again.
                    worker::console_warn!("the control plane could not be polled: {error}");
                }
            }
            "/poll" => self.poll().await?,
            "/purge" => {
                let what: Dropped = request.json().await?;
                self.with(|state| state.drop(&what));
                self.keep().await?;
            }
            _ => return Response::error("no such thing", 404),
        }
        let state = self.with(|state| state.clone());
        Response::from_json(&state)
    }
}

impl Control {
    async fn load(&self) -> worker::Result<()> {
        if self.known.borrow().is_none() {
            let kept: Option<String> = self.state.storage().get(KEY).await?;
            let kept = kept.and_then(|json| serde_json::from_str(&json).ok());
            self.known
                .borrow_mut()
                .get_or_insert_with(|| kept.unwrap_or_default());
        }
        Ok(())
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(self.known.borrow_mut().get_or_insert_default())
    }

    async fn keep(&self) -> worker::Result<()> {
        let json = self.with(|state| serde_json::to_string(state))?;
        self.state.storage().put(KEY, json).await
    }

    /// Asks the origin what has changed. One poll at a time.
    async fn poll(&self) -> worker::Result<()> {
        let origin = settings::control(&self.env).map_err(worker::Error::RustError)?;
        let Some((origin, token)) = origin else {
            return Ok(());
        };
        // A poll whose request was dropped never says that it is over.
        if now().saturating_sub(self.polling.get()) < STUCK {
            return Ok(());
        }
        self.polling.set(now());
        // Also when it fails: the origin is not asked again at once.
        self.with(|state| state.polled_ms = now());
        let target = self.with(|state| state.target("workers"));
        let outcome = fetch(&format!("{origin}{target}"), &token).await;
        self.polling.set(0);
        let body = outcome?;
        let taken = self.with(|state| state.take(&body).map(drop));
        taken.map_err(|error| worker::Error::RustError(error.to_string()))?;
        self.keep().await
    }
}

async fn fetch(url: &str, token: &str) -> worker::Result<Vec<u8>> {
    let mut headers = http::HeaderMap::new();
    let bearer = http::HeaderValue::try_from(format!("Bearer {token}"));
    let bearer = bearer.map_err(|_| worker::Error::RustError("EDGE_TOKEN is no token".into()))?;
    headers.insert(http::header::AUTHORIZATION, bearer);
    let request = convert::to_fetch(url, &http::Method::GET, &headers, None)?;
    let mut response = worker::Fetch::Request(request.into()).send().await?;
    match response.status_code() {
        200 => response.bytes().await,
        status => Err(worker::Error::RustError(format!(
            "the origin answers {status}"
        ))),
    }
}

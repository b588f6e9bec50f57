//! What a Worker can do, for one request.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use wasm_bindgen::{JsCast as _, JsValue};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Context, Date, Env};
use zephyr_edge_core::capability::{
    Clock, Decision, KvError, Level, Limit, LimiterError, Log, Random,
};
use zephyr_edge_pipeline::config::UpstreamConfig;
use zephyr_edge_pipeline::{ProxyError, Source};
use zephyr_edge_portable::cache::{Dropped, Marks, Record};
use zephyr_edge_portable::control::State;
use zephyr_edge_portable::edge::Tunnel;
use zephyr_edge_portable::platform::Local;
use zephyr_edge_portable::{HostBody as _, Platform};

use crate::body::Body;
use crate::settings::Settings;
use crate::{control, convert, limiter, store};

/// The runtime, as one request has it.
pub(crate) struct Workers {
    env: Env,
    context: Context,
    settings: Settings,
    /// The control plane's state, once this request has asked for it.
    state: RefCell<Option<Rc<State>>>,
}

impl Workers {
    pub(crate) fn new(env: Env, context: Context, settings: Settings) -> Self {
        Self {
            env,
            context,
            settings,
            state: RefCell::new(None),
        }
    }

    /// The control plane's state.
    async fn state(&self) -> Rc<State> {
        if let Some(state) = &*self.state.borrow() {
            return Rc::clone(state);
        }
        let state = match control::state(&self.env).await {
            Ok(state) => state,
            Err(error) => {
                worker::console_error!("the control plane's state cannot be read: {error}");
                Rc::default()
            }
        };
        *self.state.borrow_mut() = Some(Rc::clone(&state));
        state
    }
}

fn unavailable(error: impl std::fmt::Display) -> KvError {
    KvError::Unavailable(error.to_string())
}

fn logged<T>(what: &str, result: Result<T, JsValue>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            worker::console_error!("{what}: {error:?}");
            None
        }
    }
}

/// The shortest lifetime that Workers KV takes.
const SHORTEST: Duration = Duration::from_secs(60);

impl Clock for Workers {
    fn now(&self) -> Duration {
        Duration::from_millis(Date::now().as_millis())
    }
}

impl Random for Workers {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("crypto.getRandomValues never fails");
    }
}

impl Log for Workers {
    fn log(&self, level: Level, message: &str) {
        match level {
            Level::Debug => worker::console_debug!("{message}"),
            Level::Info => worker::console_log!("{message}"),
            Level::Warn => worker::console_warn!("{message}"),
            Level::Error => worker::console_error!("{message}"),
        }
    }
}

impl Platform for Workers {
    type Body = Body;

    /// The site's keys come with the control plane's state; the others lie in Workers KV.
    async fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        if key.starts_with("site/") {
            let state = self.state().await;
            return Ok(state.kv.get(key).map(|value| value.clone().into_bytes()));
        }
        let kv = self.env.kv("KV").map_err(unavailable)?;
        kv.get(key).bytes().await.map_err(unavailable)
    }

    async fn kv_set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        let kv = self.env.kv("KV").map_err(unavailable)?;
        let mut put = kv.put_bytes(key, value).map_err(unavailable)?;
        if let Some(ttl) = ttl {
            put = put.expiration_ttl(ttl.max(SHORTEST).as_secs());
        }
        put.execute().await.map_err(unavailable)
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        let kv = self.env.kv("KV").map_err(unavailable)?;
        kv.delete(key).await.map_err(unavailable)
    }

    async fn limit(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        let asked = limiter::ask(&self.env, limits).await;
        asked.map_err(|error| LimiterError::Unavailable(error.to_string()))?
    }

    async fn fetch(
        &self,
        upstream: &UpstreamConfig,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let (mut parts, body) = request.into_parts();
        if parts.extensions.get::<Tunnel>().is_some() {
            let websocket = http::HeaderValue::from_static("websocket");
            parts.headers.insert(http::header::UPGRADE, websocket);
        }
        // The runtime says both itself, from the URL and the body.
        parts.headers.remove(http::header::HOST);
        parts.headers.remove(http::header::CONTENT_LENGTH);
        let url = format!("{}{}", upstream.url, parts.uri);
        let body = body.into_js();
        let request = convert::to_fetch(&url, &parts.method, &parts.headers, body.as_ref())
            .map_err(|error| {
                let detail = "The request cannot be sent on.";
                ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail)
                    .with_cause(format!("{error:?}"))
            })?;
        let failed = |status, error: &JsValue| {
            let detail = "The upstream did not answer.";
            ProxyError::new(Source::Upstream, status, detail).with_cause(format!("{error:?}"))
        };
        let global: web_sys::WorkerGlobalScope = js_sys::global().unchecked_into();
        // The runtime has no limit of its own for how long an upstream may say nothing.
        let abort =
            web_sys::AbortSignal::timeout_with_f64(upstream.first_byte_timeout.as_millis() as f64);
        let answered = race(global.fetch_with_request(&request), &abort).await;
        match answered {
            Ok(raw) => convert::answer(raw.unchecked_ref())
                .map_err(|error| failed(StatusCode::BAD_GATEWAY, &error)),
            Err(error) if abort.aborted() => Err(failed(StatusCode::GATEWAY_TIMEOUT, &error)),
            Err(error) => Err(failed(StatusCode::BAD_GATEWAY, &error)),
        }
    }

    async fn load(&self, key: &str) -> Option<(Record, Body)> {
        logged("the cache cannot be read", store::load(key).await).flatten()
    }

    async fn save(&self, key: &str, mut record: Record, retention: Duration, body: Body) -> Body {
        let failed = "an answer cannot be stored";
        if !store::is_collected(&body) {
            let (kept, given) = body.tee();
            let key = key.to_owned();
            self.context.wait_until(async move {
                logged(failed, store::save(&key, &record, retention, kept).await);
            });
            return given;
        }
        // One of unknown length may turn out too large: it goes to the client all the same.
        let (copy, body) = body.tee();
        match copy.collect(self.settings.max_object_bytes).await {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                if record.is_whole(length) {
                    record.set_length(length);
                    let body = Body::Whole(bytes.clone());
                    logged(failed, store::save(key, &record, retention, body).await);
                    return Body::Whole(bytes);
                }
                body
            }
            Err(error) => {
                worker::console_warn!("{failed}: {error}");
                body
            }
        }
    }

    async fn remove(&self, key: &str) {
        logged("an answer cannot be forgotten", store::remove(key).await);
    }

    async fn marks(&self) -> Rc<Marks> {
        Rc::clone(&self.state().await.marks)
    }

    async fn purge(&self, what: Dropped) {
        match control::purge(&self.env, &what).await {
            Ok(state) => *self.state.borrow_mut() = Some(state),
            Err(error) => worker::console_error!("a purge was not noted: {error}"),
        }
    }

    fn detach(&self, work: Local<()>) {
        self.context.wait_until(work);
    }
}

/// Waits for a promise until the signal says that it is over.
async fn race(promise: js_sys::Promise, signal: &web_sys::AbortSignal) -> Result<JsValue, JsValue> {
    let over = js_sys::Promise::new(&mut |_, reject| {
        signal.set_onabort(Some(&reject));
    });
    JsFuture::from(js_sys::Promise::race(&js_sys::Array::of2(&promise, &over))).await
}

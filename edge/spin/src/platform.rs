//! What Spin can do, for one request.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{Request, Response, StatusCode};
use spin_sdk::key_value::Store;
use wasip3::http::client;
use wasip3::http::types::{ErrorCode, Request as Raw, RequestOptions, Scheme};
use zephyr_edge_core::capability::{
    Clock, Decision, KvError, Level, Limit, LimiterError, Log, Random,
};
use zephyr_edge_pipeline::config::UpstreamConfig;
use zephyr_edge_pipeline::{BoxError, ProxyError, Source};
use zephyr_edge_portable::cache::{Dropped, Marks, Record};
use zephyr_edge_portable::control::State;
use zephyr_edge_portable::platform::Local;
use zephyr_edge_portable::{HostBody, Platform};
use zephyr_edge_wasi::body::{Body, Collected};
use zephyr_edge_wasi::{atomic, convert, limiter};

use crate::settings::Settings;
use crate::{control, store};

/// A body of the host.
#[derive(Debug)]
pub(crate) struct Content(pub(crate) Body);

impl From<bytes::Bytes> for Content {
    fn from(bytes: bytes::Bytes) -> Self {
        Self(Body::Whole(bytes))
    }
}

impl HostBody for Content {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn length(&self) -> Option<u64> {
        self.0.length()
    }

    async fn collect(self, limit: usize) -> Result<bytes::Bytes, BoxError> {
        self.0.collect(limit).await
    }
}

/// The runtime, as one request has it.
pub(crate) struct Spin {
    settings: Settings,
    /// The control plane's state, once this request has asked for it.
    state: RefCell<Option<Rc<State>>>,
}

impl Spin {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: RefCell::new(None),
        }
    }

    /// The control plane's state. The first request of all waits for the origin; later ones have it
    /// asked behind their backs.
    async fn state(&self) -> Rc<State> {
        if let Some(state) = &*self.state.borrow() {
            return Rc::clone(state);
        }
        let mut state = read_state().await;
        if let Some(control) = &self.settings.control
            && control::is_due(&state, self.now())
        {
            let (control, now) = (Rc::clone(control), self.now());
            let polled = async move {
                if let Err(error) = control::poll(&control, now).await {
                    tracing::warn!("the control plane could not be polled: {error}");
                }
            };
            if state.seq.is_none() {
                polled.await;
                state = read_state().await;
            } else {
                self.detach(Box::pin(polled));
            }
        }
        *self.state.borrow_mut() = Some(Rc::clone(&state));
        state
    }
}

async fn read_state() -> Rc<State> {
    match control::state().await {
        Ok(state) => state,
        Err(error) => {
            tracing::error!("the control plane's state cannot be read: {error}");
            Rc::default()
        }
    }
}

fn unavailable(error: impl std::fmt::Display) -> KvError {
    KvError::Unavailable(error.to_string())
}

/// A component's value: until when it lives, in milliseconds since the Unix epoch (0: for ever), and
/// the value.
fn with_lifetime(now: Duration, ttl: Option<Duration>, value: &[u8]) -> Vec<u8> {
    let until = ttl.map_or(0, |ttl| u64::try_from((now + ttl).as_millis()).unwrap_or(0));
    let mut entry = until.to_le_bytes().to_vec();
    entry.extend_from_slice(value);
    entry
}

impl Clock for Spin {
    fn now(&self) -> Duration {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

impl Random for Spin {
    fn fill(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("wasi:random never fails");
    }
}

impl Log for Spin {
    fn log(&self, level: Level, message: &str) {
        zephyr_edge_wasi::log::line(
            match level {
                Level::Debug => return,
                Level::Info => "INFO",
                Level::Warn => "WARN",
                Level::Error => "ERROR",
            },
            message,
        );
    }
}

impl Platform for Spin {
    type Body = Content;

    async fn kv_get(&self, key: &str) -> Result<Option<Vec<u8>>, KvError> {
        if key.starts_with("site/") {
            let state = self.state().await;
            return Ok(state.kv.get(key).map(|value| value.clone().into_bytes()));
        }
        let store = Store::open(atomic::STORE).await.map_err(unavailable)?;
        let Some(entry) = store.get(key).await.map_err(unavailable)? else {
            return Ok(None);
        };
        let Some((until, value)) = entry.split_first_chunk() else {
            return Ok(None);
        };
        let until = Duration::from_millis(u64::from_le_bytes(*until));
        let alive = until.is_zero() || self.now() < until;
        Ok(alive.then(|| value.to_vec()))
    }

    async fn kv_set(&self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), KvError> {
        let store = Store::open(atomic::STORE).await.map_err(unavailable)?;
        let entry = with_lifetime(self.now(), ttl, value);
        store.set(key, entry).await.map_err(unavailable)
    }

    async fn kv_delete(&self, key: &str) -> Result<(), KvError> {
        let store = Store::open(atomic::STORE).await.map_err(unavailable)?;
        store.delete(key).await.map_err(unavailable)
    }

    async fn limit(&self, limits: &[Limit]) -> Result<Vec<Decision>, LimiterError> {
        limiter::check(self.now(), limits)
    }

    async fn fetch(
        &self,
        upstream: &UpstreamConfig,
        request: Request<Content>,
    ) -> Result<Response<Content>, ProxyError> {
        let (mut parts, body) = request.into_parts();
        // The host says it itself, from the authority.
        parts.headers.remove(http::header::HOST);
        let options = RequestOptions::new();
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).ok();
        // A host may not support them; it has limits of its own then.
        let _ = options.set_connect_timeout(nanos(upstream.connect_timeout));
        let _ = options.set_first_byte_timeout(nanos(upstream.first_byte_timeout));
        let _ = options.set_between_bytes_timeout(nanos(upstream.idle_timeout));
        let (contents, end) = body.0.into_contents();
        let fields = convert::fields_of(&parts.headers);
        let (raw, _sent) = Raw::new(fields, contents, end, Some(options));
        let origin = &upstream.url;
        let scheme = if origin.is_tls() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let target = parts.uri.to_string();
        let unfit = |()| {
            let detail = "The request cannot be sent on.";
            ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail)
        };
        raw.set_method(&convert::to_method(&parts.method))
            .map_err(unfit)?;
        raw.set_scheme(Some(&scheme)).map_err(unfit)?;
        raw.set_authority(Some(origin.authority().as_str()))
            .map_err(unfit)?;
        raw.set_path_with_query(Some(&target)).map_err(unfit)?;
        let answered = client::send(raw).await.map_err(|error| no_answer(&error))?;
        let answer = convert::answer(answered);
        answer.map(|answer| answer.map(Content)).map_err(|error| {
            let detail = "The upstream's answer cannot be read.";
            ProxyError::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail).with_cause(error)
        })
    }

    async fn load(&self, key: &str) -> Option<(Record, Content)> {
        match store::load(key).await {
            Ok(found) => found.map(|(record, body)| (record, Content(Body::Whole(body)))),
            Err(error) => {
                tracing::error!("the cache cannot be read: {error}");
                None
            }
        }
    }

    async fn save(
        &self,
        key: &str,
        mut record: Record,
        retention: Duration,
        body: Content,
    ) -> Content {
        let bytes = match body.0.try_collect(store::MAX_BODY).await {
            Ok(Collected::Whole(bytes)) => bytes,
            Ok(Collected::TooLarge(body)) => return Content(body),
            Err(error) => {
                tracing::warn!("an answer is not stored: {error}");
                return Content(Body::broken());
            }
        };
        let length = bytes.len() as u64;
        if !record.is_whole(length) {
            return Content(Body::Whole(bytes));
        }
        record.set_length(length);
        if let Err(error) = store::save(key, &record, self.now(), retention, &bytes).await {
            tracing::error!("an answer cannot be stored: {error}");
        }
        Content(Body::Whole(bytes))
    }

    async fn remove(&self, key: &str) {
        if let Err(error) = store::remove(key).await {
            tracing::error!("an answer cannot be forgotten: {error}");
        }
    }

    async fn marks(&self) -> Rc<Marks> {
        Rc::clone(&self.state().await.marks)
    }

    async fn purge(&self, what: Dropped) {
        match control::purge(&what) {
            Ok(state) => *self.state.borrow_mut() = Some(state),
            Err(error) => tracing::error!("a purge was not noted: {error}"),
        }
    }

    fn detach(&self, work: Local<()>) {
        wasip3::spawn(work);
    }
}

fn no_answer(error: &ErrorCode) -> ProxyError {
    let late = matches!(
        error,
        ErrorCode::DnsTimeout
            | ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout
    );
    let status = if late {
        StatusCode::GATEWAY_TIMEOUT
    } else {
        StatusCode::BAD_GATEWAY
    };
    let detail = "The upstream did not answer.";
    ProxyError::new(Source::Upstream, status, detail).with_cause(format!("{error:?}"))
}

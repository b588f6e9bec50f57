//! A request through one policy, and on to whoever stands behind it.

use std::cell::OnceCell;
use std::sync::Arc;

use http::{StatusCode, header};
use wasip3::http::types::{ErrorCode, Request, Response};
use zephyr_edge_core::{Filter, Phases};
use zephyr_edge_pipeline::admission::{self, Peer};
use zephyr_edge_pipeline::config::{Network, OnError};
use zephyr_edge_pipeline::stages::{self, Answer, Phase, Verdict};
use zephyr_edge_pipeline::{Exchange, ProxyError, Source, fields};
use zephyr_edge_wasi::body::Body;
use zephyr_edge_wasi::convert;
use zephyr_edge_wasi::log;

use crate::host::MiddlewareHost;
use crate::settings::Settings;
use crate::{next, voice};

/// Holds the policy of an instance.
#[derive(Debug)]
pub struct Slot<F>(OnceCell<Result<Configured<F>, String>>);

#[derive(Debug)]
struct Configured<F> {
    policy: F,
    phases: Phases,
    settings: Settings,
    route: Arc<str>,
}

// A component instance runs on one thread.
#[expect(unsafe_code, reason = "a static must be Sync")]
// SAFETY: the world has no threads; nothing ever shares the slot.
unsafe impl<F> Sync for Slot<F> {}

impl<F: Filter> Slot<F> {
    /// A slot without a policy yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only ever a static")]
    pub const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// What comes from behind is none.
    pub async fn handle(&self, request: Request) -> Result<Response, ErrorCode> {
        let configured = match self.0.get_or_init(configure) {
            Ok(configured) => configured,
            Err(why) => {
                log::line(
                    "ERROR",
                    &format!("this middleware is not configured: {why}"),
                );
                return convert::response(convert::broken());
            }
        };
        let scheme = request.get_scheme();
        let authority = request.get_authority();
        let Ok((request, peer)) = convert::request(request).await else {
            return convert::response(convert::unreadable());
        };
        let (mut parts, body) = request.into_parts();
        // Version 7 asks for a clock and random bytes; what is sent along is taken as it is.
        let id: Arc<str> = parts
            .headers
            .get(fields::X_REQUEST_ID)
            .and_then(|id| id.to_str().ok())
            .unwrap_or("-")
            .into();
        let client = Client {
            peer,
            trusted: configured.settings.trust_forwarded,
        };
        let proxies: [Network; 0] = [];
        let admitted = match admission::admit(&mut parts, &client, &proxies) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let (parts, body) = stages::refuse(&refusal, &id);
                return convert::response(http::Response::from_parts(parts, Body::Whole(body)));
            }
        };
        let x = Box::new(Exchange::new(
            id,
            admitted,
            Arc::clone(&configured.route),
            parts,
        ));
        let behind = Behind { scheme, authority };
        let stages = [configured];
        let (_, (parts, body)) = stages::run(
            &stages,
            configured.phases,
            x,
            body,
            &Through { configured, behind },
        )
        .await;
        convert::response(http::Response::from_parts(parts, body))
    }
}

fn configure<F: Filter>() -> Result<Configured<F>, String> {
    let settings = Settings::read()?;
    let made = F::configure(&settings.config.to_string());
    let (policy, phases) = made.map_err(|error| error.to_string())?;
    Ok(Configured {
        policy,
        phases,
        route: settings.route.as_str().into(),
        settings,
    })
}

struct Client {
    peer: convert::Peer,
    trusted: bool,
}

impl Peer for Client {
    fn address(&self) -> std::net::IpAddr {
        self.peer.address
    }

    fn trusted(&self) -> bool {
        self.trusted
    }

    fn http1(&self) -> bool {
        false
    }

    fn scheme(&self) -> &'static str {
        self.peer.scheme
    }
}

/// What a policy answered cannot be sent.
#[derive(Debug)]
pub struct InvalidReply(String);

impl std::fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl stages::Failure for InvalidReply {}

impl<F: Filter> stages::Stage for &Configured<F> {
    type Failure = InvalidReply;

    fn name(&self) -> &str {
        &self.route
    }

    fn phases(&self) -> Phases {
        self.phases
    }

    fn on_error(&self) -> OnError {
        OnError::Closed
    }

    async fn call(
        &self,
        phase: Phase,
        mut x: Box<Exchange>,
    ) -> (Box<Exchange>, Result<Verdict, InvalidReply>) {
        let host = MiddlewareHost {
            kv: &self.settings.kv,
        };
        let verdict = match phase {
            Phase::Request => self.policy.on_request(&mut *x, &host).await,
            Phase::Upstream => self.policy.on_upstream(&mut *x, &host).await,
            Phase::Response => self.policy.on_response(&mut *x, &host).await,
        };
        (x, Verdict::checked(verdict).map_err(InvalidReply))
    }
}

/// Where a request was meant to go, for whoever stands behind.
struct Behind {
    scheme: Option<wasip3::http::types::Scheme>,
    authority: Option<String>,
}

struct Through<'a, F> {
    configured: &'a Configured<F>,
    behind: Behind,
}

impl<F: Filter> stages::Answerer<Body> for Through<'_, F> {
    async fn answer(&self, x: &mut Exchange, body: Body) -> Result<Answer<Body>, ProxyError> {
        let broken = |cause: String| {
            let detail = "The application did not answer.";
            ProxyError::new(Source::Upstream, StatusCode::BAD_GATEWAY, detail).with_cause(cause)
        };
        let mut headers = x.request.headers.clone();
        headers.remove(header::HOST);
        let (contents, end) = body.into_contents();
        let (raw, _sent) = Request::new(convert::fields_of(&headers), contents, end, None);
        let unfit = |()| {
            let detail = "The request cannot be sent on.";
            ProxyError::new(Source::Client, StatusCode::BAD_REQUEST, detail)
        };
        raw.set_method(&convert::to_method(&x.request.method))
            .map_err(unfit)?;
        raw.set_scheme(self.behind.scheme.as_ref()).map_err(unfit)?;
        raw.set_authority(self.behind.authority.as_deref())
            .map_err(unfit)?;
        raw.set_path_with_query(Some(&x.request.uri.to_string()))
            .map_err(unfit)?;
        let answered = next::handle(raw)
            .await
            .map_err(|error| broken(format!("{error:?}")))?;
        let answer = convert::answer(answered).map_err(|error| broken(error.to_string()))?;
        let mut answer = answer.into_parts();
        if self.configured.phases.upstream {
            answer = stages::on_upstream(&[self.configured], x, answer).await;
        }
        voice::say(&x.cache, &mut answer.0.headers);
        Ok(answer)
    }
}

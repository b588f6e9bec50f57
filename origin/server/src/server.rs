//! Puts the services together and serves them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::extract::DefaultBodyLimit;
use axum::{Extension, Router, middleware};
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;
use zephyr_auth::{Auth, SigningKeys};
use zephyr_control::{Control, ControlOptions};
use zephyr_db::{Db, DbOptions};
use zephyr_http::bearer::Verifier;
use zephyr_http::{fallback, request_id};
use zephyr_listings::Listings;

use crate::api::Api;
use crate::background::{self, OUTBOXES};
use crate::{Config, limit, log, probes};

/// What no route needs more of, unless it says so.
const MAX_BODY: usize = 64 * 1024;

/// A running origin.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    db: Db,
    stop: CancellationToken,
    grace: Duration,
    serving: JoinHandle<std::io::Result<()>>,
    background: JoinSet<()>,
}

impl Server {
    /// Listens and serves. The database may be away: then requests get 503 until it is there.
    ///
    /// # Errors
    ///
    /// The address is taken, the signing key or a URL cannot be read, a token is empty.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        for (name, token) in [("admin", &config.admin_token), ("edge", &config.edge_token)] {
            anyhow::ensure!(
                token.expose_secret().len() >= 16,
                "the {name} token must have 16 characters or more"
            );
        }
        let keys = SigningKeys::load_or_make(&config.signing_key)?;
        let mut options = DbOptions::new(config.database_url.clone());
        options.read_url = config.read_database_url.clone();
        let db = Db::lazy(&options).context("the database's URL")?;
        let stop = CancellationToken::new();
        let auth = Auth::new(db.clone(), &keys).context("a signing key cannot be used")?;
        let control = Control::new(
            db.clone(),
            ControlOptions {
                edge_token: config.edge_token.clone(),
                admin_token: config.admin_token.clone(),
                outboxes: OUTBOXES.to_vec(),
            },
            stop.clone(),
        );
        let listings = Listings::new(db.clone());
        let router = router(&config, &db, &auth, &listings, &control);
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("listening on {}", config.listen))?;
        let addr = listener
            .local_addr()
            .context("reading the listening address")?;
        let background = background::start(&db, &auth, &listings, &control, &stop);
        let stopped = stop.clone().cancelled_owned();
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
        let serving = tokio::spawn(async move { serving.await });
        Ok(Self {
            addr,
            db,
            stop,
            grace: config.shutdown_grace,
            serving,
            background,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: no new connections, open requests are finished within the grace, streams end.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let finished = async {
            let served = (&mut self.serving).await;
            while self.background.join_next().await.is_some() {}
            served
        };
        match tokio::time::timeout(self.grace, finished).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "Serving ended with {error}"),
            Ok(Err(error)) => tracing::error!(%error, "Serving ended with {error}"),
            Err(_) => {
                tracing::warn!("Requests that were still open after the grace were cut off");
                self.serving.abort();
            }
        }
        // Connections that somebody holds must not keep us.
        let _ = tokio::time::timeout(Duration::from_secs(2), self.db.close()).await;
    }
}

fn router(config: &Config, db: &Db, auth: &Auth, listings: &Listings, control: &Control) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(Api::openapi())
        .merge(auth.router())
        .merge(listings.router())
        .merge(control.admin_router())
        .split_for_parts();
    let places = Arc::new(Semaphore::new(config.max_requests));
    Router::new()
        .merge(api)
        .merge(control.edge_router())
        .merge(SwaggerUi::new("/docs").url("/openapi.json", description))
        .fallback(fallback::not_found)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(Verifier(auth.verifier())))
        .layer(middleware::from_fn(fallback::method_not_allowed))
        .layer(middleware::from_fn_with_state(
            config.request_timeout,
            limit::in_time,
        ))
        .layer(middleware::from_fn_with_state(places, limit::at_once))
        // Probes answer whatever the load.
        .merge(probes::router(db.clone()))
        .layer(CatchPanicLayer::custom(fallback::panicked))
        .layer(middleware::from_fn(log::layer))
        .layer(middleware::from_fn(request_id::layer))
}

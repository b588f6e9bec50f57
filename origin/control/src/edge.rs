//! HTTP for edge nodes.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware, routing};
use http::{StatusCode, header};
use tokio_stream::wrappers::ReceiverStream;
use zephyr_http::{Failure, Json, Params};

use crate::model::{self, Heartbeat};
use crate::{Control, store, stream, token};

/// A heartbeat with a thousand routes is shorter.
const MAX_BODY: usize = 512 * 1024;

impl Control {
    /// The routes for edge nodes. They are not part of the public API description.
    pub fn edge_router(&self) -> Router {
        Router::new()
            .route("/control/changes", routing::get(changes))
            .route("/control/heartbeat", routing::post(heartbeat))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(middleware::from_fn_with_state(
                self.edge_token.clone(),
                token::require,
            ))
            .with_state(self.clone())
    }
}

async fn changes(State(control): State<Control>, mut params: Params) -> Result<Response, Failure> {
    let node = params.text("node");
    if !node.as_deref().is_some_and(model::is_node) {
        params.wrong("node", model::NODE_RULE);
    }
    let after: Option<i64> = params.value("after");
    let follow: Option<bool> = params.value("follow");
    params.finish()?;
    let node = node.unwrap_or_default();
    let lines = stream::open(control.source(), after, follow.unwrap_or(true)).await?;
    match follow {
        Some(false) => tracing::debug!(node, "Edge {node} polls the change log"),
        _ => tracing::info!(node, "Edge node {node} follows the change log"),
    }
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(lines))).into_response())
}

async fn heartbeat(
    State(control): State<Control>,
    Json(heartbeat): Json<Heartbeat>,
) -> Result<StatusCode, Failure> {
    heartbeat.check()?;
    store::note_heartbeat(&control.db, &heartbeat).await?;
    Ok(StatusCode::NO_CONTENT)
}

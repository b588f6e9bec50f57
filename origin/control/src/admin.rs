//! HTTP for operators.

use axum::extract::{DefaultBodyLimit, State};
use axum::middleware;
use axum::response::IntoResponse;
use http::{StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use zephyr_http::{Failure, Json, Params};
use zephyr_origin_core::error::Problem;

use crate::model::{
    Change, ComponentInForce, Health, NodeView, PurgeParams, Receipt, RouteInForce,
};
use crate::{Control, store, token};

/// 256 surrogate keys fit.
const MAX_BODY: usize = 128 * 1024;

impl Control {
    /// The admin API.
    pub fn admin_router(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(nodes))
            .routes(routes!(routes_in_force))
            .routes(routes!(components))
            .routes(routes!(changes))
            .routes(routes!(health))
            .routes(routes!(purge))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(middleware::from_fn_with_state(
                self.admin_token.clone(),
                token::require,
            ))
            .with_state(self.clone())
    }
}

fn fresh<T: serde::Serialize>(view: T) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], Json(view))
}

/// Edge nodes
#[utoipa::path(
    get, path = "/admin/api/nodes", tag = "admin", security(("admin" = [])),
    responses((status = 200, description = "All nodes of the last week", body = Vec<NodeView>),
              (status = 401, description = "No admin token", body = Problem, content_type = "application/problem+json"))
)]
async fn nodes(State(control): State<Control>) -> Result<impl IntoResponse, Failure> {
    Ok(fresh(control.nodes().await?))
}

/// Routes in force
#[utoipa::path(
    get, path = "/admin/api/routes", tag = "admin", security(("admin" = [])),
    responses((status = 200, description = "Routes of the nodes that are alive", body = Vec<RouteInForce>))
)]
async fn routes_in_force(State(control): State<Control>) -> Result<impl IntoResponse, Failure> {
    let all = control.in_force(|node| node.heartbeat.routes).await?;
    let view = |(route, nodes)| RouteInForce { route, nodes };
    Ok(fresh(all.into_iter().map(view).collect::<Vec<_>>()))
}

/// Components in force
#[utoipa::path(
    get, path = "/admin/api/components", tag = "admin", security(("admin" = [])),
    responses((status = 200, description = "Components of the nodes that are alive", body = Vec<ComponentInForce>))
)]
async fn components(State(control): State<Control>) -> Result<impl IntoResponse, Failure> {
    let all = control.in_force(|node| node.heartbeat.components).await?;
    let view = |(component, nodes)| ComponentInForce { component, nodes };
    Ok(fresh(all.into_iter().map(view).collect::<Vec<_>>()))
}

/// The end of the change log, newest first
#[utoipa::path(
    get, path = "/admin/api/changes", tag = "admin", security(("admin" = [])),
    params(("limit" = Option<u16>, Query, description = "1 to 100, 20 by default"),
           ("before" = Option<i64>, Query, description = "only changes before this number")),
    responses((status = 200, description = "Changes", body = Vec<Change>))
)]
async fn changes(
    State(control): State<Control>,
    mut params: Params,
) -> Result<impl IntoResponse, Failure> {
    let page = params.page();
    let before = params.value("before").unwrap_or(i64::MAX);
    params.finish()?;
    Ok(fresh(
        store::last_changes(&control.db, before, page.limit.into()).await?,
    ))
}

/// How the origin fares
#[utoipa::path(
    get, path = "/admin/api/health", tag = "admin", security(("admin" = [])),
    responses((status = 200, description = "Database, outboxes, nodes", body = Health),
              (status = 503, description = "The database is away", body = Problem, content_type = "application/problem+json"))
)]
async fn health(State(control): State<Control>) -> Result<impl IntoResponse, Failure> {
    Ok(fresh(control.health().await?))
}

/// Drop answers from the caches of all nodes
///
/// Nodes follow the change log: one whose `seq` has reached the receipt's has done it. With
/// `wait=true` the answer comes once all nodes that are alive have said so, or after 12 seconds
/// without that, and names them.
#[utoipa::path(
    post, path = "/admin/api/purge", tag = "admin", security(("admin" = [])), request_body = PurgeParams,
    params(("wait" = Option<bool>, Query, description = "whether to wait for the nodes; false by default")),
    responses((status = 200, description = "All nodes that are alive have done it", body = Receipt),
              (status = 202, description = "It is in the change log", body = Receipt),
              (status = 422, description = "Not exactly one of keys, url, prefix and all", body = Problem, content_type = "application/problem+json"))
)]
async fn purge(
    State(control): State<Control>,
    mut params: Params,
    Json(purge): Json<PurgeParams>,
) -> Result<impl IntoResponse, Failure> {
    let wait = params.value("wait").unwrap_or(false);
    params.finish()?;
    let soft = purge.soft;
    let mut receipt = control.purge(&purge.checked()?, soft).await?;
    if wait {
        receipt = control.confirmation(receipt.seq).await?;
    }
    let done = receipt
        .nodes
        .as_ref()
        .is_some_and(|nodes| nodes.waiting.is_empty());
    let status = if done {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, fresh(receipt)))
}

//! A second server is asked when the first takes long (Dean and Barroso: The Tail at Scale): the
//! first answer counts, the other request is given up. Only for requests that are safe (RFC 9110,
//! section 9.2.1) and within the budget of retries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Request;

use super::attempt::{Arrived, Missed, attempt};
use super::cluster::Cluster;
use super::count;
use super::form::copy_of;
use super::pool::Pool;
use super::send::Choice;
use crate::body::Body;

/// Sends a request to the server `first`, and to another one after some time.
pub(super) async fn send(
    pool: &Arc<Pool>,
    cluster: &Cluster,
    choice: &mut Choice,
    first: usize,
    request: Request<Body>,
    after: Duration,
) -> Result<Arrived, Missed> {
    let upstream = &pool.upstream;
    let copy = copy_of(&request);
    let line = pool.line(&cluster.endpoints[first]);
    let mut one = std::pin::pin!(attempt(&line, request, None, true));
    if let Ok(result) = tokio::time::timeout(after, one.as_mut()).await {
        return result;
    }
    let Some(second) = choice.next(upstream, cluster) else {
        return one.await;
    };
    if !upstream.may_retry() {
        return one.await;
    }
    count(&upstream.counts.hedges);
    let line = pool.line(&cluster.endpoints[second]);
    let other = std::pin::pin!(attempt(&line, copy, None, true));
    match select(one, other).await {
        Either::Left((Ok(arrived), _)) | Either::Right((Ok(arrived), _)) => Ok(arrived),
        Either::Left((Err(missed), other)) => other.await.map_err(|_| missed),
        Either::Right((Err(missed), one)) => one.await.map_err(|_| missed),
    }
}

//! What runs beside requests, until the server stops.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use zephyr_auth::Auth;
use zephyr_control::{Control, PurgeOnEvent};
use zephyr_db::Db;
use zephyr_db::outbox::Outbox;
use zephyr_db::relay::Relay;
use zephyr_listings::Listings;

/// All outboxes of the origin.
pub(crate) const OUTBOXES: [Outbox; 2] =
    [zephyr_auth::events::OUTBOX, zephyr_listings::events::OUTBOX];

/// How often old rows are swept.
const SWEEP: Duration = Duration::from_secs(600);

pub(crate) fn start(
    db: &Db,
    auth: &Auth,
    listings: &Listings,
    control: &Control,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let consumer = std::sync::Arc::new(PurgeOnEvent::new(db.clone()));
    let relay = Relay::new(db.clone(), OUTBOXES.to_vec(), vec![consumer]);
    tasks.spawn(relay.run(stop.clone()));
    tasks.spawn(control.clone().follow());
    tasks.spawn(publish_keys(
        auth.jwks().to_string(),
        control.clone(),
        stop.clone(),
    ));
    tasks.spawn(sweep(
        db.clone(),
        auth.clone(),
        listings.clone(),
        control.clone(),
        stop.clone(),
    ));
    tasks
}

/// Edge nodes verify tokens with these. Tries until the database is there.
async fn publish_keys(jwks: String, control: Control, stop: CancellationToken) {
    while let Err(error) = control.publish("site/jwks", &jwks).await {
        tracing::warn!(%error, "The signing keys will be published once the database is there: {error}");
        if pause(Duration::from_secs(1), &stop).await {
            return;
        }
    }
}

async fn sweep(db: Db, auth: Auth, listings: Listings, control: Control, stop: CancellationToken) {
    while !pause(SWEEP, &stop).await {
        let swept = async {
            let sessions = zephyr_auth::jobs::sweep(&auth).await?;
            let pictures = zephyr_listings::jobs::sweep(&listings).await?;
            let keys = zephyr_http::idempotency::sweep(&db).await?;
            let changes = zephyr_control::jobs::trim(&control).await?;
            Ok::<_, zephyr_db::DbError>((sessions, pictures, keys, changes))
        };
        match swept.await {
            Ok((sessions, pictures, keys, changes)) => {
                tracing::debug!(sessions, pictures, keys, changes, "Swept old rows");
            }
            Err(error) => tracing::warn!(%error, "Old rows could not be swept: {error}"),
        }
    }
}

/// Waits; true when it is time to stop.
async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}

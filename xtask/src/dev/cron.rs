//! Runs a worker's cron trigger often.
//!
//! Production has it each minute, the shortest that Cloudflare takes. In development a change in
//! the control plane, such as a purge, should be seen sooner.

use std::time::Duration;

use crate::bench::probe;
use crate::progress;

const PAUSE: Duration = Duration::from_secs(5);

/// Where `wrangler dev --test-scheduled` listens for it.
const PATH: &str = "/cdn-cgi/handler/scheduled";

/// Asks for it in a thread that ends with the process. A failure is said once until it goes well
/// again; the worker logs its own reasons.
pub(super) fn start(port: u16) {
    std::thread::spawn(move || {
        let mut failed = false;
        loop {
            std::thread::park_timeout(PAUSE);
            let outcome = match probe::get(port, PATH, None) {
                Ok(answer) if answer.status < 400 => Ok(()),
                Ok(answer) => Err(format!("status {}", answer.status)),
                Err(error) => Err(format!("{error:#}")),
            };
            if let Err(reason) = &outcome
                && !failed
            {
                progress::line(&format!("the worker's cron trigger failed: {reason}"));
            }
            failed = outcome.is_err();
        }
    });
}

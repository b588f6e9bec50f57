//! Runs the table against a host.

use std::time::Duration;

use crate::case::{self, Case, Exchange, Host};
use crate::tokens::Keys;
use crate::upstream::Upstream;
use crate::wire::Message;
use crate::{config, table};

/// How long what happens behind a client's back may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A host that is up.
pub(crate) trait Target {
    /// Its answer to a request.
    async fn ask(&self, request: &Exchange) -> Result<Message, String>;
}

/// The table, and the upstream that all exchanges go to.
pub(crate) struct Suite {
    keys: Keys,
    pub(crate) upstream: Upstream,
    pub(crate) config: String,
}

impl Suite {
    pub(crate) async fn start() -> Self {
        let keys = Keys::new();
        let upstream = Upstream::start().await;
        let config = config::text(upstream.address, &keys.jwks());
        Self {
            keys,
            upstream,
            config,
        }
    }

    /// Runs all cases; every one that fails is told.
    pub(crate) async fn run(&self, host: Host, target: &impl Target) {
        let mut failures = Vec::new();
        let (mut cases, mut exchanges) = (0, 0);
        for case in table::all(&self.keys) {
            if case.except.iter().any(|(except, _)| *except == host) {
                continue;
            }
            cases += 1;
            exchanges += case.exchanges.len();
            if let Err(why) = self.case(&case, target).await {
                failures.push(format!("{}\n    {why}", case.name));
            }
            self.upstream.forget(&case.slug());
        }
        tell(host, cases, exchanges);
        assert!(
            failures.is_empty(),
            "{host:?}: {} of {cases} cases failed:\n  {}",
            failures.len(),
            failures.join("\n  ")
        );
    }

    async fn case(&self, case: &Case, target: &impl Target) -> Result<(), String> {
        let slug = case.slug();
        for (at, exchange) in case.exchanges.iter().enumerate() {
            let exchange = placed(exchange, &slug);
            let what = format!("{}. {} {}", at + 1, exchange.method, exchange.target);
            self.exchange(&slug, &exchange, target)
                .await
                .map_err(|why| format!("{what}: {why}"))?;
        }
        Ok(())
    }

    async fn exchange(
        &self,
        slug: &str,
        exchange: &Exchange,
        target: &impl Target,
    ) -> Result<(), String> {
        self.upstream.will(slug, &exchange.up);
        self.upstream.will(slug, &exchange.later);
        let answer = target.ask(exchange).await;
        let answer = match answer {
            // A host may as well close the connection before there is anything.
            Err(_) if exchange.broken => return Ok(()),
            other => other?,
        };
        check(exchange, &answer)?;
        if !exchange.later.is_empty() {
            self.settle(slug, exchange, target).await?;
        }
        let left = self.upstream.left(slug);
        let seen = self.upstream.take_seen(slug);
        let wanted = exchange.up.len() + exchange.later.len();
        if left > 0 || seen.len() != wanted {
            return Err(format!(
                "the upstream was asked {} times, wanted {wanted}",
                seen.len()
            ));
        }
        if let Some(last) = seen.last() {
            check_seen(exchange, last)?;
        }
        Ok(())
    }

    /// Waits until the upstream has been asked for everything, and for what it said to be taken in.
    /// That is asked for in a way that goes to no upstream and refreshes nothing.
    async fn settle(
        &self,
        slug: &str,
        exchange: &Exchange,
        target: &impl Target,
    ) -> Result<(), String> {
        let probe = case::get(&exchange.target);
        let probe = probe.with("cache-control", "only-if-cached, min-fresh=1");
        let settled = async {
            while self.upstream.left(slug) > 0 || target.ask(&probe).await?.status() != 200 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, settled)
            .await
            .unwrap_or_else(|_| Err("nothing came of it behind the client's back".to_owned()))
    }
}

/// What was run, for who looks (`--nocapture`).
#[expect(clippy::print_stdout, reason = "a test's own words")]
fn tell(host: Host, cases: usize, exchanges: usize) {
    println!("{host:?}: {cases} cases, {exchanges} exchanges");
}

/// The exchange with the case's name in the place of `@`.
fn placed(exchange: &Exchange, slug: &str) -> Exchange {
    let mut exchange = exchange.clone();
    exchange.target = exchange.target.replace('@', slug);
    exchange.seen_target = exchange.seen_target.map(|target| target.replace('@', slug));
    for up in exchange.up.iter_mut().chain(&mut exchange.later) {
        for (_, value) in &mut up.fields {
            *value = value.replace('@', slug);
        }
    }
    exchange
}

fn check(exchange: &Exchange, answer: &Message) -> Result<(), String> {
    let mut failures = Vec::new();
    if exchange.broken {
        return match answer.whole {
            true if answer.status() < 500 => Err(format!("the body is whole: {answer:?}")),
            _ => Ok(()),
        };
    }
    if !exchange.status.contains(&answer.status()) {
        failures.push(format!(
            "status {}, wanted {:?}",
            answer.status(),
            exchange.status
        ));
    }
    if !answer.whole {
        failures.push("the body broke off".to_owned());
    }
    for (name, wanted) in &exchange.checks {
        failures.extend(wanted.failure(name, answer.field(name).as_deref()));
    }
    if let Some(body) = &exchange.answer
        && answer.body != body.as_bytes()
    {
        let got = String::from_utf8_lossy(&answer.body[..answer.body.len().min(80)]).into_owned();
        failures.push(format!(
            "body of {} bytes {got:?}, wanted {} bytes {:?}",
            answer.body.len(),
            body.len(),
            &body[..body.len().min(80)]
        ));
    }
    if failures.is_empty() {
        return Ok(());
    }
    let status = answer.field("cache-status").unwrap_or_default();
    Err(format!("{} (cache-status: {status})", failures.join("; ")))
}

fn check_seen(exchange: &Exchange, seen: &Message) -> Result<(), String> {
    for (name, wanted) in &exchange.seen {
        if let Some(why) = wanted.failure(name, seen.field(name).as_deref()) {
            return Err(format!("the upstream saw {why}"));
        }
    }
    if let Some(body) = exchange.seen_body
        && seen.body != body.as_bytes()
    {
        let got = String::from_utf8_lossy(&seen.body).into_owned();
        return Err(format!(
            "the upstream saw the body {got:?}, wanted {body:?}"
        ));
    }
    let target = seen.first.split(' ').nth(1).unwrap_or_default();
    match &exchange.seen_target {
        Some(wanted) if wanted != target => Err(format!(
            "the upstream was asked for {target}, wanted {wanted}"
        )),
        _ => Ok(()),
    }
}

//! One table of exchanges for all hosts: the policies and the engine in memory, Zephyr's node, the Spin
//! component and Cloudflare's workerd. What a host cannot do stands in the table with a sentence that
//! `docs/hosts.md` has as well.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod case;
mod config;
mod hosts;
mod platform;
mod run;
mod table;
mod tokens;
mod tunnel;
mod upstream;
mod wire;

use case::Host;
use hosts::{Memory, NodeHost, SpinHost, Workerd};
use run::Suite;
use zephyr_testkit::TestOrigin;
use zephyr_testkit::origin::EDGE_TOKEN;

#[tokio::test]
async fn the_policies_and_the_engine_alone() {
    let suite = Suite::start().await;
    let host = Memory::start(&suite.config, &suite.upstream);
    suite.run(Host::Pure, &host).await;
}

#[tokio::test]
async fn zephyrs_node() {
    let suite = Suite::start().await;
    let host = NodeHost::start(&suite.config).await;
    suite.run(Host::Node, &host).await;
    host.stop().await;
}

#[tokio::test]
async fn the_spin_component_in_the_nodes_spin_loader() {
    let suite = Suite::start().await;
    let host = SpinHost::start(&suite.config, suite.upstream.address).await;
    suite.run(Host::Spin, &host).await;
    host.stop().await;
}

#[tokio::test]
async fn the_worker_in_workerd() {
    let suite = Suite::start().await;
    let host = Workerd::start(&suite.config).await;
    suite.run(Host::Workerd, &host).await;
}

/// `cargo xtask test` runs it where Spin is on PATH; elsewhere it is counted as skipped.
#[tokio::test]
#[ignore = "needs `spin` on PATH"]
async fn the_spin_component_under_spin_itself() {
    let host = hosts::RealSpin::find().expect("`spin` is on PATH");
    let suite = Suite::start().await;
    let host = host.start(&suite.config, suite.upstream.address).await;
    suite.run(Host::Spin, &host).await;
}

#[tokio::test]
async fn the_site_on_spin_before_an_origin() {
    let origin = TestOrigin::start().await;
    let variables = [
        ("SPIN_VARIABLE_ORIGIN_URL", origin.url.as_str()),
        ("SPIN_VARIABLE_EDGE_TOKEN", EDGE_TOKEN),
    ];
    let host = SpinHost::start_with(&variables).await;
    // Requests have the origin polled.
    platform::check(&origin, host.address(), async || {}).await;
    host.stop().await;
}

#[tokio::test]
async fn the_site_on_workers_before_an_origin() {
    let origin = TestOrigin::start().await;
    let variables = [
        ("ORIGIN_URL", origin.url.as_str()),
        ("EDGE_TOKEN", EDGE_TOKEN),
    ];
    let host = Workerd::start_with(&variables).await;
    let cron = || case::get("/cdn-cgi/handler/scheduled");
    let address = host.address();
    platform::check(&origin, address, async || {
        hosts::ask(address, &cron()).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_websocket_through_workers_is_for_members_only() {
    let keys = tokens::Keys::new();
    let upstream = tunnel::upstream().await;
    let host = Workerd::start(&config::text(upstream, &keys.jwks())).await;
    let address = host.address();
    tunnel::check(address, "/open/socket", "").await;
    let bearer = format!("authorization: {}\r\n", keys.good());
    tunnel::check(address, "/members/socket", &bearer).await;
    let refused = case::get("/members/socket").with("upgrade", "websocket");
    let refused = hosts::ask(address, &refused.with("connection", "upgrade")).await;
    assert_eq!(refused.unwrap().status(), 401);
}

#[test]
fn the_table_is_large_enough_and_its_exceptions_are_documented() {
    let cases = table::all(&tokens::Keys::new());
    let exchanges: usize = cases.iter().map(|case| case.exchanges.len()).sum();
    assert!(exchanges >= 120, "{exchanges} exchanges");
    let docs = include_str!("../../../docs/hosts.md");
    let docs: String = docs.split_whitespace().collect::<Vec<_>>().join(" ");
    for case in &cases {
        for (host, why) in &case.except {
            let why: String = why.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(
                docs.contains(&why),
                "{}: {host:?}: not in docs/hosts.md: {why}",
                case.name
            );
        }
    }
    let mut slugs: Vec<String> = cases.iter().map(case::Case::slug).collect();
    slugs.sort_unstable();
    slugs.dedup();
    assert_eq!(slugs.len(), cases.len(), "two cases have one name");
}

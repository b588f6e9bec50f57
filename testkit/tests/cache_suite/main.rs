//! The public test suite for HTTP caches (cache-tests.fyi) against the node as a plain reverse
//! proxy: one route, no filters, one upstream, nothing else configured.
//!
//! `cargo xtask test` brings the suite (npm package `http-cache-tests`) and a Node to run it. What
//! does not pass stands in [`expected`], each with the reason; a test that starts or stops to pass
//! fails this one, so the list stays true.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod expected;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use zephyr_edge::{Config, Node, ParseOptions, Secrets};
use zephyr_testkit::components;

/// The folder of pinned tools, beside the components in cargo's target folder.
fn modules() -> PathBuf {
    components::folder().join("../tools/npm/node_modules")
}

fn javascript() -> Command {
    let mut command = Command::new(modules().join("node/bin/node"));
    command
        .current_dir(modules().join("http-cache-tests"))
        .arg("--no-warnings")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}

/// The suite's own server; tells its port.
async fn upstream(pid_file: &std::path::Path) -> (Child, u16) {
    let mut child = javascript()
        .arg("server/server.mjs")
        .env("npm_config_protocol", "http")
        .env("npm_config_port", "0")
        .env("npm_config_pidfile", pid_file)
        .spawn()
        .expect("the suite's server: run `cargo xtask test`, which brings it");
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // "Listening on http://[::]:43217/"
    let line = lines.next_line().await.unwrap().expect("a line");
    let port = line.trim_end_matches('/').rsplit(':').next().unwrap();
    let port = port.parse().unwrap_or_else(|_| panic!("no port: {line}"));
    // It goes on to tell what it gets; somebody has to read it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, port)
}

async fn node(folder: &std::path::Path, upstream: u16) -> Node {
    let text = format!(
        "[node]\nthreads = 1\ndata_dir = {folder:?}\n\
         [listen]\nhttp = \"127.0.0.1:0\"\n\
         [log]\naccess = false\n\
         [upstreams.suite]\nurl = \"http://localhost:{upstream}\"\n\
         [[routes]]\nname = \"all\"\npaths = [\"/\", \"/{{*rest}}\"]\nupstream = \"suite\"\n"
    );
    let options = ParseOptions {
        file: "zephyr.toml".into(),
        base_dir: folder.to_owned(),
        components_dir: components::folder(),
    };
    let config = Config::parse(&text, &options).unwrap();
    Node::start(config, Secrets::default()).await.unwrap()
}

#[tokio::test]
async fn the_node_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, port) = upstream(&folder.path().join("pid")).await;
    let node = node(folder.path(), port).await;
    let run = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cache_suite/run.mjs");
    let output = javascript()
        .arg(run)
        .arg(modules().join("http-cache-tests"))
        .arg(format!("http://{}", node.http_addr()))
        .output()
        .await
        .unwrap();
    assert!(output.status.success());
    let results: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
    node.shutdown().await;

    println!("{}", summary(&results));
    let failed: BTreeMap<&str, &str> = results
        .iter()
        .filter(|(_, result)| result["passed"] != true)
        .map(|(id, result)| (id.as_str(), result["why"].as_str().unwrap()))
        .collect();
    let listed = expected::failures();
    let mut surprises = Vec::new();
    for (id, why) in &failed {
        if !listed.contains_key(id) {
            surprises.push(format!("{id} does not pass: {why}"));
        }
    }
    for id in listed.keys() {
        if !failed.contains_key(id) {
            surprises.push(format!("{id} is listed, but passes or is not in the suite"));
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert!(results.len() > 300, "{} tests only", results.len());
}

/// How many of each kind passed.
fn summary(results: &BTreeMap<String, Value>) -> String {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for result in results.values() {
        let count = counts.entry(result["kind"].as_str().unwrap()).or_default();
        count.0 += usize::from(result["passed"] == true);
        count.1 += 1;
    }
    let words = counts
        .iter()
        .map(|(kind, (passed, all))| format!("{kind} {passed}/{all}"));
    words.collect::<Vec<_>>().join(", ")
}

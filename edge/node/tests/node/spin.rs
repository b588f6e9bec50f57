//! Spin applications on the node: their manifest, Spin's interfaces, what is granted and what is not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use http::Request;
use tempfile::TempDir;
use zephyr_edge::config::KvBackend;
use zephyr_edge::spin::{Manifest, Options, to_config};
use zephyr_edge::{Node, Secrets};

use crate::support::node::components_dir;
use crate::support::{Answer, Connection, TestUpstream, get, request};

/// A node that runs a Spin application.
struct SpinApp {
    node: Node,
    data_dir: TempDir,
}

impl SpinApp {
    async fn start(manifest: &str) -> Self {
        Self::start_with(manifest, &[]).await
    }

    async fn start_with(manifest: &str, environment: &[(&str, &str)]) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        Self::start_in(data_dir, KvBackend::Memory, manifest, environment).await
    }

    async fn start_in(
        data_dir: TempDir,
        kv: KvBackend,
        manifest: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let manifest = Manifest::parse(manifest, "spin.toml", &components_dir()).unwrap();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(own).collect();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut options = Options::new(listen, data_dir.path().to_owned());
        options.threads = 2;
        options.kv = kv;
        let config = to_config(&manifest, &environment, &options).unwrap();
        let node = Node::start(config, Secrets::default()).await.unwrap();
        Self { node, data_dir }
    }

    fn http(&self) -> SocketAddr {
        self.node.http_addr()
    }

    async fn get(&self, path: &str) -> Answer {
        get(self.http(), path).await
    }

    async fn text(&self, path: &str) -> String {
        self.get(path).await.body
    }

    async fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        let message = Request::builder().method(method).uri(path);
        request(self.http(), message.body(body.to_owned()).unwrap()).await
    }

    async fn stop(self) -> TempDir {
        self.node.shutdown().await;
        self.data_dir
    }
}

/// A manifest of one component, with more of it.
fn probe(more: &str) -> String {
    format!(
        r#"
spin_manifest_version = 2
[application]
name = "probe"
version = "1.0.0"
authors = ["Zephyr"]
[variables]
greeting = {{ default = "hello" }}
token = {{ required = true, secret = true }}
upstream = {{ default = "http://127.0.0.1:1" }}
[[trigger.http]]
route = "/..."
component = "probe"
[component.probe]
source = "spin-probe.wasm"
{more}
[component.probe.build]
command = "cargo build"
watch = ["src/**/*.rs"]
"#
    )
}

#[tokio::test]
async fn both_key_value_interfaces_share_the_stores_of_the_manifest() {
    let app = SpinApp::start(&probe(r#"key_value_stores = ["default", "other"]"#)).await;
    assert_eq!(app.get("/kv/default/a").await.status, 404);
    assert_eq!(app.send("PUT", "/kv/default/a", "one").await.status, 200);
    assert_eq!(app.text("/kv/default/a").await, "one");
    assert_eq!(app.text("/keyvalue/default/a").await, "one");
    assert_eq!(app.get("/kv/other/a").await.status, 404);

    app.send("PUT", "/keyvalue/default/b", "two").await;
    assert_eq!(app.text("/kv/default/b").await, "two");
    assert_eq!(app.text("/kv/default").await, "a b");
    assert_eq!(app.text("/keyvalue/default").await, "2 ab");
    assert_eq!(app.text("/kv/other").await, "");

    assert_eq!(app.send("DELETE", "/kv/default/a", "").await.body, "false");
    assert_eq!(
        app.send("DELETE", "/keyvalue/default/b", "").await.body,
        "false"
    );
    assert_eq!(app.get("/kv/default/a").await.status, 404);

    let batch = app.text("/batch/default").await;
    assert_eq!(batch, "batch-1=one\nbatch-2=none\nbatch-3=three");
    app.stop().await;
}

#[tokio::test]
async fn a_store_that_is_not_granted_cannot_be_opened() {
    let app = SpinApp::start(&probe(r#"key_value_stores = ["default"]"#)).await;
    for path in ["/kv/secret/a", "/keyvalue/secret/a", "/kv/default%2Fx/a"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status, 502, "{path}");
        assert!(answer.body.contains("AccessDenied"), "{path}: {answer:?}");
    }
    app.stop().await;
}

#[tokio::test]
async fn counters_are_exact_however_many_add_to_them() {
    let app = SpinApp::start(&probe(r#"key_value_stores = ["default"]"#)).await;
    let (clients, each) = (16, 25);
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let address = app.http();
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            let mut tries = 0;
            for _ in 0..each {
                let swapped = connection.get("/cas/default/swapped").await;
                assert_eq!(swapped.status, 200, "{swapped:?}");
                tries += swapped.body.parse::<u32>().unwrap();
                let added = connection.get("/increment/default/added").await;
                assert_eq!(added.status, 200, "{added:?}");
            }
            tries
        }));
    }
    let mut tries = 0;
    for task in tasks {
        tries += task.await.unwrap();
    }
    assert!(tries >= clients * each);
    let sum = (clients * each).to_string();
    assert_eq!(app.text("/kv/default/swapped").await, sum);
    assert_eq!(app.text("/kv/default/added").await, sum);
    app.stop().await;
}

#[tokio::test]
async fn handles_have_a_bound_and_come_back() {
    let app = SpinApp::start(&probe(r#"key_value_stores = ["default"]"#)).await;
    let mut connection = Connection::open(app.http()).await;
    for _ in 0..3 {
        // One of them is the store itself.
        assert_eq!(connection.get("/hoard/default").await.body, "127");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_store_in_a_file_outlives_the_node() {
    let manifest = probe(r#"key_value_stores = ["default"]"#);
    let folder = tempfile::tempdir().unwrap();
    let app = SpinApp::start_in(folder, KvBackend::Redb, &manifest, &[]).await;
    app.send("PUT", "/kv/default/a", "kept").await;
    let folder = app.stop().await;
    let app = SpinApp::start_in(folder, KvBackend::Redb, &manifest, &[]).await;
    assert_eq!(app.text("/kv/default/a").await, "kept");
    app.stop().await;
}

#[tokio::test]
async fn variables_and_environment_are_those_of_the_manifest() {
    let more = r#"
environment = { PLACE = "edge", MODE = "test" }
[component.probe.variables]
greeting = "{{ greeting }}, world"
secret = "Bearer {{token}}"
plain = "plain"
"#;
    let given = [
        ("SPIN_VARIABLE_TOKEN", "t0k3n"),
        ("HOME", "/not/for/components"),
    ];
    let app = SpinApp::start_with(&probe(more), &given).await;
    assert_eq!(app.text("/variables/greeting").await, "hello, world");
    assert_eq!(app.text("/variables/secret").await, "Bearer t0k3n");
    let missing = app.text("/variables/token").await;
    assert!(missing.contains("Undefined("), "{missing}");
    let invalid = app.text("/variables/NOT-A-NAME").await;
    assert!(invalid.contains("InvalidName("), "{invalid}");
    assert_eq!(app.text("/config/plain").await, "plain");
    assert_eq!(app.text("/config/token").await, "none");
    assert_eq!(
        app.text("/config").await,
        "greeting=hello, world\nplain=plain\nsecret=Bearer t0k3n"
    );
    assert_eq!(app.text("/environment").await, "MODE=test\nPLACE=edge");
    app.stop().await;
}

#[tokio::test]
async fn only_the_hosts_of_the_manifest_are_asked() {
    let upstream = TestUpstream::named("upstream").await;
    let other = TestUpstream::named("other").await;
    let more = r#"allowed_outbound_hosts = ["{{ upstream }}"]"#;
    let given = [("SPIN_VARIABLE_UPSTREAM", upstream.url())];
    let given = given
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let app = SpinApp::start_with(&probe(more), &given).await;
    let answer = app.get(&format!("/fetch?{}/a/b", upstream.url())).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.body),
        (200, "upstream /a/b")
    );
    assert_eq!(
        upstream.only().header("host"),
        upstream.url()["http://".len()..]
    );

    let encrypted = upstream.url().replace("http://", "https://");
    for denied in [other.url(), encrypted, "http://example.com".into()] {
        let answer = app.get(&format!("/fetch?{denied}/")).await;
        assert_eq!(answer.status, 502, "{denied}");
        assert!(answer.body.contains("HttpRequestDenied"), "{answer:?}");
    }
    assert!(other.seen().is_empty());
    app.stop().await;
}

/// An upstream that cannot speak TLS is asked for it, and never without.
#[tokio::test]
async fn a_host_over_tls_is_not_the_same_host_without() {
    let upstream = TestUpstream::named("upstream").await;
    let encrypted = upstream.url().replace("http://", "https://");
    let app = SpinApp::start(&probe(&format!("allowed_outbound_hosts = [{encrypted:?}]"))).await;
    let denied = app.get(&format!("/fetch?{}/", upstream.url())).await;
    assert!(denied.body.contains("HttpRequestDenied"), "{denied:?}");
    let answer = app.get(&format!("/fetch?{encrypted}/")).await;
    assert_eq!(answer.status, 502);
    assert!(!answer.body.contains("HttpRequestDenied"), "{answer:?}");
    assert!(upstream.seen().is_empty());
    app.stop().await;
}

#[tokio::test]
async fn a_component_is_told_about_its_request_and_nobody_else_tells_it() {
    let manifest = r#"
spin_manifest_version = 2
application = { name = "routes" }
[[trigger.http]]
route = "/..."
component = "all"
[[trigger.http]]
route = "/headers/:user"
component = "all"
[[trigger.http]]
route = "/headers/exact"
component = { source = "spin-probe.wasm" }
[[trigger.http]]
route = "/headers/deep/..."
component = "all"
[component.all]
source = "spin-probe.wasm"
"#;
    let app = SpinApp::start(manifest).await;
    let told = |body: String| -> BTreeMap<String, String> {
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.into(), v.into()));
        body.lines().filter_map(pair).collect()
    };
    let mut connection = Connection::open(app.http()).await;
    let forged = Request::get("/headers/deep/er?q=1")
        .header("spin-client-addr", "6.6.6.6:6")
        .header("spin-secret", "1")
        .body(String::new())
        .unwrap();
    let told_deep = told(connection.send(forged).await.unwrap().body);
    let field = |name: &str| told_deep[name].clone();
    assert_eq!(field("spin-path-info"), "/er");
    assert_eq!(field("spin-raw-component-route"), "/headers/deep/...");
    assert_eq!(field("spin-matched-route"), "/headers/deep/...");
    assert_eq!(field("spin-component-route"), "/headers/deep");
    assert_eq!(field("spin-base-path"), "/");
    let url = format!("http://{}/headers/deep/er?q=1", app.http());
    assert_eq!(field("spin-full-url"), url);
    let client: SocketAddr = field("spin-client-addr").parse().unwrap();
    assert!(
        client.ip().is_loopback() && client.port() > 1023,
        "{client}"
    );
    assert!(!told_deep.contains_key("spin-secret"));

    let matched = async |path: &str| told(app.text(path).await)["spin-raw-component-route"].clone();
    assert_eq!(matched("/headers/exact").await, "/headers/exact");
    assert_eq!(matched("/headers/exact/").await, "/headers/exact");
    assert_eq!(matched("/headers/deep").await, "/headers/deep/...");
    assert_eq!(matched("/headers/anna").await, "/headers/:user");
    assert_eq!(matched("/headers").await, "/...");
    assert_eq!(app.text("/").await, "/");
    let user = told(app.text("/headers/anna").await);
    assert_eq!(user["spin-path-match-user"], "anna");
    assert_eq!(user["spin-path-info"], "");
    app.stop().await;
}

#[tokio::test]
async fn an_ordinary_service_does_not_get_spins_interfaces() {
    let config = r#"
[components.probe]
path = "$components/spin-probe.wasm"
kind = "service"
[[routes]]
name = "all"
paths = ["/{*rest}"]
service = "probe"
"#;
    let refused = crate::support::TestNode::try_start(config, Secrets::default()).await;
    let refused = format!("{:#}", refused.err().unwrap());
    assert!(refused.contains("services"), "{refused}");
    assert!(
        refused.contains("wasi:config/")
            || refused.contains("wasi:keyvalue/")
            || refused.contains("spin:"),
        "{refused}"
    );
}

#[test]
fn what_is_wrong_with_a_manifest_is_said_with_its_place() {
    let error = |text: &str| {
        let options = Options::new(SocketAddr::from(([127, 0, 0, 1], 0)), "data".into());
        let read = Manifest::parse(text, "spin.toml", Path::new("."));
        let made = read.and_then(|manifest| to_config(&manifest, &BTreeMap::new(), &options));
        made.unwrap_err().to_string()
    };
    let good = probe("");
    let changed = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        error(&good.replace(from, to))
    };
    let table: [(&str, &str, &str); 16] = [
        (
            "version = 2",
            "version = 1",
            "spin.toml:2:25: the manifest's version is 1; only version 2 is supported here",
        ),
        ("authors", "author", "spin.toml:6:1: unknown field `author`"),
        (
            "[[trigger.http]]",
            "[[trigger.redis]]",
            "spin.toml:11:1: not supported here: `trigger.redis`",
        ),
        (
            "route = \"/...\"",
            "route = \"/.../a\"",
            "spin.toml:12:9: \"/.../a\" is not a route",
        ),
        (
            "component = \"probe\"",
            "component = \"prob\"",
            "spin.toml:13:13: there is no component \"prob\"",
        ),
        (
            "component = \"probe\"",
            "component = { sauce = \"a\" }",
            "spin.toml:13:15: unknown field `sauce`",
        ),
        (
            "\"spin-probe.wasm\"",
            "{ url = \"https://a\" }",
            "spin.toml:15:10: not supported here: a `source` other",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nfiles = [\"a\"]",
            "spin.toml:16:9: not supported here: `files`",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nsqlite_databases = [\"default\"]",
            "spin.toml:16:20: not supported here: `sqlite_databases`",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nai_models = [\"a\"]",
            "spin.toml:16:13: not supported here: `ai_models`",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nallowed_outbound_hosts = [\"https://*:443\"]",
            "spin.toml:16:27: not supported here: \"https://*:443\": a pattern",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nvariables = { a = \"{{ nobody }}\" }",
            "spin.toml:16:19: the application has no variable \"nobody\"",
        ),
        (
            "\"spin-probe.wasm\"",
            "\"a\"\nvariables = { a = \"{{ token }}\" }",
            "spin.toml:9:1: the variable \"token\" has no value: set SPIN_VARIABLE_TOKEN in the environment",
        ),
        (
            "{ default = \"hello\" }",
            "{ secret = true }",
            "spin.toml:8:1: the variable \"greeting\" needs `default` or `required = true`",
        ),
        (
            "[component.probe.build]",
            "[component.probe.dependencies]\n\"a:b/c\" = \"1\"\n[component.probe.build]",
            "not supported here: `dependencies`",
        ),
        (
            "[component.probe]",
            "[[trigger.http]]\nroute = \"/*\"\ncomponent = \"probe\"\n[component.probe]",
            "spin.toml:15:9: an earlier trigger's route means the same as \"/*\"",
        ),
    ];
    for (from, to, expected) in table {
        let said = changed(from, to);
        assert!(said.contains(expected), "{said}\nis not\n{expected}");
    }
}

//! `zephyr component export` on the real thing: what it writes is put before an application by the
//! component model's own linking, and answers there.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::TempDir;
use zephyr_edge::config::KvBackend;
use zephyr_edge::spin::{Manifest, Options, to_config};
use zephyr_edge::{Node, Secrets};
use zephyr_testkit::composition;

/// Where the built components are.
fn components() -> PathBuf {
    if let Some(folder) = std::env::var_os("ZEPHYR_COMPONENTS") {
        return folder.into();
    }
    // This test runs from <target>/debug/deps.
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("components")
}

fn export(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_zephyr"))
        .args(["component", "export"])
        .args(words)
        .arg("--components")
        .arg(components())
        .output()
        .unwrap()
}

/// Exports a filter, and puts it before the application `hello`.
fn before_hello(folder: &Path, filter: &str, stage: &serde_json::Value) -> PathBuf {
    let file = folder.join("stage.json");
    std::fs::write(&file, stage.to_string()).unwrap();
    let middleware = folder.join("middleware.wasm");
    let (stage, output) = (file.to_str().unwrap(), middleware.to_str().unwrap());
    let exported = export(&[filter, "--as", "middleware", "--stage", stage, "-o", output]);
    assert!(exported.status.success(), "{exported:?}");

    let composed = folder.join("composed.wasm");
    let application = components().join("hello.wasm");
    std::fs::write(&composed, composition::before(&middleware, &application)).unwrap();
    composed
}

/// A node that runs a component as a Spin application.
struct App {
    node: Node,
    client: reqwest::Client,
    _folder: TempDir,
}

impl App {
    async fn start(filter: &str, stage: &serde_json::Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        before_hello(folder.path(), filter, stage);
        let manifest = r#"
spin_manifest_version = 2
[application]
name = "hello"
version = "1.0.0"
[[trigger.http]]
route = "/..."
component = "hello"
[component.hello]
source = "composed.wasm"
key_value_stores = ["default"]
"#;
        let manifest = Manifest::parse(manifest, "spin.toml", folder.path()).unwrap();
        let listen = ([127, 0, 0, 1], 0).into();
        let mut options = Options::new(listen, folder.path().join("data"));
        options.threads = 1;
        options.kv = KvBackend::Memory;
        let config = to_config(&manifest, &Default::default(), &options).unwrap();
        Self {
            node: Node::start(config, Secrets::default()).await.unwrap(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _folder: folder,
        }
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client
            .get(format!("http://{}{path}", self.node.http_addr()))
    }
}

#[tokio::test]
async fn auth_stands_before_an_application_of_others() {
    let key = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let app = App::start(
        "auth",
        &json!({
            "issuer": "zephyr", "audience": "zephyr",
            "jwks": { "keys": [{
                "kty": "OKP", "crv": "Ed25519", "kid": "1", "x": b64(key.public_key().as_ref()),
            }] },
        }),
    )
    .await;
    let refused = app.get("/").send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(
        refused.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Bearer")
    );

    let claims =
        json!({ "iss": "zephyr", "aud": "zephyr", "sub": "anna", "exp": 4_000_000_000_u64 });
    let header = json!({ "alg": "EdDSA", "kid": "1" });
    let signed = format!(
        "{}.{}",
        b64(header.to_string().as_bytes()),
        b64(claims.to_string().as_bytes())
    );
    let token = format!("{signed}.{}", b64(key.sign(signed.as_bytes()).as_ref()));
    let passed = app.get("/").bearer_auth(&token).send().await.unwrap();
    assert_eq!(passed.status(), 200);
    assert!(!passed.text().await.unwrap().is_empty());
    let forged = app
        .get("/")
        .bearer_auth(format!("{token}x"))
        .send()
        .await
        .unwrap();
    assert_eq!(forged.status(), 401);
}

#[tokio::test]
async fn rate_limits_count_in_the_applications_store() {
    let limits = json!([{ "name": "ip", "key": ["ip"], "count": 2, "period": "1h" }]);
    let app = App::start("ratelimit", &json!({ "limits": limits })).await;
    for left in ["r=1", "r=0"] {
        let passed = app.get("/").send().await.unwrap();
        assert_eq!(passed.status(), 200);
        assert!(
            passed.headers()["ratelimit"]
                .to_str()
                .unwrap()
                .contains(left)
        );
    }
    assert_eq!(app.get("/").send().await.unwrap().status(), 429);
}

#[tokio::test]
async fn what_is_said_to_the_cache_is_said_in_fields() {
    let stage =
        json!({ "ttl": "1m", "stale_while_revalidate": "10s", "surrogate_keys": ["hello"] });
    let app = App::start("cache", &stage).await;
    let answer = app.get("/").send().await.unwrap();
    let field = |name| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        field("cdn-cache-control"),
        "max-age=60, stale-while-revalidate=10"
    );
    // `Surrogate-Key` is said, too: to the node, which keeps it to itself.
    assert!(!answer.headers().contains_key("surrogate-key"));
}

#[test]
fn what_cannot_be_exported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stage.json");
    let stage = file.to_str().unwrap();
    let output = folder.path().join("out.wasm");
    let out = output.to_str().unwrap();
    let failed = |words: &[&str], needle: &str| {
        let failed = export(words);
        assert_eq!(failed.status.code(), Some(2), "{failed:?}");
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        assert!(said.contains(needle), "{said}");
        assert!(!output.exists());
    };
    std::fs::write(&file, "{}").unwrap();
    failed(
        &["auth", "--as", "middleware", "--stage", stage, "-o", out],
        "issuer",
    );
    failed(
        &["nobody", "--as", "middleware", "--stage", stage, "-o", out],
        "nobody.wasm",
    );
    failed(
        &["auth", "--as", "sidecar", "--stage", stage, "-o", out],
        "sidecar",
    );
    std::fs::write(&file, "{").unwrap();
    failed(
        &["auth", "--as", "middleware", "--stage", stage, "-o", out],
        "stage.json",
    );
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../zephyr.toml");
    let from = ["auth", "--as", "middleware", "--config", config, "-o", out];
    failed(&[&from[..], &["--route", "nowhere"]].concat(), "no route");
    failed(
        &[&from[..], &["--route", "media"]].concat(),
        "no stage of auth",
    );
    failed(
        &[&from[..], &["--route", "listings", "--kv", "mine=1"]].concat(),
        "below `site/`",
    );
}

#[test]
fn a_stage_of_a_route_is_exported_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.wasm");
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../zephyr.toml");
    let done = export(&[
        "auth",
        "--as",
        "middleware",
        "--config",
        config,
        "--route",
        "listings",
        "--kv",
        "site/jwks={\"keys\":[]}",
        "-o",
        output.to_str().unwrap(),
    ]);
    assert!(done.status.success(), "{done:?}");
    let written = std::fs::read(&output).unwrap();
    let has = |text: &str| {
        written
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(has("\"jwks_kv\":\"site/jwks\"") && has("\"route\":\"listings\""));
}

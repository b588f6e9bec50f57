//! The whole platform for a test: the repository's own `zephyr.toml`, on free ports.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response};
use tempfile::TempDir;
use toml::{Table, Value};
use zephyr_edge::{Config, Node, ParseOptions, Secrets};
use zephyr_testkit::origin::EDGE_TOKEN;
use zephyr_testkit::{TestOrigin, components};

/// How long what must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// An origin and edge nodes in front of it.
pub(crate) struct Platform {
    origin: Option<TestOrigin>,
    nodes: Vec<Node>,
    client: Client,
    _folder: TempDir,
}

/// A field of an answer as text; empty when it is not there.
pub(crate) fn field<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

impl Platform {
    /// With one edge node.
    pub(crate) async fn start() -> Self {
        Self::with_nodes(1).await
    }

    /// With so many edge nodes.
    pub(crate) async fn with_nodes(count: usize) -> Self {
        let origin = TestOrigin::start().await;
        let folder = tempfile::tempdir().unwrap();
        let mut nodes = Vec::new();
        for number in 0..count {
            let config = config(&origin.url, folder.path(), number);
            let control_token = Some(EDGE_TOKEN.to_owned().into());
            let secrets = Secrets {
                control_token,
                ..Secrets::default()
            };
            nodes.push(Node::start(config, secrets).await.unwrap());
        }
        let client = Client::builder().no_proxy().build().unwrap();
        let zephyr = Self {
            origin: Some(origin),
            nodes,
            client,
            _folder: folder,
        };
        // Until a node has the signing keys it can let nobody in.
        zephyr
            .until("all nodes follow the control stream", async || {
                let request = zephyr.origin().admin(Method::GET, "/admin/api/nodes");
                let seen: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
                let seen = seen.as_array().unwrap();
                seen.len() == count && seen.iter().all(|node| node["seq"].as_i64() >= Some(1))
            })
            .await;
        zephyr
    }

    pub(crate) fn origin(&self) -> &TestOrigin {
        self.origin.as_ref().expect("the origin runs")
    }

    pub(crate) async fn stop_origin(&mut self) {
        self.origin.take().expect("the origin runs").stop().await;
    }

    /// A request to the first node.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(
            method,
            format!("http://{}{path}", self.nodes[0].http_addr()),
        )
    }

    /// The first node's answer to a GET.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.get_from(0, path).await
    }

    /// A node's answer to a GET.
    pub(crate) async fn get_from(&self, node: usize, path: &str) -> Response {
        let url = format!("http://{}{path}", self.nodes[node].http_addr());
        self.client.get(url).send().await.unwrap()
    }

    /// Uploads a picture of that size as the first one of a new listing; its id.
    pub(crate) async fn picture(&self, width: u32, height: u32) -> String {
        let user = self.origin().user("painter").await;
        let listing = serde_json::json!({
            "title": "A picture", "category": "books", "price": { "amount": 1, "currency": "EUR" },
        });
        let request = self
            .request(Method::POST, "/api/listings")
            .bearer_auth(&user.access_token);
        let listing: serde_json::Value = request
            .json(&listing)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let mut png = std::io::Cursor::new(Vec::new());
        let blank = image::RgbImage::from_pixel(width, height, image::Rgb([200, 80, 40]));
        blank.write_to(&mut png, image::ImageFormat::Png).unwrap();
        let path = format!("/api/listings/{}/images", listing["id"].as_str().unwrap());
        let request = self
            .request(Method::POST, &path)
            .bearer_auth(&user.access_token);
        let answer = request.body(png.into_inner()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let picture: serde_json::Value = answer.json().await.unwrap();
        picture["id"].as_str().unwrap().to_owned()
    }

    /// Asks until it is so: there is nothing to wait on but the effect.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let asking = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| panic!("not yet: {what}"));
    }
}

fn config(origin: &str, folder: &Path, number: usize) -> Config {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("zephyr.toml")).unwrap();
    let mut table: Table = text.parse().unwrap();
    let mut set = |section: &str, key: &str, value: Value| {
        let section = table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        section
            .as_table_mut()
            .unwrap()
            .insert(key.to_owned(), value);
    };
    set("node", "name", format!("edge-{number}").into());
    set(
        "node",
        "data_dir",
        folder
            .join(format!("edge-{number}"))
            .display()
            .to_string()
            .into(),
    );
    // Tests run side by side on few cores: one worker each.
    set("node", "threads", 1.into());
    set("listen", "http", "127.0.0.1:0".into());
    set("listen", "admin", "127.0.0.1:0".into());
    set("log", "access", false.into());
    set("control", "url", origin.into());
    set("control", "heartbeat", "200ms".into());
    table["upstreams"]["origin"]["url"] = origin.into();
    let options = ParseOptions {
        file: "zephyr.toml".into(),
        base_dir: root,
        components_dir: components::folder(),
    };
    Config::parse(&toml::to_string(&table).unwrap(), &options).unwrap()
}

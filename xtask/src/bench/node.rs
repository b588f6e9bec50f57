//! The node under test, with a configuration of its own.

use std::path::Path;

use anyhow::Context as _;

use super::case::{Address, StageKind};
use super::certificate::Certificate;
use super::memory;
use super::probe;
use super::rows;
use super::server::{Server, free_port, subfolder};
use super::testbed::Testbed;
use super::token::{JWKS, TOKEN};

/// Runs of each component before memory is looked at.
const EXERCISE: usize = 50;

/// What a node is to serve.
#[derive(Debug)]
pub(crate) struct Setup {
    name: &'static str,
    /// Sections, all but `[listen]`.
    text: String,
    /// Whether it also listens for TLS.
    has_tls: bool,
}

impl Setup {
    fn new(name: &'static str, upstream: u16) -> Self {
        Self {
            name,
            text: head(upstream),
            has_tls: false,
        }
    }

    /// A route for each row that needs neither TLS nor files.
    pub(crate) fn all_rows(upstream: u16) -> Self {
        let mut setup = Self::new("node", upstream);
        let text = &mut setup.text;
        for name in ["auth", "ratelimit", "cache", "noop"] {
            *text += &component(name, "filter", "deadline = \"1s\"\n");
        }
        // Not the default 50 ms: what else runs on the machine must not end a measurement.
        *text += &component("hello", "service", "deadline = \"1s\"\n");
        *text += &folder_route("cached", "upstream = \"stub\"\ncache = true");
        *text += &folder_route("pass", "upstream = \"stub\"\ncache = false");
        *text += &route("filtered", "upstream = \"stub\"\ncache = true");
        *text += &filters();
        *text += "[[routes.stages]]\nfilter = \"noop\"\n\n";
        *text += &route("hello", "service = \"hello\"");
        for (kind, count) in rows::stage_counts() {
            let name = rows::stage_route(kind, count);
            *text += &route(&name, "upstream = \"stub\"\ncache = true");
            for _ in 0..count {
                *text += "[[routes.stages]]\nfilter = \"noop\"\n";
                if kind == StageKind::FourCalls {
                    *text += "config = { calls = true }\n";
                }
                *text += "\n";
            }
        }
        setup
    }

    /// And a folder of files.
    pub(crate) fn with_files(mut self, folder: &Path) -> Self {
        let target = format!(
            "files = {{ root = \"{}\", strip = \"/static\" }}",
            folder.display()
        );
        self.text += &folder_route("static", &target);
        self
    }

    /// And the same certificate as nginx.
    pub(crate) fn with_tls(mut self, certificate: &Certificate) -> Self {
        let (chain, key) = (certificate.chain.display(), certificate.key.display());
        self.text += &format!("[[tls.certificates]]\ncert = \"{chain}\"\nkey = \"{key}\"\n\n");
        self.has_tls = true;
        self
    }

    /// Bodies come from the disk tier: in memory there is no place for one of their size.
    pub(crate) fn disk(upstream: u16) -> Self {
        let mut setup = Self::new("disk-node", upstream);
        setup.text += "[cache]
disk_path = \"cache\"
disk_max_bytes = \"512MiB\"
memory_object_max = \"1KiB\"

";
        setup.text += &folder_route("cached", "upstream = \"stub\"\ncache = true");
        setup
    }

    /// The product's four components, each on a route, and nothing else.
    pub(crate) fn four_components(upstream: u16) -> Self {
        let mut setup = Self::new("memory", upstream);
        let text = &mut setup.text;
        for name in ["auth", "ratelimit", "cache"] {
            *text += &component(name, "filter", "deadline = \"1s\"\n");
        }
        let image =
            "deadline = \"5s\"\nmemory = \"128MiB\"\nmax_instances = 8\nupstreams = [\"origin\"]\n";
        *text += &component("image", "service", image);
        *text += &route("filtered", "upstream = \"stub\"\ncache = true");
        *text += &filters();
        *text +=
            "[[routes]]\nname = \"media\"\npaths = [\"/media/{image}\"]\nservice = \"image\"\n\n";
        setup
    }
}

fn head(upstream: u16) -> String {
    format!(
        "[node]
threads = 1
data_dir = \"data\"

[log]
access = false

[upstreams.stub]
url = \"http://127.0.0.1:{upstream}\"

[upstreams.origin]
url = \"http://127.0.0.1:{upstream}\"

"
    )
}

fn component(name: &str, kind: &str, more: &str) -> String {
    format!("[components.{name}]\npath = \"$components/{name}.wasm\"\nkind = \"{kind}\"\n{more}\n")
}

fn route(name: &str, target: &str) -> String {
    format!("[[routes]]\nname = \"{name}\"\npaths = [\"/{name}\"]\n{target}\n\n")
}

/// For all that is below a path.
fn folder_route(name: &str, target: &str) -> String {
    format!("[[routes]]\nname = \"{name}\"\npaths = [\"/{name}/{{*rest}}\"]\n{target}\n\n")
}

/// The product's three filters as they stand before a public API, with limits that never stop.
fn filters() -> String {
    format!(
        "[[routes.stages]]
filter = \"ratelimit\"
[routes.stages.config]
limits = [{{ name = \"ip\", key = [\"ip\"], count = 1000000, period = \"1s\" }}]

[[routes.stages]]
filter = \"auth\"
[routes.stages.config]
issuer = \"zephyr\"
audience = \"zephyr\"
scopes = [{{ scopes = [\"listings:write\"] }}]
jwks = {JWKS}

[[routes.stages]]
filter = \"cache\"
[routes.stages.config]
drop_query = [\"utm_*\", \"gclid\", \"fbclid\"]
sort_query = true
surrogate_keys = [\"listings\"]

"
    )
}

/// A running node.
#[derive(Debug)]
pub(crate) struct Node(Server);

impl Node {
    pub(crate) fn start(bed: &Testbed, setup: &Setup) -> anyhow::Result<Self> {
        let folder = subfolder(bed.path(), setup.name)?;
        let (http, admin) = (free_port()?, free_port()?);
        let tls = setup.has_tls.then(free_port).transpose()?;
        let text = format!("{}{}", setup.text, listen(http, admin, tls));
        let file = folder.join("zephyr.toml");
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        let mut command = bed.placement.server(&bed.program);
        command
            .args(["edge", "--components"])
            .arg(&bed.components)
            .arg("--config")
            .arg(&file)
            .current_dir(&folder)
            .env_remove("RUST_LOG");
        let ready = || probe::get(admin, "/-/ready", None).is_ok_and(|answer| answer.status == 200);
        let server = Server::start(command, http, &folder.join("log"), ready)?;
        Ok(Self(server.with_tls(tls)))
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }

    /// Runs every component, so that what they take is taken. The upstream has no images, so the
    /// image service is run through its refusal of what it fetched.
    pub(crate) fn exercise_components(&self) -> anyhow::Result<()> {
        let token = format!("Authorization: Bearer {TOKEN}");
        for _ in 0..EXERCISE {
            let filtered = probe::get(self.0.port(), "/filtered", Some(&token))?;
            anyhow::ensure!(
                filtered.status == 200,
                "/filtered answered {}",
                filtered.status
            );
            let image = probe::get(self.0.port(), "/media/bench?w=10", None)?;
            anyhow::ensure!(
                image.status == 502,
                "/media/bench answered {}",
                image.status
            );
        }
        Ok(())
    }

    /// The memory that the process holds.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        memory::resident(self.0.pid())
    }
}

/// `[listen]`, with limits that are above what the rows open.
fn listen(http: u16, admin: u16, tls: Option<u16>) -> String {
    let mut text = format!(
        "[listen]
http = \"127.0.0.1:{http}\"
admin = \"127.0.0.1:{admin}\"
max_connections = 100000
idle_timeout = \"10m\"
"
    );
    if let Some(port) = tls {
        text += &format!("https = \"127.0.0.1:{port}\"\n");
    }
    text
}

//! The node under test, with a configuration of its own.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use super::placement::Placement;
use super::probe;
use super::rows::{Address, StageKind};
use super::server::{Server, free_port, subfolder};
use super::token::{JWKS, TOKEN};

/// Runs of each component before memory is looked at.
const EXERCISE: usize = 50;

/// What a node is to serve.
#[derive(Debug)]
pub(crate) struct Setup {
    name: &'static str,
    components: String,
    text: String,
}

impl Setup {
    /// All rows: a route for each.
    pub(crate) fn all_rows(components: &Path, upstream: u16) -> Self {
        let mut text = head(upstream);
        for name in ["auth", "ratelimit", "cache", "noop"] {
            text += &component(name, "filter", "deadline = \"1s\"\n");
        }
        // Not the default 50 ms: what else runs on the machine must not end a measurement.
        text += &component("hello", "service", "deadline = \"1s\"\n");
        text += &route("plain", "upstream = \"stub\"\ncache = true");
        text += &route("filtered", "upstream = \"stub\"\ncache = true");
        text += &filters();
        text += "[[routes.stages]]\nfilter = \"noop\"\n\n";
        text += &route("pass", "upstream = \"stub\"");
        text += &route("hello", "service = \"hello\"");
        for (kind, count) in super::rows::stage_counts() {
            let name = super::rows::stage_route(kind, count);
            text += &route(&name, "upstream = \"stub\"\ncache = true");
            for _ in 0..count {
                text += "[[routes.stages]]\nfilter = \"noop\"\n";
                if kind == StageKind::FourCalls {
                    text += "config = { calls = true }\n";
                }
                text += "\n";
            }
        }
        Self {
            name: "node",
            components: components.display().to_string(),
            text,
        }
    }

    /// The product's four components, each on a route, and nothing else.
    pub(crate) fn four_components(components: &Path, upstream: u16) -> Self {
        let mut text = head(upstream);
        for name in ["auth", "ratelimit", "cache"] {
            text += &component(name, "filter", "deadline = \"1s\"\n");
        }
        let image =
            "deadline = \"5s\"\nmemory = \"128MiB\"\nmax_instances = 8\nupstreams = [\"origin\"]\n";
        text += &component("image", "service", image);
        text += &route("filtered", "upstream = \"stub\"\ncache = true");
        text += &filters();
        text +=
            "[[routes]]\nname = \"media\"\npaths = [\"/media/{image}\"]\nservice = \"image\"\n\n";
        Self {
            name: "memory",
            components: components.display().to_string(),
            text,
        }
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
    pub(crate) fn start(
        program: &Path,
        placement: &Placement,
        folder: &Path,
        setup: &Setup,
    ) -> anyhow::Result<Self> {
        let folder = subfolder(folder, setup.name)?;
        let (http, admin) = (free_port()?, free_port()?);
        let mut text = setup.text.clone();
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "[listen]\nhttp = \"127.0.0.1:{http}\"\nadmin = \"127.0.0.1:{admin}\"\n"
        );
        let file = folder.join("zephyr.toml");
        std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        let mut command = placement.server(program);
        command
            .args(["edge", "--components", &setup.components, "--config"])
            .arg(&file)
            .current_dir(&folder)
            .env_remove("RUST_LOG");
        let ready = || probe::get(admin, "/-/ready", None).is_ok_and(|answer| answer.status == 200);
        Ok(Self(Server::start(
            command,
            http,
            &folder.join("log"),
            ready,
        )?))
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
        let file = format!("/proc/{}/status", self.0.pid());
        let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
        let kilobytes = text
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|number| number.trim().parse::<u64>().ok())
            .with_context(|| format!("{file} has no VmRSS"))?;
        Ok(kilobytes * 1024)
    }
}

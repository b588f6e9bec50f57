//! The node's configuration, `zephyr.toml`: one small struct a section, each with its own checks.
//!
//! Reading takes texts and folders as values, never the process environment: names of environment
//! variables (`token_env`, `redis_url_env`) are handed on for the binary to look up. An unknown key
//! is an error, and every error says file, line and column.

mod acme;
mod cache;
mod component;
mod compression;
mod content;
mod control;
mod dns;
mod error;
mod kv;
mod limiter;
mod listen;
mod log;
mod node;
mod quantity;
mod reader;
mod route;
mod tls;
mod tunnels;
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use toml::Spanned;

pub use acme::Acme;
pub use cache::CacheSection;
pub use component::{Component, ComponentKind};
pub use compression::{Coding, CompressionSection};
pub use content::{Dictionary, Files};
pub use control::Control;
pub use dns::Dns;
pub use error::ConfigError;
pub use kv::{Kv, KvBackend};
pub use limiter::{Limiter, LimiterBackend};
pub use listen::{Listen, Network};
pub use log::Log;
pub use node::NodeSection;
pub use quantity::Size;
pub use route::{OnError, Route, Stage, Target};
pub use tls::{Alpn, CertificateFiles, Tls, TlsVersion};
pub use tunnels::Tunnels;
pub use upstream::{
    Breaker, HashBy, HealthCheck, HealthKind, Http2, Origin, Outlier, PolicyName, RetryOn,
    ServerConfig, TlsConfig, UpstreamConfig,
};

pub(crate) use error::Place;

/// What reading needs besides the text.
#[derive(Clone, Debug)]
pub struct ParseOptions {
    /// The file's name, for error messages.
    pub file: String,
    /// The folder against which relative paths are looked up.
    pub base_dir: PathBuf,
    /// What `$components` at the start of a path stands for.
    pub components_dir: PathBuf,
}

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node itself.
    pub node: NodeSection,
    /// Where it listens, and the limits of what comes in.
    pub listen: Listen,
    /// How it speaks TLS.
    pub tls: Tls,
    /// Where it orders certificates.
    pub acme: Acme,
    /// Bounds on tunnels.
    pub tunnels: Tunnels,
    /// What it logs.
    pub log: Log,
    /// The origin it joins, if any.
    pub control: Option<Control>,
    /// How names of upstreams are looked up.
    pub dns: Dns,
    /// Upstreams by name.
    pub upstreams: BTreeMap<String, UpstreamConfig>,
    /// The key-value store.
    pub kv: Kv,
    /// The rate limiter.
    pub limiter: Limiter,
    /// The response cache.
    pub cache: CacheSection,
    /// How answers are compressed.
    pub compression: CompressionSection,
    /// Components by name.
    pub components: BTreeMap<String, Component>,
    /// Routes, in the order of the file.
    pub routes: Vec<Route>,
    /// The file's name, for messages.
    pub file: String,
    /// SHA-256 of the text, in hexadecimal digits.
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    node: NodeSection,
    listen: Listen,
    tls: Option<Spanned<Tls>>,
    acme: Option<Spanned<Acme>>,
    #[serde(default)]
    tunnels: Tunnels,
    #[serde(default)]
    log: Log,
    control: Option<Control>,
    #[serde(default)]
    dns: Dns,
    #[serde(default)]
    upstreams: BTreeMap<Spanned<String>, UpstreamConfig>,
    #[serde(default)]
    kv: Kv,
    #[serde(default)]
    limiter: Limiter,
    #[serde(default)]
    cache: CacheSection,
    #[serde(default)]
    compression: CompressionSection,
    #[serde(default)]
    components: BTreeMap<Spanned<String>, component::ComponentFile>,
    #[serde(default)]
    routes: Vec<Spanned<route::RouteFile>>,
}

impl Config {
    /// Reads a configuration and checks all of it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with file, line and column.
    pub fn parse(text: &str, options: &ParseOptions) -> Result<Self, ConfigError> {
        let place = Place {
            text,
            file: &options.file,
        };
        let file: File = reader::from_str(text).map_err(|error| place.read(&error))?;
        let mut upstreams = named(&place, "upstream", file.upstreams)?;
        for upstream in upstreams.values_mut() {
            upstream.resolve(&options.base_dir);
        }
        let mut components = BTreeMap::new();
        for (name, component) in file.components {
            let checked = component.check(&place, options, &upstreams)?;
            components.insert(name_of(&place, "component", name)?, checked);
        }
        let routes = route::check_all(&place, file.routes, options, &upstreams, &components)?;
        let acme = acme::check(&place, file.acme, &options.base_dir)?;
        let tls = tls::check(&place, file.tls, &options.base_dir)?;
        tls::check_listener(&place, &file.listen, &tls, &acme)?;
        Ok(Self {
            node: file.node.resolve(&options.base_dir),
            listen: file.listen,
            tls,
            acme,
            tunnels: file.tunnels,
            log: file.log,
            control: file.control,
            dns: file.dns,
            upstreams,
            kv: file.kv,
            limiter: file.limiter,
            cache: file.cache.resolve(&options.base_dir),
            compression: file.compression,
            components,
            routes,
            file: options.file.clone(),
            sha256: hex(&Sha256::digest(text.as_bytes())),
        })
    }

    /// Sends what goes to the upstream `origin` and to the control plane to this server: for hosts
    /// whose one setting is where the origin is.
    ///
    /// # Errors
    ///
    /// The URL is not a server's.
    pub fn set_origin(&mut self, url: &str) -> Result<(), ConfigError> {
        let origin = Origin::parse(url).map_err(|why| ConfigError {
            file: self.file.clone(),
            position: None,
            message: format!("the origin's URL {url:?}: {why}"),
        })?;
        if let Some(upstream) = self.upstreams.get_mut("origin") {
            upstream.set_url(origin.clone());
        }
        if let Some(control) = &mut self.control {
            control.url = origin;
        }
        Ok(())
    }

    /// Reads a configuration from a file; relative paths are looked up beside it.
    ///
    /// # Errors
    ///
    /// That the file cannot be read, or as [`Config::parse`].
    pub fn load(path: &Path, components_dir: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(path, &error))?;
        let base_dir = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let options = ParseOptions {
            file: path.display().to_string(),
            base_dir,
            components_dir: components_dir.to_owned(),
        };
        Self::parse(&text, &options)
    }
}

fn named<T>(
    place: &Place<'_>,
    kind: &str,
    entries: BTreeMap<Spanned<String>, T>,
) -> Result<BTreeMap<String, T>, ConfigError> {
    let mut named = BTreeMap::new();
    for (name, entry) in entries {
        named.insert(name_of(place, kind, name)?, entry);
    }
    Ok(named)
}

/// Names stand in metrics, logs and authorities, so they are kept plain.
fn name_of(place: &Place<'_>, kind: &str, name: Spanned<String>) -> Result<String, ConfigError> {
    if is_name(name.get_ref()) {
        return Ok(name.into_inner());
    }
    let what = name.get_ref();
    Err(place.at(
        name.span(),
        format!("the {kind} name {what:?} must be 1 to 64 lower-case letters, digits, `-` or `_`"),
    ))
}

/// Whether it may name a component, route or upstream.
pub(crate) fn is_name(name: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

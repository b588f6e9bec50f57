//! `spin.toml` as it is written: what serde reads, before anything in it is judged.
//!
//! Keys that Spin knows and the node does not support are read too, so that the error about them can
//! say so.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::{Spanned, Value};

/// Something that Spin knows and the node does not support.
pub(super) type Unsupported = Option<Spanned<IgnoredAny>>;

/// The version alone, so that a manifest of another one is refused for that and for nothing else.
#[derive(Deserialize)]
pub(super) struct Version {
    pub(super) spin_manifest_version: Option<Spanned<Value>>,
    pub(super) spin_version: Option<Spanned<Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManifestFile {
    #[serde(rename = "spin_manifest_version")]
    _version: IgnoredAny,
    pub(super) application: Application,
    #[serde(default)]
    pub(super) variables: BTreeMap<Spanned<String>, VariableFile>,
    pub(super) trigger: Triggers,
    #[serde(default)]
    pub(super) component: BTreeMap<Spanned<String>, ComponentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Application {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default)]
    pub(super) description: String,
    #[serde(default, rename = "authors")]
    _authors: Vec<String>,
    /// Says which hosts the application is for; nothing that a host acts on.
    #[serde(rename = "targets")]
    _targets: Option<IgnoredAny>,
    /// For external tools.
    #[serde(rename = "tool")]
    _tool: Option<IgnoredAny>,
    pub(super) trigger: Unsupported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VariableFile {
    #[serde(rename = "description")]
    _description: Option<String>,
    pub(super) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) required: bool,
    /// No value of a variable is ever logged, secret or not.
    #[serde(default, rename = "secret")]
    _secret: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Triggers {
    #[serde(default)]
    pub(super) http: Vec<Spanned<HttpTrigger>>,
    pub(super) redis: Unsupported,
    pub(super) mqtt: Unsupported,
    pub(super) sqs: Unsupported,
    pub(super) cron: Unsupported,
    pub(super) command: Unsupported,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HttpTrigger {
    #[serde(rename = "id")]
    _id: Option<String>,
    pub(super) route: Spanned<Value>,
    pub(super) component: Option<Spanned<Value>>,
    pub(super) executor: Option<Spanned<Executor>>,
    pub(super) components: Unsupported,
    pub(super) static_response: Unsupported,
}

#[derive(Deserialize)]
pub(super) struct Executor {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ComponentFile {
    pub(super) source: Spanned<Value>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    pub(super) allowed_outbound_hosts: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) key_value_stores: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) variables: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) environment: BTreeMap<Spanned<String>, String>,
    /// How it is built is nothing that a host acts on; nor are the profiles, for which it is built
    /// in other ways.
    #[serde(rename = "build")]
    _build: Option<IgnoredAny>,
    #[serde(rename = "targets")]
    _targets: Option<IgnoredAny>,
    #[serde(rename = "tool")]
    _tool: Option<IgnoredAny>,
    #[serde(rename = "exclude_files")]
    _exclude_files: Option<IgnoredAny>,
    pub(super) files: Option<Spanned<Value>>,
    pub(super) sqlite_databases: Option<Spanned<Value>>,
    pub(super) ai_models: Option<Spanned<Value>>,
    pub(super) dependencies: Option<Spanned<Value>>,
    #[serde(default)]
    pub(super) dependencies_inherit_configuration: bool,
    pub(super) profile: Unsupported,
    pub(super) allowed_http_hosts: Unsupported,
}

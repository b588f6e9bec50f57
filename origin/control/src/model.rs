//! What comes in and goes out.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zephyr_origin_core::{ApiError, FieldErrors};

/// What to drop from the caches. Exactly one of the first four.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PurgeParams {
    /// Surrogate keys, 1 to 256; each 1 to 256 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["listings"]))]
    pub keys: Option<Vec<String>>,
    /// One URL as clients ask for it: `http://host/path?query`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A folder and all below it: `http://host/path/`, with a slash at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// `true`: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<bool>,
    /// `true`: it becomes stale only, and may still stand in where a stale answer may.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub soft: bool,
}

/// A checked purge, as nodes read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purge {
    /// All answers under any of these surrogate keys.
    Keys(Vec<String>),
    /// All answers of one URL.
    Url(String),
    /// All answers below a folder.
    Prefix(String),
    /// Everything.
    All(bool),
}

impl PurgeParams {
    /// # Errors
    ///
    /// 422 that names what is wrong.
    pub(crate) fn checked(self) -> Result<Purge, ApiError> {
        let mut errors = FieldErrors::default();
        let purge = match (self.keys, self.url, self.prefix, self.all) {
            (Some(keys), None, None, None) => {
                errors.check(
                    (1..=256).contains(&keys.len()),
                    "keys",
                    "must be 1 to 256 keys",
                );
                for (index, key) in keys.iter().enumerate() {
                    if !is_key(key) {
                        let rule = "must be 1 to 256 visible ASCII characters";
                        errors.add(format!("keys[{index}]"), rule);
                    }
                }
                Purge::Keys(keys)
            }
            (None, Some(url), None, None) => {
                errors.check(is_url(&url), "url", "must be an absolute http or https URL");
                errors.check(url.len() <= 8192, "url", "must be at most 8192 bytes");
                Purge::Url(url)
            }
            (None, None, Some(prefix), None) => {
                errors.check(
                    is_url(&prefix) && prefix.ends_with('/') && !prefix.contains('?'),
                    "prefix",
                    "must be an absolute http or https URL that ends with a slash",
                );
                errors.check(prefix.len() <= 8192, "prefix", "must be at most 8192 bytes");
                Purge::Prefix(prefix)
            }
            (None, None, None, Some(all)) => {
                errors.check(all, "all", "can only be true");
                Purge::All(true)
            }
            _ => {
                errors.add("", "must be exactly one of keys, url, prefix and all");
                Purge::All(true)
            }
        };
        errors.into_result()?;
        Ok(purge)
    }
}

fn is_url(text: &str) -> bool {
    text.parse::<http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

fn is_key(key: &str) -> bool {
    (1..=256).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Answer to a purge.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Its number in the change log. A node whose `seq` has reached it has done it.
    pub seq: i64,
    /// What the nodes say, if it was waited for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Confirmation>,
}

/// Nodes that are alive, by whether they have done a purge.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub(crate) struct Confirmation {
    /// Those that have.
    pub confirmed: Vec<String>,
    /// Those that have not said so.
    pub waiting: Vec<String>,
}

impl Receipt {
    /// Of a change that nobody has waited for yet.
    pub(crate) fn of(seq: i64) -> Self {
        Self { seq, nodes: None }
    }
}

/// A line of the change log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Change {
    /// Its number.
    pub seq: i64,
    /// `purge` or `kv`.
    pub kind: String,
    /// What changed.
    #[schema(value_type = Object)]
    pub payload: serde_json::Value,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// What a node tells of itself, every few seconds. Unknown members are kept out on purpose: a newer
/// node may say more than this origin understands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Heartbeat {
    /// The node's name.
    pub node: String,
    /// Its version.
    pub version: String,
    /// When it started.
    pub started_at: String,
    /// How far it has followed the change log.
    pub seq: i64,
    /// Where it serves clients.
    pub http_addr: String,
    /// Of the configuration in force.
    pub config_sha256: String,
    /// Routes in force.
    pub routes: Vec<RouteView>,
    /// Components in force.
    pub components: Vec<ComponentView>,
    /// Counts since its start.
    #[schema(value_type = Object)]
    pub counters: serde_json::Map<String, serde_json::Value>,
}

/// A route of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RouteView {
    /// Its name.
    pub name: String,
    /// Host patterns.
    pub hosts: Vec<String>,
    /// Path patterns.
    pub paths: Vec<String>,
    /// Where it leads, if to an upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// What answers, if a component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its filters, in order.
    pub stages: Vec<String>,
    /// Whether the cache stands before it.
    pub cache: bool,
}

/// A component of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComponentView {
    /// Its name.
    pub name: String,
    /// `filter` or `service`.
    pub kind: String,
    /// Of its bytes.
    pub sha256: String,
}

/// Most routes, and most components, that a node may report.
const MAX_REPORTED: usize = 1000;

impl Heartbeat {
    /// # Errors
    ///
    /// 422 that names what is wrong.
    pub fn check(&self) -> Result<(), ApiError> {
        let mut errors = FieldErrors::default();
        errors.check(is_node(&self.node), "node", NODE_RULE);
        errors.check(self.seq >= 0, "seq", "must be 0 or more");
        errors.check(self.routes.len() <= MAX_REPORTED, "routes", "are too many");
        errors.check(
            self.components.len() <= MAX_REPORTED,
            "components",
            "are too many",
        );
        errors.into_result()
    }
}

/// How node names look.
pub(crate) const NODE_RULE: &str = "must be 1 to 128 letters, digits and -_.:";

/// Whether a text can be a node's name.
pub(crate) fn is_node(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    (1..=128).contains(&name.len()) && name.bytes().all(legal)
}

/// A node as operators see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NodeView {
    /// Its last heartbeat.
    #[serde(flatten)]
    pub heartbeat: Heartbeat,
    /// `alive`, or `lost` when it has been silent for 15 seconds.
    #[schema(value_type = String, example = "alive")]
    pub state: &'static str,
    /// Changes it has yet to follow.
    pub behind: i64,
    /// When it was first seen.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen: OffsetDateTime,
    /// When it was last seen.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen: OffsetDateTime,
}

/// A route, and the nodes on which it is in force in this form.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct RouteInForce {
    /// What it is.
    #[serde(flatten)]
    pub route: RouteView,
    /// Where.
    pub nodes: Vec<String>,
}

/// A component, and the nodes on which it is in force in this form.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ComponentInForce {
    /// What it is.
    #[serde(flatten)]
    pub component: ComponentView,
    /// Where.
    pub nodes: Vec<String>,
}

/// How the origin fares.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `degraded` when a node is lost or events wait for more than a minute.
    #[schema(value_type = String, example = "ok")]
    pub status: &'static str,
    /// Milliseconds that the database took to answer.
    pub database_ms: f64,
    /// The head of the change log.
    pub seq: i64,
    /// Nodes that are alive, and lost.
    pub nodes_alive: usize,
    /// See `nodes_alive`.
    pub nodes_lost: usize,
    /// Events that wait, per service.
    pub outboxes: Vec<OutboxView>,
}

/// An outbox.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct OutboxView {
    /// Whose.
    #[schema(value_type = String)]
    pub service: &'static str,
    /// Events in it.
    pub waiting: i64,
    /// Age of the oldest.
    pub oldest_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<Purge, Vec<String>> {
        let params: PurgeParams = serde_json::from_str(json).unwrap();
        params.checked().map_err(|error| {
            error
                .problem(None)
                .errors
                .into_iter()
                .map(|error| error.field)
                .collect()
        })
    }

    #[test]
    fn a_purge_is_one_thing() {
        assert_eq!(
            check(r#"{"keys":["a"]}"#),
            Ok(Purge::Keys(vec!["a".into()]))
        );
        assert_eq!(
            check(r#"{"url":"http://a/b?c"}"#),
            Ok(Purge::Url("http://a/b?c".into()))
        );
        assert_eq!(check(r#"{"all":true}"#), Ok(Purge::All(true)));
        assert_eq!(
            check(r#"{"prefix":"http://a/b/"}"#),
            Ok(Purge::Prefix("http://a/b/".into()))
        );
        for wrong in ["http://a/b", "/b/", "http://a/?b/"] {
            let wrong = format!(r#"{{"prefix":"{wrong}"}}"#);
            assert_eq!(check(&wrong), Err(vec!["prefix".into()]), "{wrong}");
        }
        assert_eq!(check(r#"{"keys":[]}"#), Err(vec!["keys".into()]));
        assert_eq!(
            check(r#"{"keys":["a","b c"]}"#),
            Err(vec!["keys[1]".into()])
        );
        assert_eq!(check(r#"{"url":"/b"}"#), Err(vec!["url".into()]));
        assert_eq!(check(r#"{"all":false}"#), Err(vec!["all".into()]));
        assert_eq!(check("{}"), Err(vec![String::new()]));
        assert_eq!(
            check(r#"{"all":true,"url":"http://a/"}"#),
            Err(vec![String::new()])
        );
    }

    #[test]
    fn nodes_read_a_purge_as_the_protocol_says() {
        let json = |purge: &Purge| serde_json::to_string(purge).unwrap();
        assert_eq!(json(&Purge::Keys(vec!["a".into()])), r#"{"keys":["a"]}"#);
        assert_eq!(json(&Purge::Url("u".into())), r#"{"url":"u"}"#);
        let prefix = Purge::Prefix("http://a/".into());
        assert_eq!(json(&prefix), r#"{"prefix":"http://a/"}"#);
        assert_eq!(json(&Purge::All(true)), r#"{"all":true}"#);
    }
}

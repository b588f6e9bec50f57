//! What an isolate runs: the site of the built-in `zephyr.toml`, or of the one in `ZEPHYR_CONFIG`.

use std::rc::Rc;

use worker::Env;
use zephyr_edge_pipeline::config::{Config, Origin};
use zephyr_edge_portable::edge::Memory;
use zephyr_edge_portable::{Site, site};

/// The file that was there when the Worker was built.
const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/zephyr.toml"));

/// An isolate's settings. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) site: Rc<Site>,
    pub(crate) memory: Rc<Memory>,
    /// Larger bodies are not stored, in bytes.
    pub(crate) max_object_bytes: usize,
}

impl Settings {
    pub(crate) fn read(env: &Env) -> Result<Self, String> {
        let config = config(env)?;
        let site = Site::new(&config).map_err(|error| error.to_string())?;
        for what in site.absent() {
            worker::console_warn!("this host does not have the {what}: its routes answer 501");
        }
        Ok(Self {
            site: Rc::new(site),
            memory: Rc::default(),
            max_object_bytes: config.cache.max_object_bytes.as_usize(),
        })
    }
}

/// Where the control plane is, and what opens it; none when the site joins no origin.
pub(crate) fn control(env: &Env) -> Result<Option<(Origin, String)>, String> {
    let Some(token) = variable(env, "EDGE_TOKEN") else {
        return Ok(None);
    };
    Ok(config(env)?.control.map(|control| (control.url, token)))
}

fn config(env: &Env) -> Result<Config, String> {
    let own = variable(env, "ZEPHYR_CONFIG");
    let own = own.as_deref().map(|text| ("ZEPHYR_CONFIG", text));
    let origin = variable(env, "ORIGIN_URL");
    site::read(own, BUILT_IN, origin.as_deref()).map_err(|error| error.to_string())
}

/// A variable or a secret; an empty one counts as none.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = env.var(name).ok()?.to_string();
    (!value.is_empty()).then_some(value)
}

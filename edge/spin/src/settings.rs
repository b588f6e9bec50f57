//! What an instance runs: the site of the built-in `zephyr.toml`, or of the variable `zephyr_config`.

use std::rc::Rc;

use spin_sdk::variables;
use zephyr_edge_pipeline::config::Origin;
use zephyr_edge_portable::edge::Memory;
use zephyr_edge_portable::{Site, site};

use crate::store;

/// The file that was there when the component was built.
const BUILT_IN: &str = include_str!(concat!(env!("OUT_DIR"), "/zephyr.toml"));

/// An instance's settings. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) site: Rc<Site>,
    pub(crate) memory: Rc<Memory>,
    /// Where the control plane is, and what opens it; none when the site joins no origin.
    pub(crate) control: Option<Rc<(Origin, String)>>,
}

impl Settings {
    pub(crate) async fn read() -> Result<Self, String> {
        let own = variable("zephyr_config").await;
        let own = own.as_deref().map(|text| ("zephyr_config", text));
        let origin = variable("origin_url").await;
        let config = site::read(own, BUILT_IN, origin.as_deref());
        let config = config.map_err(|error| error.to_string())?;
        let mut site = Site::new(&config).map_err(|error| error.to_string())?;
        site.limit_objects(store::MAX_BODY as u64);
        for what in site.absent() {
            tracing::warn!("this host does not have the {what}: its routes answer 501");
        }
        let token = variable("edge_token").await;
        let control = config.control.zip(token);
        Ok(Self {
            site: Rc::new(site),
            memory: Rc::default(),
            control: control.map(|(control, token)| Rc::new((control.url, token))),
        })
    }
}

/// A variable; an empty one counts as none.
async fn variable(name: &str) -> Option<String> {
    let value = variables::get(name).await.ok()?;
    (!value.is_empty()).then_some(value)
}

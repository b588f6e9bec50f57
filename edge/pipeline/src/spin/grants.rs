//! What one component of a Spin application is given.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What one component of a Spin application is given, by its manifest, and nothing else.
#[derive(Clone, Default, PartialEq)]
pub struct Grants {
    /// Labels of the key-value stores that it may open.
    pub stores: BTreeSet<String>,
    /// Its variables, with their values.
    pub variables: BTreeMap<String, String>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// The servers that it may ask: whether over TLS, host in lower case, and port, to the name of
    /// the upstream.
    pub outbound: BTreeMap<(bool, String, u16), String>,
}

impl fmt::Debug for Grants {
    /// Without values: each may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("stores", &self.stores)
            .field("variables", &self.variables.keys())
            .field("environment", &self.environment.keys())
            .field("outbound", &self.outbound)
            .finish()
    }
}

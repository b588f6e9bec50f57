//! Tests of the suite that the node does not pass, and why.

use std::collections::BTreeMap;

/// By the test's id.
pub(crate) fn failures() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([])
}

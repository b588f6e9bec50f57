//! Where answers lie.

use http::{HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use zephyr_cache::{Selection, key};
use zephyr_edge_pipeline::Exchange;

use super::marks;

/// Where answers for a URL lie.
#[derive(Clone, Debug)]
pub(super) struct Place {
    key: Vec<u8>,
    /// Where the answer to the plain key lies, or which fields it depends on.
    pub(super) base: String,
}

impl Place {
    pub(super) fn of(x: &Exchange) -> Self {
        let mut key = Vec::with_capacity(128);
        let uri = &x.request.uri;
        key::append(
            &mut key,
            x.scheme,
            &x.authority,
            uri.path(),
            uri.query(),
            &x.cache,
        );
        let base = hash(&key);
        Self { key, base }
    }

    /// Where an answer lies that depends on request fields.
    pub(super) fn variant(&self, selection: &Selection) -> String {
        let mut key = self.key.clone();
        // No key holds this: what stands behind its zero bytes is a kind and a length.
        key.extend_from_slice(b"\0vary\0");
        selection.append_key(&mut key);
        hash(&key)
    }
}

/// What a request has in the fields of these names.
pub(super) fn selection(names: &[String], request: &HeaderMap) -> Selection {
    let names: Vec<HeaderName> = names.iter().filter_map(|name| name.parse().ok()).collect();
    Selection::by(&names, request)
}

/// A key's hash in hexadecimal digits.
fn hash(key: &[u8]) -> String {
    marks::hex(&Sha256::digest(key))
}

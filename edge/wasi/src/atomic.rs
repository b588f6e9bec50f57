//! Changes of one key that no other request comes between: compare-and-swap of `wasi:keyvalue`.

use spin_sdk::experimental::wasi::keyvalue::atomics::{self, Cas, CasError};
use spin_sdk::experimental::wasi::keyvalue::store;

/// The store.
pub const STORE: &str = "default";

/// How often a change is tried; each failure means that another request's went through.
const TRIES: usize = 64;

/// Changes the value of a key. `change` gives the new value, or none to leave it; it is called again
/// when another request came between.
///
/// # Errors
///
/// The store fails, or too many requests change the key at once.
pub fn update<T>(
    key: &str,
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, T),
) -> Result<T, String> {
    let bucket = store::open(STORE).map_err(|error| format!("{error:?}"))?;
    let mut cas = Cas::new(&bucket, key).map_err(|error| format!("{error:?}"))?;
    for _ in 0..TRIES {
        let current = cas.current().map_err(|error| format!("{error:?}"))?;
        let (new, outcome) = change(current.as_deref());
        let Some(new) = new else {
            return Ok(outcome);
        };
        match atomics::swap(cas, &new) {
            Ok(()) => return Ok(outcome),
            Err(CasError::CasFailed(latest)) => cas = latest,
            Err(CasError::StoreError(error)) => return Err(format!("{error:?}")),
        }
    }
    Err(format!("{key}: too many requests change it at once"))
}

//! Which keys a component may read and write, and what they are called in the host's store.
//!
//! Keys that begin with `site/` belong to the site: all components read them, none writes them. Any
//! other key belongs to the component and lies below `c/<component>/`.

/// Bytes of a component's own key (`wit/filter.wit`).
const MAX_KEY_BYTES: usize = 512;

/// The store's key for one that a component reads.
///
/// # Errors
///
/// Says which bound the key breaks.
pub fn readable(component: &str, key: &str) -> Result<String, String> {
    bounded(key)?;
    if key.starts_with("site/") {
        Ok(key.to_owned())
    } else {
        Ok(own(component, key))
    }
}

/// The store's key for one that a component writes.
///
/// # Errors
///
/// Says which bound the key breaks, or that it is the site's.
pub fn writable(component: &str, key: &str) -> Result<String, String> {
    bounded(key)?;
    if key.starts_with("site/") {
        return Err("keys below `site/` are read-only".to_owned());
    }
    Ok(own(component, key))
}

fn own(component: &str, key: &str) -> String {
    format!("c/{component}/{key}")
}

fn bounded(key: &str) -> Result<(), String> {
    match key.len() {
        0 => Err("the key is empty".to_owned()),
        1..=MAX_KEY_BYTES => Ok(()),
        length => Err(format!(
            "the key has {length} bytes, more than {MAX_KEY_BYTES}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_writes_only_below_its_own_name() {
        assert_eq!(writable("auth", "a").as_deref(), Ok("c/auth/a"));
        assert_eq!(readable("auth", "a").as_deref(), Ok("c/auth/a"));
        assert_eq!(readable("auth", "site/jwks").as_deref(), Ok("site/jwks"));
        assert!(writable("auth", "site/jwks").is_err());
        // Names of other components and of the store mean nothing special.
        assert_eq!(
            writable("auth", "../cache/a").as_deref(),
            Ok("c/auth/../cache/a")
        );
        assert_eq!(
            writable("auth", "c/cache/a").as_deref(),
            Ok("c/auth/c/cache/a")
        );
    }

    #[test]
    fn keys_are_bounded() {
        assert!(readable("auth", "").is_err());
        assert!(readable("auth", &"k".repeat(MAX_KEY_BYTES)).is_ok());
        assert!(readable("auth", &"k".repeat(MAX_KEY_BYTES + 1)).is_err());
    }
}

//! Writes a configuration into the place that a middleware component keeps free for it. The place
//! begins with a mark; behind it come the length of the JSON and the JSON, and the rest stays as it is
//! (`edge/middleware/src/settings.rs`).

/// What the place begins with.
const MARK: &[u8; 24] = b"zephyr:middleware:config";
/// Bytes of the place.
const SIZE: usize = 64 * 1024;
/// The most JSON that fits: mark and length stand before it, and the place's last byte behind.
pub(crate) const MAX_JSON: usize = SIZE - MARK.len() - 4 - 1;

/// The component with this configuration.
///
/// # Errors
///
/// The component has no such place, or more than one; the place is taken; or the JSON is too large.
pub(crate) fn embed(component: &[u8], json: &[u8]) -> Result<Vec<u8>, String> {
    if json.len() > MAX_JSON {
        return Err(format!(
            "the configuration has {} bytes as JSON; {MAX_JSON} fit",
            json.len()
        ));
    }
    let marks: Vec<usize> = component
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| window == MARK)
        .map(|(at, _)| at)
        .collect();
    let [mark] = marks[..] else {
        return Err(format!(
            "{} places for a configuration were found, not one",
            marks.len()
        ));
    };
    let start = mark + MARK.len();
    let place = component.get(start..mark + SIZE - 1).unwrap_or_default();
    if place.is_empty() || place.iter().any(|byte| *byte != 0) {
        return Err("the place for a configuration is not free".to_owned());
    }
    let length = u32::try_from(json.len()).map_err(|error| error.to_string())?;
    let mut out = component.to_vec();
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..start + 4 + json.len()].copy_from_slice(json);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component() -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        bytes.extend_from_slice(MARK);
        bytes.resize(6 + SIZE - 1, 0);
        bytes.extend_from_slice(b"\x01after");
        bytes
    }

    #[test]
    fn only_the_place_changes() {
        let before = component();
        let after = embed(&before, b"{}").unwrap();
        assert_eq!(after.len(), before.len());
        assert_eq!(after[6 + 24..6 + 24 + 6], *b"\x02\0\0\0{}");
        assert!(after.ends_with(b"\x01after") && after.starts_with(b"before"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let free = component();
        embed(&free, &vec![b' '; MAX_JSON]).unwrap();
        let error = embed(&free, &vec![b' '; MAX_JSON + 1]).unwrap_err();
        assert!(error.contains("fit"), "{error}");
        let taken = embed(&free, b"{}").unwrap();
        assert!(embed(&taken, b"{}").unwrap_err().contains("not free"));
        assert!(embed(b"none", b"{}").unwrap_err().starts_with("0 places"));
        let twice = [free.clone(), free].concat();
        assert!(embed(&twice, b"{}").unwrap_err().starts_with("2 places"));
    }
}

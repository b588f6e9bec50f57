//! What is checked before a component may run: that it is one, and that it imports nothing but what
//! its kind is given.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::LoadError;

/// The largest component. The largest of ours has 2 MiB.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// The first eight bytes of a component: magic, version, layer 1.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// What std imports, whatever it is used for. None of it reaches anything outside: the environment
/// is empty, there are no folders, output goes to the node's log.
const STD: [&str; 18] = [
    "wasi:cli/environment@0.2.",
    "wasi:cli/exit@0.2.",
    "wasi:cli/stderr@0.2.",
    "wasi:cli/stdin@0.2.",
    "wasi:cli/stdout@0.2.",
    "wasi:cli/terminal-input@0.2.",
    "wasi:cli/terminal-output@0.2.",
    "wasi:cli/terminal-stderr@0.2.",
    "wasi:cli/terminal-stdin@0.2.",
    "wasi:cli/terminal-stdout@0.2.",
    "wasi:clocks/monotonic-clock@0.2.",
    "wasi:clocks/wall-clock@0.2.",
    "wasi:filesystem/preopens@0.2.",
    "wasi:filesystem/types@0.2.",
    "wasi:io/error@0.2.",
    "wasi:io/poll@0.2.",
    "wasi:io/streams@0.2.",
    "wasi:random/",
];

const FILTER: [&str; 1] = ["zephyr:edge/"];

const SERVICE: [&str; 8] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/types@0.",
    "wasi:http/client@0.3.",
    "wasi:http/outgoing-handler@0.2.",
    "wasi:io/",
    "wasi:random/",
];

/// What components of a Spin application get besides.
const SPIN: [&str; 6] = [
    "wasi:keyvalue/store@0.2.0-draft2",
    "wasi:keyvalue/atomics@0.2.0-draft2",
    "wasi:keyvalue/batch@0.2.0-draft2",
    "wasi:config/store@0.2.0-draft-2024-09-27",
    "spin:key-value/key-value@3.0.0",
    "spin:variables/variables@3.0.0",
];

/// The kinds of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Filter,
    Service,
    /// A service that is a component of a Spin application.
    Spin,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filters",
            Self::Service => "services",
            Self::Spin => "components of Spin applications",
        }
    }

    fn allows(self, import: &str) -> bool {
        let own: &[&str] = match self {
            Self::Filter => &FILTER,
            Self::Service | Self::Spin => &SERVICE,
        };
        if self == Self::Spin && SPIN.contains(&import) {
            return true;
        }
        own.iter()
            .chain(&STD)
            .any(|prefix| import.starts_with(prefix))
    }
}

/// Refuses what is not a component, before a compiler sees it.
pub(super) fn check_bytes(name: &str, bytes: &[u8]) -> Result<(), LoadError> {
    let name = || name.to_owned();
    if bytes.len() > MAX_BYTES {
        return Err(LoadError::TooLarge {
            name: name(),
            size: bytes.len(),
            limit: MAX_BYTES,
        });
    }
    match bytes.first_chunk::<8>() {
        Some(&COMPONENT) => Ok(()),
        Some(b"\0asm\x01\0\0\0") => Err(LoadError::CoreModule { name: name() }),
        _ => Err(LoadError::NotWasm { name: name() }),
    }
}

/// Refuses a component that imports what its kind is not given.
pub(super) fn check_imports(
    name: &str,
    component: &Component,
    engine: &Engine,
    kind: Kind,
) -> Result<(), LoadError> {
    // Types carry no capability; a world's own `use` imports them by their bare names.
    let is_type =
        |item: &ComponentItem| matches!(item, ComponentItem::Type(_) | ComponentItem::Resource(_));
    let component = component.component_type();
    let mut imports = component.imports(engine);
    match imports.find(|(import, item)| !is_type(&item.ty) && !kind.allows(import)) {
        None => Ok(()),
        Some((import, _)) => Err(LoadError::Import {
            name: name.to_owned(),
            import: import.to_owned(),
            kind: kind.name(),
        }),
    }
}

/// The SHA-256 of bytes in lower-case hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_reach_no_socket_and_no_http() {
        assert!(Kind::Filter.allows("zephyr:edge/kv@0.1.0"));
        assert!(Kind::Filter.allows("wasi:io/poll@0.2.6"));
        for import in [
            "wasi:sockets/tcp@0.2.6",
            "wasi:http/types@0.3.0",
            "wasi:io/poll@0.3.0",
        ] {
            assert!(!Kind::Filter.allows(import), "{import}");
        }
        assert!(Kind::Service.allows("wasi:http/client@0.3.0"));
        assert!(!Kind::Service.allows("wasi:sockets/types@0.3.0"));
        assert!(!Kind::Service.allows("zephyr:edge/kv@0.1.0"));
        assert!(!Kind::Service.allows("spin:key-value/key-value@3.0.0"));
        assert!(Kind::Spin.allows("spin:key-value/key-value@3.0.0"));
        assert!(Kind::Spin.allows("wasi:http/client@0.3.0"));
        assert!(!Kind::Spin.allows("spin:sqlite/sqlite@3.1.0"));
        assert!(!Kind::Spin.allows("wasi:sockets/types@0.3.0"));
    }

    #[test]
    fn what_is_no_component_is_refused() {
        let refused = |bytes: &[u8]| check_bytes("x", bytes).unwrap_err().to_string();
        assert_eq!(refused(b""), "component x: not a WebAssembly file");
        assert_eq!(
            refused(b"\x7fELF0000"),
            "component x: not a WebAssembly file"
        );
        assert!(refused(b"\0asm\x01\0\0\0").contains("a core module"));
        assert!(refused(&vec![0; MAX_BYTES + 1]).contains("more than the 67108864 allowed"));
    }
}

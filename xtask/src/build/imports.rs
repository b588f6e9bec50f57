//! What a bundle of JavaScript imports: the host must have all of it.

/// Modules that Cloudflare's runtime brings, and the bundle's own.
pub(super) fn is_known(module: &str) -> bool {
    module.starts_with("cloudflare:") || module == "./index_bg.wasm"
}

/// The modules of static and dynamic imports, in the shapes that esbuild writes.
pub(super) fn of(script: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for keyword in ["from", "import"] {
        for (at, _) in script.match_indices(keyword) {
            // A part of a longer word.
            let before = script[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '.')) {
                continue;
            }
            let rest = script[at + keyword.len()..].trim_start_matches([' ', '(']);
            let Some(quoted) = rest.strip_prefix('"') else {
                continue;
            };
            if let Some(end) = quoted.find('"') {
                found.push(&quoted[..end]);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_all_shapes() {
        let script = r#"import{A as a}from"cloudflare:workers";import b from "./index_bg.wasm";
            import"side";const c=import("node:fs");x.from("no");Array.from("neither");"#;
        assert_eq!(
            of(script),
            ["./index_bg.wasm", "cloudflare:workers", "node:fs", "side"]
        );
        assert!(is_known("cloudflare:workers") && !is_known("node:fs"));
    }
}

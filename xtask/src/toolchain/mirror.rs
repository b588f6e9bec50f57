//! Finds the Debian mirror that this machine uses, in its own apt sources.
//!
//! Both forms are understood: one-line (`sources.list`) and deb822 (`*.sources`). Only text comes
//! in, so that it is tested without an apt.

/// A Debian mirror and what its signatures are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    pub(super) uri: String,
    /// A key ring's path or an embedded key, as it stands after `Signed-By:`.
    pub(super) signed_by: Option<String>,
}

/// The first enabled source of binary packages from Debian's main archive.
pub(super) fn find<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Mirror> {
    files.into_iter().find_map(|(name, text)| {
        if name.ends_with(".sources") {
            deb822(text)
        } else {
            one_line(text)
        }
    })
}

/// An apt source file (deb822) for some suites of the mirror.
pub(super) fn source(mirror: &Mirror, suites: &str) -> String {
    let uri = &mirror.uri;
    let mut text = format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n");
    if let Some(signed_by) = &mirror.signed_by {
        text.push_str(&format!("Signed-By: {signed_by}\n"));
    }
    text
}

fn deb822(text: &str) -> Option<Mirror> {
    let mut stanza: Vec<(String, String)> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .chain([""])
    {
        if line.trim().is_empty() {
            if let Some(mirror) = mirror_of(&stanza) {
                return Some(mirror);
            }
            stanza.clear();
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((key, value)) = line.split_once(':') {
            stanza.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    None
}

fn mirror_of(stanza: &[(String, String)]) -> Option<Mirror> {
    let get = |key| {
        stanza
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    };
    let has = |key, word: &str| get(key).is_some_and(|v| v.split_whitespace().any(|w| w == word));
    if !has("types", "deb") || !has("components", "main") || has("enabled", "no") {
        return None;
    }
    let uri = get("uris")?.split_whitespace().find(|uri| is_debian(uri))?;
    Some(Mirror {
        uri: uri.to_owned(),
        signed_by: get("signed-by").map(str::to_owned),
    })
}

fn one_line(text: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default().trim();
        let rest = line.strip_prefix("deb")?;
        let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(inner) => inner.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let uri = words.next().filter(|uri| is_debian(uri))?;
        let _suite = words.next()?;
        words.find(|component| *component == "main")?;
        let signed_by = options
            .split_whitespace()
            .find_map(|o| o.strip_prefix("signed-by="));
        Some(Mirror {
            uri: uri.to_owned(),
            signed_by: signed_by.map(str::to_owned),
        })
    })
}

/// The main archive, and not `debian-security` or a vendor's own repository.
fn is_debian(uri: &str) -> bool {
    uri.trim_end_matches('/').ends_with("/debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: &str = "\
# a comment
Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/some.gpg
";

    #[test]
    fn deb822_sources_are_read() {
        let mirror = find([("debian.sources", SOURCES)]).unwrap();
        assert_eq!(mirror.uri, "http://mirror.example/debian/");
        assert_eq!(
            mirror.signed_by.as_deref(),
            Some("/usr/share/keyrings/some.gpg")
        );
    }

    #[test]
    fn disabled_and_foreign_stanzas_are_passed_over() {
        let disabled = SOURCES.replace("Types: deb deb-src", "Enabled: no\nTypes: deb");
        assert_eq!(find([("debian.sources", disabled.as_str())]), None);
        let foreign =
            "Types: deb\nURIs: https://vendor.example/node\nSuites: x\nComponents: main\n";
        assert_eq!(find([("vendor.sources", foreign)]), None);
    }

    #[test]
    fn an_embedded_key_is_kept_whole() {
        let text = SOURCES.replace("/usr/share/keyrings/some.gpg", "\n -----BEGIN\n .\n abc");
        let mirror = find([("debian.sources", text.as_str())]).unwrap();
        assert_eq!(mirror.signed_by.as_deref(), Some("\n -----BEGIN\n .\n abc"));
        assert!(source(&mirror, "trixie").ends_with("Signed-By: \n -----BEGIN\n .\n abc\n"));
    }

    #[test]
    fn one_line_sources_are_read() {
        let text = "\
# deb http://old.example/debian bookworm main
deb https://vendor.example/apt sdk main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main # ours
";
        let mirror = find([("sources.list", text)]).unwrap();
        assert_eq!(mirror.uri, "http://mirror.example/debian");
        assert_eq!(mirror.signed_by.as_deref(), Some("/k.gpg"));
    }

    #[test]
    fn the_source_file_names_all_that_apt_needs() {
        let mirror = Mirror {
            uri: "http://mirror.example/debian".into(),
            signed_by: None,
        };
        assert_eq!(
            source(&mirror, "trixie trixie-backports"),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: trixie trixie-backports\n\
             Components: main\n"
        );
    }
}

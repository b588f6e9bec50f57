//! From a request's path to a name below the folder. Decoded once and strictly; what is left has no
//! segment that leads anywhere but down.

/// A name below the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relative {
    /// Segments with slashes between; empty: the folder itself.
    name: Vec<u8>,
    /// Whether the path ended with a slash.
    folder: bool,
}

/// Longer names are no files' (`PATH_MAX` of Linux).
const MAX_LENGTH: usize = 4096;

impl Relative {
    /// The file that is meant: the index where a folder is; none when nothing stands for folders.
    pub(super) fn name(&self, index: &[u8]) -> Option<Vec<u8>> {
        let mut name = self.name.clone();
        if self.folder {
            if index.is_empty() {
                return None;
            }
            if !name.is_empty() {
                name.push(b'/');
            }
            name.extend_from_slice(index);
        }
        Some(name)
    }

    pub(super) fn is_folder(&self) -> bool {
        self.folder
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> (&[u8], bool) {
        (&self.name, self.folder)
    }

    /// Whether a page could be meant, by the ending of the last segment.
    pub(super) fn is_page(&self, is_page: impl Fn(&[u8]) -> bool) -> bool {
        self.folder || is_page(&self.name)
    }
}

/// Reads a path; none when no file can have it.
///
/// Refused are: empty segments, `.` and `..` and all else that begins with a dot but `.well-known` in
/// front (RFC 8615), encoded slashes, backslashes and NULs, and a `%` without two digits.
pub(super) fn resolve(path: &str, strip: &str) -> Option<Relative> {
    let path = path.strip_prefix(strip)?;
    if path.is_empty() {
        // The stripped folder itself, without its slash.
        return (!strip.is_empty()).then(|| Relative {
            name: Vec::new(),
            folder: false,
        });
    }
    let path = path.strip_prefix('/')?;
    if path.len() > MAX_LENGTH {
        return None;
    }
    if path.is_empty() {
        return Some(Relative {
            name: Vec::new(),
            folder: true,
        });
    }
    let (segments, folder) = match path.strip_suffix('/') {
        Some(segments) => (segments, true),
        None => (path, false),
    };
    let mut name = Vec::with_capacity(segments.len());
    for segment in segments.split('/') {
        let at = name.len();
        if at > 0 {
            name.push(b'/');
        }
        let begin = name.len();
        decode(segment.as_bytes(), &mut name)?;
        let decoded = &name[begin..];
        let hidden = decoded.first() == Some(&b'.') && !(at == 0 && decoded == b".well-known");
        if decoded.is_empty() || hidden {
            return None;
        }
    }
    Some(Relative { name, folder })
}

fn decode(segment: &[u8], name: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = segment.iter();
    while let Some(&byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let (high, low) = (digit(*bytes.next()?)?, digit(*bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        };
        if matches!(byte, b'/' | b'\\' | 0) {
            return None;
        }
        name.push(byte);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(path: &str) -> Option<String> {
        let name = resolve(path, "")?.name(b"index.html")?;
        Some(String::from_utf8(name).unwrap())
    }

    #[test]
    fn paths_are_names_below() {
        for (path, expected) in [
            ("/", "index.html"),
            ("/a", "a"),
            ("/a/", "a/index.html"),
            ("/a/b.css", "a/b.css"),
            ("/%61%20b", "a b"),
            ("/.well-known/acme", ".well-known/acme"),
            ("/a..b", "a..b"),
            ("/%2561", "%61"),
        ] {
            assert_eq!(name(path).as_deref(), Some(expected), "{path}");
        }
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/..",
            "/../a",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/.%2e/a",
            "/a/.git/config",
            "/.env",
            "/%2eenv",
            "/a/.well-known/x",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%+1",
        ] {
            assert_eq!(name(path), None, "{path}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_whole() {
        let name = |path: &str| resolve(path, "/static").map(|relative| relative.name);
        assert_eq!(name("/static/a"), Some(b"a".to_vec()));
        assert_eq!(name("/static"), Some(vec![]));
        assert_eq!(name("/staticfile"), None);
        assert_eq!(name("/other/a"), None);
    }

    proptest! {
        #[test]
        fn no_path_leads_out(path in "/([a.%/\\\\]|%2e|%2f|%5c|%00|\\.\\.|\\PC){0,24}") {
            if let Some(relative) = resolve(&path, "") {
                let hidden = |segment: &[u8]| segment.first().is_none_or(|byte| *byte == b'.');
                let down = relative.name.is_empty()
                    || relative.name.split(|byte| *byte == b'/').all(|segment| {
                        !hidden(segment) || segment == b".well-known"
                    });
                prop_assert!(down && !relative.name.contains(&0));
            }
        }
    }
}

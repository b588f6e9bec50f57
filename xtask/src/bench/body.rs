//! The bodies that are asked for, and the files that hold them.

use std::path::Path;

use anyhow::Context as _;

/// From here on a body counts as large: fewer connections ask for it.
const LARGE: usize = 1024 * 1024;

/// A body, told by its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// 1 KiB.
    Small,
    /// 100 KiB.
    Medium,
    /// 1 MiB.
    Large,
    /// 10 MiB.
    Huge,
}

impl Body {
    pub(crate) const ALL: [Self; 4] = [Self::Small, Self::Medium, Self::Large, Self::Huge];

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Small => 1024,
            Self::Medium => 100 * 1024,
            Self::Large => LARGE,
            Self::Huge => 10 * 1024 * 1024,
        }
    }

    /// The file's name, which is the last segment of its path on every server.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Small => "1k.bin",
            Self::Medium => "100k.bin",
            Self::Large => "1m.bin",
            Self::Huge => "10m.bin",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Small => "1 KiB",
            Self::Medium => "100 KiB",
            Self::Large => "1 MiB",
            Self::Huge => "10 MiB",
        }
    }

    pub(crate) fn is_large(self) -> bool {
        self.bytes() >= LARGE
    }
}

/// Writes a file for each body. `.bin`, so that nothing takes them for worth compressing.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    for body in Body::ALL {
        let file = folder.join(body.file());
        std::fs::write(&file, text(body)).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}

/// Lines of printable text, no two of them alike.
fn text(body: Body) -> Vec<u8> {
    (0..body.bytes() / 16)
        .flat_map(|line| format!("{line:015}\n").into_bytes())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_their_size() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path()).unwrap();
        for body in Body::ALL {
            let file = folder.path().join(body.file());
            let length = std::fs::metadata(file).unwrap().len();
            assert_eq!(usize::try_from(length).unwrap(), body.bytes());
        }
    }
}

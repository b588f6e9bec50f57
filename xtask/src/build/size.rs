//! How large a build is, and whether its host takes that.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::process;

/// A file's size as it is.
pub(super) fn raw(file: &Path) -> anyhow::Result<u64> {
    let metadata = fs::metadata(file).with_context(|| format!("looking at {}", file.display()))?;
    Ok(metadata.len())
}

/// A file's size after `gzip -9`, which is how hosts count.
pub(super) fn compressed(file: &Path) -> anyhow::Result<u64> {
    anyhow::ensure!(
        process::exists("gzip"),
        "gzip is not on PATH; it tells the compressed size. Debian has it: `apt-get install gzip`"
    );
    let output = Command::new("gzip")
        .args(["-9", "--stdout", "--"])
        .arg(file)
        .output()
        .context("could not start gzip")?;
    anyhow::ensure!(
        output.status.success(),
        "gzip could not read {}",
        file.display()
    );
    u64::try_from(output.stdout.len()).context("a file too large to count")
}

/// Fails above `limit`.
pub(super) fn check(what: &str, size: u64, limit: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        size <= limit,
        "{what} is too large: {}, and {} are allowed",
        kib(size),
        kib(limit)
    );
    Ok(())
}

/// `161 KiB`, rounded up.
pub(super) fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_the_last_size_that_passes() {
        check("the worker", 2048, 2048).unwrap();
        let error = check("the worker", 2049, 2048).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the worker is too large: 3 KiB, and 2 KiB are allowed"
        );
    }

    #[test]
    fn zeros_compress_well() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("zeros");
        fs::write(&file, [0; 10_000]).unwrap();
        assert_eq!(raw(&file).unwrap(), 10_000);
        assert!(compressed(&file).unwrap() < 200);
        assert!(compressed(&folder.path().join("none")).is_err());
    }
}

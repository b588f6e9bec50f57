//! A file that says which versions lie beside it.
//!
//! It is written last and removed first, so an installation that was interrupted has none.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;

const NAME: &str = ".zephyr-versions";

/// Runs `install` unless the folder's stamp says `versions` and all `programs` are there.
pub(super) fn ensure(
    folder: &Path,
    versions: &str,
    programs: &[&str],
    install: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = folder.join(NAME);
    let present = fs::read_to_string(&stamp).is_ok_and(|text| text == versions);
    if present && missing(folder, programs).is_none() {
        return Ok(());
    }
    match fs::remove_file(&stamp) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("removing {}", stamp.display()));
        }
        _ => {}
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    install()?;
    if let Some(program) = missing(folder, programs) {
        anyhow::bail!(
            "the installation in {} went through, but {program} is not there; remove the folder \
             and try again",
            folder.display()
        );
    }
    fs::write(&stamp, versions).with_context(|| format!("writing {}", stamp.display()))
}

/// The first program that is not there.
pub(super) fn missing<'a>(folder: &Path, programs: &[&'a str]) -> Option<&'a str> {
    programs
        .iter()
        .find(|program| !folder.join(program).is_file())
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_installed_once_for_each_set_of_versions() {
        let folder = tempfile::tempdir().unwrap();
        let mut count = 0;
        let mut ensure = |versions: &str| {
            ensure(folder.path(), versions, &["tool"], || {
                count += 1;
                fs::write(folder.path().join("tool"), "")?;
                Ok(())
            })
            .unwrap();
            count
        };
        assert_eq!(ensure("1"), 1);
        assert_eq!(ensure("1"), 1);
        assert_eq!(ensure("2"), 2);
        fs::remove_file(folder.path().join("tool")).unwrap();
        assert_eq!(ensure("2"), 3);
    }

    #[test]
    fn a_failure_leaves_no_stamp() {
        let folder = tempfile::tempdir().unwrap();
        ensure(folder.path(), "1", &[], || Ok(())).unwrap();
        ensure(folder.path(), "2", &[], || anyhow::bail!("no")).unwrap_err();
        assert!(!folder.path().join(NAME).exists());
        let error = ensure(folder.path(), "2", &["tool"], || Ok(())).unwrap_err();
        assert!(error.to_string().contains("tool is not there"), "{error}");
    }
}

//! Secrets on their way in: options that the environment can give, and files that only we can read.

use std::convert::Infallible;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use secrecy::SecretString;

/// For clap: an option that is never printed.
pub(crate) fn parse(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text.to_owned()))
}

/// A secret that is random on the first start and the same on every later one.
pub(crate) fn kept(file: &Path) -> anyhow::Result<SecretString> {
    match fs::read_to_string(file) {
        Ok(text) if !text.trim().is_empty() => {
            refuse_readable_by_others(file)?;
            Ok(text.trim().to_owned().into())
        }
        Ok(_) => make(file), // an interrupted first start left it empty
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(file),
        Err(error) => Err(error).with_context(|| format!("reading {}", file.display())),
    }
}

fn make(file: &Path) -> anyhow::Result<SecretString> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("the system has no random numbers: {error}"))?;
    let text = bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();

    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(file)
        .and_then(|mut file| writeln!(file, "{text}"))
        .with_context(|| format!("writing {}", file.display()))?;
    Ok(text.into())
}

fn refuse_readable_by_others(file: &Path) -> anyhow::Result<()> {
    let mode = fs::metadata(file)
        .with_context(|| format!("reading {}", file.display()))?
        .permissions()
        .mode();
    let shown = file.display();
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{shown} holds a secret and others may read it; `chmod 600 {shown}`, or remove it for a \
         new one"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_for_us_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let first = kept(&file).unwrap();
        assert_eq!(first.expose_secret().len(), 48);
        assert_eq!(first.expose_secret(), kept(&file).unwrap().expose_secret());
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );

        let other = kept(&folder.path().join("other")).unwrap();
        assert_ne!(first.expose_secret(), other.expose_secret());
    }

    #[test]
    fn an_empty_file_is_filled_and_an_open_one_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        fs::write(&file, "\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(kept(&file).unwrap().expose_secret().len(), 48);

        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let error = kept(&file).unwrap_err().to_string();
        assert!(error.contains("others may read it"), "{error}");
    }
}

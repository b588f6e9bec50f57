//! The last good control state, on disk.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The last change taken in, and the keys and values of the site then.
#[derive(Debug)]
pub(crate) struct State {
    path: PathBuf,
    pub(crate) seq: Option<u64>,
    pub(crate) kv: BTreeMap<String, String>,
    /// Whether the stream has said hello since it was opened.
    pub(crate) fresh: bool,
}

#[derive(Deserialize, Serialize)]
struct File {
    seq: Option<u64>,
    kv: BTreeMap<String, String>,
}

impl State {
    /// Reads the state. One that cannot be read is as good as none: the origin has it all.
    pub(crate) fn load(data_dir: &Path) -> Self {
        let path = data_dir.join("control.json");
        let file = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<File>(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File {
                seq: None,
                kv: BTreeMap::new(),
            }),
            Err(error) => Err(error.to_string()),
        };
        let file = file.unwrap_or_else(|why| {
            let path = path.display();
            tracing::warn!("the control state in {path} cannot be read and is ignored: {why}");
            File {
                seq: None,
                kv: BTreeMap::new(),
            }
        });
        Self {
            path,
            seq: file.seq,
            kv: file.kv,
            fresh: false,
        }
    }

    /// Writes the state. What cannot be written costs only a start without the origin.
    pub(crate) async fn save(&self) {
        let file = File {
            seq: self.seq,
            kv: self.kv.clone(),
        };
        let path = self.path.clone();
        let written = tokio::task::spawn_blocking(move || write(&path, &file)).await;
        if let Ok(Err(error)) = written {
            let path = self.path.display();
            tracing::warn!(%error, "the control state cannot be written to {path}: {error}");
        }
    }
}

/// Replaces the file at once, so that a crash leaves the old one or the new one. It holds keys and
/// values of the site, so it is for this user only.
fn write(path: &Path, file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    // A node that takes over writes it too.
    let temporary = path.with_extension(format!("json.{}.new", std::process::id()));
    let bytes = serde_json::to_vec(file).map_err(std::io::Error::other)?;
    let mut options = std::fs::OpenOptions::new();
    let mut out = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)?;
    out.write_all(&bytes)?;
    out.sync_all()?;
    std::fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_saved_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::load(folder.path());
        assert_eq!(state.seq, None);
        state.seq = Some(7);
        state.kv.insert("site/a".into(), "b".into());
        state.save().await;
        let again = State::load(folder.path());
        assert_eq!((again.seq, again.kv), (Some(7), state.kv));
    }

    #[test]
    fn a_broken_file_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("control.json"), b"{\"seq\":").unwrap();
        assert_eq!(State::load(folder.path()).seq, None);
    }
}

//! Compiled components on disk, so that a node starts in milliseconds.
//!
//! A file's name is the SHA-256 of the component and a hash of everything that the compiled code
//! depends on: compiler version, its settings, the processor's features. A file that does not hold
//! together is compiled anew and replaced.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::RuntimeError;

const MAGIC: &[u8; 16] = b"zephyr-aot-v1\0\0\n";
const HEADER: usize = MAGIC.len() + 32;
const EXTENSION: &str = "aot";
/// Files kept; the ones that were not used for the longest time go first.
const MAX_FILES: usize = 64;

/// A folder of compiled components.
#[derive(Debug)]
pub(super) struct AotCache {
    dir: Option<PathBuf>,
    hits: AtomicU64,
    misses: AtomicU64,
    rejected: AtomicU64,
}

/// How often compiled code was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AotStats {
    /// Components that came from the folder.
    pub hits: u64,
    /// Components that were compiled.
    pub misses: u64,
    /// Files that did not hold together; each is also a miss.
    pub rejected: u64,
}

impl AotCache {
    pub(super) fn open(dir: Option<PathBuf>) -> Result<Self, RuntimeError> {
        if let Some(path) = &dir {
            // Whoever can write here can run code in the node: its own user, and nobody else.
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| RuntimeError::CacheDir {
                path: path.clone(),
                source,
            })?;
        }
        Ok(Self {
            dir,
            hits: 0.into(),
            misses: 0.into(),
            rejected: 0.into(),
        })
    }

    pub(super) fn stats(&self) -> AotStats {
        AotStats {
            hits: self.hits.load(Relaxed),
            misses: self.misses.load(Relaxed),
            rejected: self.rejected.load(Relaxed),
        }
    }

    /// The component, from the folder when it is there. `sha256` is that of `bytes`, in hex.
    pub(super) fn load(
        &self,
        engine: &Engine,
        bytes: &[u8],
        sha256: &str,
    ) -> wasmtime::Result<Component> {
        let path = self.dir.as_ref().map(|dir| {
            let environment = environment(engine);
            dir.join(format!("{sha256}-{environment}.{EXTENSION}"))
        });
        if let Some(path) = &path
            && let Some(component) = self.read(engine, path)
        {
            self.hits.fetch_add(1, Relaxed);
            return Ok(component);
        }
        self.misses.fetch_add(1, Relaxed);
        let component = Component::from_binary(engine, bytes)?;
        if let Some(path) = &path
            && let Err(error) = component
                .serialize()
                .map_err(io::Error::other)
                .and_then(|code| {
                    write(path, &code)?;
                    prune(path)
                })
        {
            // The node runs as well without; it only starts slower.
            tracing::warn!(path = %path.display(), %error, "Cannot keep a compiled component");
        }
        Ok(component)
    }

    fn read(&self, engine: &Engine, path: &Path) -> Option<Component> {
        let reject = |why: &dyn std::fmt::Display| {
            self.rejected.fetch_add(1, Relaxed);
            tracing::warn!(path = %path.display(), "Compiling anew, the compiled file is bad: {why}");
        };
        let content = match fs::read(path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                reject(&error);
                return None;
            }
        };
        let Some(code) = verified(&content) else {
            reject(&"its digest does not match");
            return None;
        };
        #[expect(unsafe_code, reason = "compiled code cannot be checked, only trusted")]
        // SAFETY: `deserialize` must only see what `serialize` of the same engine made. The digest
        // shows that the file is as `write` left it; the name binds it to this engine's settings
        // (wasmtime checks that again); and only the node's own user can write to the folder, who
        // could as well replace the node itself.
        let component = unsafe { Component::deserialize(engine, code) };
        match component {
            Ok(component) => {
                // For `prune`; it does not matter when this fails.
                drop(
                    File::options()
                        .append(true)
                        .open(path)
                        .and_then(|file| file.set_modified(SystemTime::now())),
                );
                Some(component)
            }
            Err(error) => {
                reject(&error);
                None
            }
        }
    }
}

/// The code in a file, when magic and digest match.
fn verified(content: &[u8]) -> Option<&[u8]> {
    let (header, code) = content.split_at_checked(HEADER)?;
    let (magic, digest) = header.split_at(MAGIC.len());
    (magic == MAGIC && Sha256::digest(code).as_slice() == digest).then_some(code)
}

/// Writes a file that is there as a whole or not at all.
fn write(path: &Path, code: &[u8]) -> io::Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let unique = format!(
        "tmp-{}-{}",
        std::process::id(),
        COUNTER.fetch_add(1, Relaxed)
    );
    let temporary = path.with_extension(unique);
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(code))?;
        file.write_all(code)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        drop(fs::remove_file(&temporary));
    }
    written
}

/// Keeps the folder of this file within its bound.
fn prune(path: &Path) -> io::Result<()> {
    let Some(dir) = path.parent() else {
        return Ok(());
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry
            .path()
            .extension()
            .is_some_and(|extension| extension == EXTENSION)
        {
            files.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    if files.len() > MAX_FILES {
        files.sort();
        for (_, old) in &files[..files.len() - MAX_FILES] {
            fs::remove_file(old)?;
        }
    }
    Ok(())
}

/// A hash of what compiled code depends on, in hex.
fn environment(engine: &Engine) -> String {
    struct Feed(Sha256);
    impl Hasher for Feed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            let digest = self.0.clone().finalize();
            digest
                .iter()
                .take(8)
                .fold(0, |all, byte| (all << 8) | u64::from(*byte))
        }
    }
    let mut feed = Feed(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut feed);
    format!("{:016x}", feed.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_verified_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.aot");
        write(&path, b"code").unwrap();
        let content = fs::read(&path).unwrap();
        assert_eq!(verified(&content), Some(&b"code"[..]));
        for end in 0..content.len() {
            assert_eq!(verified(&content[..end]), None, "cut at {end}");
        }
        for index in 0..content.len() {
            let mut flipped = content.clone();
            flipped[index] ^= 1;
            assert_eq!(verified(&flipped), None, "flipped at {index}");
        }
    }

    #[test]
    fn the_folder_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        for index in 0..MAX_FILES + 3 {
            let path = dir.path().join(format!("{index}.aot"));
            write(&path, b"code").unwrap();
            let age = std::time::Duration::from_secs(1000 - index as u64);
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        prune(&dir.path().join("0.aot")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), MAX_FILES);
        assert!(!dir.path().join("2.aot").exists());
        assert!(dir.path().join("3.aot").exists());
    }
}

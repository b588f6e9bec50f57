//! The compiler's own folder: which targets have a standard library there, and putting one in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;

use crate::process;

/// A file that marks what this program put in, with the compiler's version that it is for.
const STAMP: &str = "zephyr-std";

/// What a wasip2 guest links besides Rust's own libraries.
pub(super) const WASI_FILES: [&str; 3] = ["crt1-command.o", "crt1-reactor.o", "libc.a"];

/// The folder that `rustc --print sysroot` names.
#[derive(Debug)]
pub(super) struct Sysroot {
    path: PathBuf,
    version: String,
}

impl Sysroot {
    pub(super) fn find() -> anyhow::Result<Sysroot> {
        let path = process::read(process::rustc().args(["--print", "sysroot"]))?;
        let version = process::read(process::rustc().arg("--version"))?;
        Ok(Sysroot {
            path: path.trim().into(),
            version: version.trim().to_owned(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What `rustc --version` prints.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// `lib/rustlib`, with one folder a target.
    pub(super) fn rustlib(&self) -> PathBuf {
        self.path.join("lib/rustlib")
    }

    /// Those targets that have no usable standard library.
    pub(super) fn missing<'a>(&self, targets: &[&'a str]) -> Vec<&'a str> {
        targets
            .iter()
            .copied()
            .filter(|target| !self.has(target))
            .collect()
    }

    /// `rustc --print target-libdir` names a folder even for a target that is not installed, so the
    /// files are looked at.
    fn has(&self, target: &str) -> bool {
        let libraries = self.rustlib().join(target).join("lib");
        let stamp = fs::read_to_string(libraries.join(STAMP));
        if stamp.is_ok_and(|version| version.trim() != self.version) {
            return false; // built by us for a compiler that was updated since
        }
        let wasi = libraries.join("self-contained");
        ["libcore-", "libstd-"]
            .iter()
            .all(|prefix| has_library(&libraries, prefix))
            && (!target.contains("wasi") || WASI_FILES.iter().all(|name| wasi.join(name).is_file()))
    }

    /// Puts a target's complete `lib` folder in place in one step, so that an interrupted run never
    /// leaves half of one behind. `staged` must be on the same file system as the sysroot.
    pub(super) fn install(&self, target: &str, staged: &Path) -> anyhow::Result<()> {
        fs::write(staged.join("lib").join(STAMP), &self.version).context("writing the stamp")?;
        let place = self.rustlib().join(target);
        if place.exists() {
            let old = self
                .rustlib()
                .join(format!(".{target}-{}", std::process::id()));
            fs::rename(&place, &old).with_context(|| format!("moving {}", place.display()))?;
            fs::rename(staged, &place).with_context(|| format!("writing {}", place.display()))?;
            return fs::remove_dir_all(&old).with_context(|| format!("removing {}", old.display()));
        }
        fs::rename(staged, &place).with_context(|| format!("writing {}", place.display()))
    }

    /// Compiles and links a library that uses `std` for each target.
    pub(super) fn verify(&self, targets: &[&str]) -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("making a temporary folder")?;
        let source = folder.path().join("probe.rs");
        let code =
            "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> usize { std::env::args().count() }";
        fs::write(&source, code).context("writing a test program")?;
        for target in targets {
            let mut command = process::rustc();
            command.args(["--edition=2024", "--crate-type=cdylib", "--target", target]);
            command
                .arg("-o")
                .arg(folder.path().join("probe.wasm"))
                .arg(&source);
            process::read(command.stdin(Stdio::null())).with_context(|| {
                format!("the standard library for {target} is there but does not work")
            })?;
        }
        Ok(())
    }
}

fn has_library(folder: &Path, prefix: &str) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(prefix) && name.ends_with(".rlib")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WASI: &str = "wasm32-wasip2";

    fn staged(sysroot: &Sysroot, files: &[&str]) -> PathBuf {
        let staged = sysroot.rustlib().join(".staged");
        fs::create_dir_all(staged.join("lib/self-contained")).unwrap();
        for file in files {
            fs::write(staged.join("lib").join(file), "").unwrap();
        }
        staged
    }

    const COMPLETE: [&str; 5] = [
        "libcore-1.rlib",
        "libstd-1.rlib",
        "self-contained/crt1-command.o",
        "self-contained/crt1-reactor.o",
        "self-contained/libc.a",
    ];

    #[test]
    fn only_a_complete_library_counts() {
        let folder = tempfile::tempdir().unwrap();
        let sysroot = Sysroot {
            path: folder.path().into(),
            version: "rustc 1".into(),
        };
        assert_eq!(sysroot.missing(&[WASI]), [WASI]);
        for left_out in COMPLETE {
            let files: Vec<&str> = COMPLETE
                .into_iter()
                .filter(|file| *file != left_out)
                .collect();
            sysroot.install(WASI, &staged(&sysroot, &files)).unwrap();
            assert_eq!(sysroot.missing(&[WASI]), [WASI], "without {left_out}");
        }
        sysroot.install(WASI, &staged(&sysroot, &COMPLETE)).unwrap();
        assert!(sysroot.missing(&[WASI]).is_empty());
        assert_eq!(
            fs::read_dir(sysroot.rustlib()).unwrap().count(),
            1,
            "something was left over"
        );
    }

    #[test]
    fn a_library_of_an_older_compiler_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let old = Sysroot {
            path: folder.path().into(),
            version: "rustc 1".into(),
        };
        old.install(WASI, &staged(&old, &COMPLETE)).unwrap();
        let new = Sysroot {
            path: folder.path().into(),
            version: "rustc 2".into(),
        };
        assert_eq!(new.missing(&[WASI]), [WASI]);
        new.install(WASI, &staged(&new, &COMPLETE)).unwrap();
        assert!(new.missing(&[WASI]).is_empty());
    }
}

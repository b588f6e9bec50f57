//! Source files: each opens with `//!`, and none has a name that says nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Names that do not say what a file is responsible for. `mod` stands for `mod.rs`: a module's own
/// file is `foo.rs` beside `foo/`.
const EMPTY_NAMES: [&str; 7] = [
    "mod", "common", "helper", "helpers", "misc", "util", "utils",
];

/// Folders without sources of this project.
const PASSED_OVER: [&str; 3] = ["target", "node_modules", "deps"];

/// Every file below `root` that breaks a rule.
pub(super) fn violations(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut found = Vec::new();
    for file in files {
        let shown = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .display()
            .to_string();
        let text = fs::read_to_string(&file).with_context(|| format!("reading {shown}"))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        if EMPTY_NAMES.contains(&&*stem) {
            found.push(format!(
                "{shown}: the name `{stem}` does not say what the file is for"
            ));
        }
        if !opens_with_doc(&text) {
            found.push(format!(
                "{shown}:1: does not open with `//!`, what it is responsible for"
            ));
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let kind = entry
            .file_type()
            .with_context(|| format!("reading {}", path.display()))?;
        if kind.is_dir() && !name.starts_with('.') && !PASSED_OVER.contains(&&*name) {
            collect(&path, files)?;
        } else if kind.is_file() && name.ends_with(".rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn opens_with_doc(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| {
        line.strip_prefix("//!")
            .is_some_and(|summary| !summary.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        violations(root.path()).unwrap()
    }

    #[test]
    fn a_good_tree_passes() {
        let files = [
            ("a/src/lib.rs", "//! What it is.\nfn f() {}\n"),
            ("a/src/mod.txt", "not a source"),
            ("target/debug/out/gen.rs", "generated"),
            (".git/x.rs", "not ours"),
        ];
        assert_eq!(tree(&files), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_a_doc_is_named() {
        let files = [
            ("a/src/empty.rs", ""),
            ("a/src/hollow.rs", "//!\n"),
            ("a/src/late.rs", "use a;\n//! Late.\n"),
        ];
        let found = tree(&files);
        let places: Vec<&str> = found.iter().filter_map(|f| f.split(": ").next()).collect();
        assert_eq!(
            places,
            ["a/src/empty.rs:1", "a/src/hollow.rs:1", "a/src/late.rs:1"]
        );
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        let doc = "//! A file.\n";
        let files = [
            ("a/src/b/mod.rs", doc),
            ("a/tests/common.rs", doc),
            ("a/src/utils.rs", doc),
        ];
        let found = tree(&files);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(
            found[0],
            "a/src/b/mod.rs: the name `mod` does not say what the file is for"
        );
    }
}

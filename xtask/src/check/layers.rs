//! The layering table: which crate may depend on which, and which may use certain libraries.
//!
//! It is the table of ARCHITECTURE.md as data. Folders stand for crates; `components/*` is each
//! crate directly below `components`. A crate without a row is an error, so a new one cannot slip
//! in unlayered.

use std::path::Path;

use crate::workspace::{Dependency, Package, Workspace};

/// A row: a folder, and the folders that it may depend on.
struct Row {
    folder: &'static str,
    may: &'static [&'static str],
}

/// What every service may use. Never another service: they tell each other by events.
const SERVICE: &[&str] = &["origin/core", "origin/db", "origin/http"];

const ROWS: &[Row] = &[
    Row {
        folder: "edge/core",
        may: &[],
    },
    Row {
        folder: "edge/cache",
        may: &["edge/core"],
    },
    Row {
        folder: "edge/guest",
        may: &["edge/core"],
    },
    Row {
        folder: "edge/signatures",
        may: &["edge/core"],
    },
    Row {
        folder: "edge/wasi",
        may: &["edge/core", "edge/pipeline"],
    },
    Row {
        folder: "edge/middleware",
        may: &["edge/core", "edge/pipeline", "edge/signatures", "edge/wasi"],
    },
    Row {
        folder: "components/*",
        may: &["edge/core", "edge/cache", "edge/guest", "edge/middleware"],
    },
    Row {
        folder: "edge/pipeline",
        may: &["edge/core", "edge/cache"],
    },
    Row {
        folder: "edge/portable",
        may: &[
            "edge/core",
            "edge/cache",
            "edge/pipeline",
            "edge/signatures",
            "components/*",
        ],
    },
    Row {
        folder: "edge/store",
        may: &[],
    },
    Row {
        folder: "edge/tls",
        may: &[],
    },
    Row {
        folder: "edge/balancer",
        may: &[],
    },
    Row {
        folder: "edge/content",
        may: &["edge/cache"],
    },
    Row {
        folder: "edge/node",
        may: &[
            "edge/core",
            "edge/cache",
            "edge/pipeline",
            "edge/store",
            "edge/tls",
            "edge/balancer",
            "edge/content",
            "kv",
        ],
    },
    Row {
        folder: "edge/spin",
        may: &["edge/core", "edge/pipeline", "edge/portable", "edge/wasi"],
    },
    Row {
        folder: "edge/worker",
        may: &["edge/core", "edge/pipeline", "edge/portable"],
    },
    Row {
        folder: "kv",
        may: &[],
    },
    Row {
        folder: "origin/core",
        may: &[],
    },
    Row {
        folder: "origin/db",
        may: &["origin/core"],
    },
    Row {
        folder: "origin/http",
        may: &["origin/core", "origin/db"],
    },
    Row {
        folder: "origin/auth",
        may: SERVICE,
    },
    Row {
        folder: "origin/control",
        may: SERVICE,
    },
    Row {
        folder: "origin/listings",
        may: SERVICE,
    },
    Row {
        folder: "origin/server",
        may: &["origin/*"],
    },
    Row {
        folder: "cli",
        may: &["edge/cache", "edge/node", "origin/db", "origin/server"],
    },
    Row {
        folder: "testkit",
        may: &["*", "edge/*", "origin/*"],
    },
    Row {
        folder: "testkit/guests/*",
        may: &["edge/core", "edge/guest"],
    },
    Row {
        folder: "xtask",
        may: &[],
    },
];

/// What any crate may use for its own tests.
const FOR_TESTS: &[&str] = &["testkit"];

/// Libraries that belong to some crates alone; `*` in the end of a name stands for any rest.
const RESERVED: &[(&str, &[&str])] = &[
    ("wasmtime*", &["edge/node"]),
    ("sqlx", &["origin/*", "testkit"]),
    ("axum", &["origin/*", "testkit"]),
    ("redis", &["edge/node", "kv", "testkit"]),
    ("redb", &["edge/node", "kv"]),
];

/// Every dependency that the table does not allow.
pub(super) fn violations(workspace: &Workspace) -> Vec<String> {
    workspace
        .packages
        .iter()
        .flat_map(|package| of_package(workspace, package))
        .collect()
}

fn of_package(workspace: &Workspace, package: &Package) -> Vec<String> {
    let folder = workspace.folder(package);
    let Some(row) = ROWS.iter().find(|row| matches(row.folder, &folder)) else {
        return vec![format!(
            "{} ({folder}) has no row in xtask/src/check/layers.rs: add one that says what it may \
             depend on",
            package.name
        )];
    };
    package
        .dependencies
        .iter()
        .filter_map(|dependency| match &dependency.path {
            Some(path) => inner(row, &folder, &relative(&workspace.root, path), dependency),
            None => outer(&folder, dependency),
        })
        .map(|what| format!("{}: {what}", package.manifest_path.display()))
        .collect()
}

/// A dependency on a crate of this repository.
fn inner(row: &Row, folder: &str, on: &str, dependency: &Dependency) -> Option<String> {
    let for_tests = dependency.kind.as_deref() == Some("dev");
    let allowed = row.may.iter().any(|pattern| matches(pattern, on))
        || (for_tests && FOR_TESTS.iter().any(|pattern| matches(pattern, on)));
    if allowed {
        return None;
    }
    let may = if row.may.is_empty() {
        "nothing here".to_owned()
    } else {
        row.may.join(", ")
    };
    Some(format!(
        "{folder} must not depend on {} ({on}); it may depend on: {may}",
        dependency.name
    ))
}

/// A dependency on a library.
fn outer(folder: &str, dependency: &Dependency) -> Option<String> {
    let name = &dependency.name;
    let (_, homes) = RESERVED
        .iter()
        .find(|(library, _)| matches_name(library, name))?;
    if homes.iter().any(|home| matches(home, folder)) {
        return None;
    }
    Some(format!(
        "{folder} must not depend on {name}, which belongs to {}",
        homes.join(", ")
    ))
}

/// Whether a folder is the pattern's, or directly below it when the pattern ends in `*`.
fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(parent) => folder
            .strip_prefix(parent)
            .is_some_and(|rest| !rest.contains('/')),
        None => pattern == folder,
    }
}

fn matches_name(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder and its dependencies: a folder or a library, and the kind.
    type Member<'a> = (&'a str, &'a [(&'a str, Option<&'a str>)]);

    fn workspace(members: &[Member<'_>]) -> Workspace {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            path: name.contains('/').then(|| format!("/z/{name}").into()),
        };
        let package = |&(folder, dependencies): &Member<'_>| Package {
            name: format!("zephyr-{}", folder.replace('/', "-")),
            manifest_path: format!("/z/{folder}/Cargo.toml").into(),
            dependencies: dependencies.iter().map(dependency).collect(),
            features: std::collections::BTreeMap::new(),
            targets: Vec::new(),
        };
        Workspace {
            root: "/z".into(),
            target: "/z/target".into(),
            packages: members.iter().map(package).collect(),
        }
    }

    fn found(folder: &str, on: &str, kind: Option<&str>) -> Vec<String> {
        violations(&workspace(&[(folder, &[(on, kind)])]))
    }

    #[test]
    fn this_workspace_keeps_its_layers() {
        assert_eq!(
            violations(&Workspace::load().unwrap()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_service_never_depends_on_another_service() {
        assert_eq!(
            found("origin/auth", "origin/listings", None),
            [
                "/z/origin/auth/Cargo.toml: origin/auth must not depend on origin/listings \
              (origin/listings); it may depend on: origin/core, origin/db, origin/http"
            ]
        );
        assert!(!found("origin/auth", "origin/listings", Some("dev")).is_empty());
        assert!(found("origin/server", "origin/listings", None).is_empty());
    }

    #[test]
    fn the_edge_and_the_origin_meet_in_the_command_only() {
        assert!(!found("edge/node", "origin/db", None).is_empty());
        assert!(!found("origin/server", "edge/node", None).is_empty());
        assert!(found("cli", "edge/node", None).is_empty());
        assert!(!found("cli", "origin/listings", None).is_empty());
    }

    #[test]
    fn the_testkit_is_for_tests() {
        let testkit = |kind: Option<&str>| Dependency {
            name: "zephyr-testkit".into(),
            kind: kind.map(str::to_owned),
            path: Some("/z/testkit".into()),
        };
        let row = Row {
            folder: "edge/node",
            may: &[],
        };
        assert_eq!(
            inner(&row, "edge/node", "testkit", &testkit(Some("dev"))),
            None
        );
        assert!(inner(&row, "edge/node", "testkit", &testkit(None)).is_some());
    }

    #[test]
    fn an_unknown_crate_is_an_error() {
        let found = violations(&workspace(&[("edge/quic", &[])]));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("zephyr-edge-quic (edge/quic) has no row"),
            "{found:?}"
        );
    }

    #[test]
    fn reserved_libraries_stay_at_home() {
        assert!(found("edge/node", "wasmtime-wasi", None).is_empty());
        assert_eq!(
            found("components/auth", "wasmtime", None),
            [
                "/z/components/auth/Cargo.toml: components/auth must not depend on wasmtime, which \
              belongs to edge/node"
            ]
        );
        assert!(!found("edge/node", "sqlx", None).is_empty());
        assert!(!found("cli", "axum", Some("dev")).is_empty());
    }
}

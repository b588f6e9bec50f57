//! What must not stand anywhere below a crate: database drivers at the edge, I/O in pure crates.
//!
//! Unlike the layering table this looks at everything that a crate pulls in, through any number of
//! libraries, and says the way. Pure crates must not read a clock either: time comes in as a value.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use crate::workspace::Workspace;
use crate::{components, process};

/// The edge never opens a database connection.
const DRIVERS: &[&str] = &[
    "diesel",
    "libpq",
    "libsqlite3-sys",
    "mysql_async",
    "postgres",
    "rusqlite",
    "sea-orm",
    "sqlx",
    "sqlx-core",
    "sqlx-postgres",
    "tokio-postgres",
];

/// Pure crates run where there is no operating system.
const IO: &[&str] = &[
    "async-std",
    "hyper",
    "mio",
    "reqwest",
    "smol",
    "socket2",
    "tokio",
    "wasmtime",
];

/// Clocks and threads, as they stand in a source file.
const IMPURE_CALLS: [&str; 4] = [
    "Instant::now",
    "SystemTime::now",
    "thread::spawn",
    "std::net::Tcp",
];

/// Folders whose crates must be free of database drivers.
const EDGE: [&str; 3] = ["edge", "components", "testkit/guests"];

/// Folders of pure crates.
fn is_pure(folder: &str) -> bool {
    matches!(
        folder,
        "edge/core" | "edge/cache" | "edge/pipeline" | "edge/portable" | "edge/signatures"
    ) || folder.starts_with("components/")
}

/// Every forbidden library, with the way to it, and every impure call.
pub(super) fn violations(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let graph = Graph::load(workspace)?;
    let mut found = Vec::new();
    for package in EDGE.iter().flat_map(|folder| workspace.below(folder)) {
        let folder = workspace.folder(package);
        let drivers = graph.ways(&package.name, DRIVERS).into_iter();
        found.extend(drivers.map(|way| format!("{folder} reaches a database driver: {way}")));
        if is_pure(&folder) {
            let io = graph.ways(&package.name, IO).into_iter();
            found.extend(io.map(|way| format!("{folder} is pure but reaches I/O: {way}")));
            sources(
                &workspace.root,
                &workspace.root.join(&folder).join("src"),
                &mut found,
            )?;
        }
    }
    Ok(found)
}

fn sources(root: &Path, folder: &Path, found: &mut Vec<String>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    for path in entries.into_iter().map(|entry| entry.path()) {
        if path.is_dir() {
            sources(root, &path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("reading {}", path.display()))?;
            let shown = path.strip_prefix(root).unwrap_or(&path).display();
            let calls = impure_calls(&text).into_iter();
            found.extend(calls.map(|(line, call)| {
                format!("{shown}:{line}: `{call}` in a pure crate; take a capability instead")
            }));
        }
    }
    Ok(())
}

fn impure_calls(text: &str) -> Vec<(usize, &'static str)> {
    let mut calls = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        calls.extend(
            IMPURE_CALLS
                .iter()
                .filter(|c| code.contains(**c))
                .map(|c| (index + 1, *c)),
        );
    }
    calls
}

/// Who pulls in whom, by ids of `cargo metadata`; test and build dependencies left out.
struct Graph {
    names: HashMap<String, String>,
    edges: HashMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Named>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Named {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Graph {
    /// For the host and for guests: both are built.
    fn load(workspace: &Workspace) -> anyhow::Result<Graph> {
        let host = process::read(process::rustc().arg("-vV"))?;
        let host = host
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .context("`rustc -vV` does not say the host")?
            .to_owned();
        let mut command = workspace.cargo();
        command.args(["metadata", "--format-version=1", "--filter-platform", &host]);
        let json = process::read(command.args(["--filter-platform", components::TARGET]))?;
        let metadata = serde_json::from_str(&json);
        Ok(Graph::new(metadata.context(
            "`cargo metadata` printed something unexpected",
        )?))
    }

    fn new(metadata: Metadata) -> Graph {
        let is_normal = |dependency: &NodeDependency| {
            dependency.dep_kinds.iter().any(|kind| kind.kind.is_none())
        };
        let edges = metadata.resolve.nodes.into_iter().map(|node| {
            let on = node
                .deps
                .into_iter()
                .filter(is_normal)
                .map(|dependency| dependency.pkg);
            (node.id, on.collect())
        });
        Graph {
            names: metadata
                .packages
                .into_iter()
                .map(|p| (p.id, p.name))
                .collect(),
            edges: edges.collect(),
        }
    }

    /// The shortest way from a package to each of the forbidden ones, as `a -> b -> c`.
    fn ways(&self, package: &str, forbidden: &[&str]) -> Vec<String> {
        let Some((start, _)) = self.names.iter().find(|(_, name)| *name == package) else {
            return Vec::new();
        };
        let mut ways = Vec::new();
        let mut seen = HashSet::from([start.as_str()]);
        let mut queue = VecDeque::from([(start.as_str(), package.to_owned())]);
        while let Some((id, way)) = queue.pop_front() {
            for next in self.edges.get(id).into_iter().flatten() {
                if !seen.insert(next) {
                    continue;
                }
                let name = self.names.get(next).map_or(next.as_str(), String::as_str);
                let way = format!("{way} -> {name}");
                if forbidden.contains(&name) {
                    ways.push(way); // what is below it needs no line of its own
                } else {
                    queue.push_back((next, way));
                }
            }
        }
        ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, Option<&str>)]) -> Graph {
        let mut names: Vec<&str> = edges.iter().flat_map(|(a, b, _)| [*a, *b]).collect();
        names.sort_unstable();
        names.dedup();
        let node = |&name: &&str| Node {
            id: format!("id-{name}"),
            deps: edges
                .iter()
                .filter(|(from, ..)| *from == name)
                .map(|(_, to, kind)| NodeDependency {
                    pkg: format!("id-{to}"),
                    dep_kinds: vec![Kind {
                        kind: kind.map(str::to_owned),
                    }],
                })
                .collect(),
        };
        Graph::new(Metadata {
            packages: names
                .iter()
                .map(|name| Named {
                    id: format!("id-{name}"),
                    name: (*name).to_owned(),
                })
                .collect(),
            resolve: Resolve {
                nodes: names.iter().map(node).collect(),
            },
        })
    }

    #[test]
    fn the_way_to_a_driver_is_said() {
        let graph = graph(&[
            ("edge", "kv", None),
            ("kv", "store", None),
            ("store", "sqlx", None),
            ("sqlx", "sqlx-core", None),
        ]);
        assert_eq!(graph.ways("edge", DRIVERS), ["edge -> kv -> store -> sqlx"]);
    }

    #[test]
    fn test_and_build_dependencies_do_not_count() {
        let graph = graph(&[("edge", "testkit", Some("dev")), ("testkit", "sqlx", None)]);
        assert!(graph.ways("edge", DRIVERS).is_empty());
        assert_eq!(graph.ways("testkit", DRIVERS), ["testkit -> sqlx"]);
    }

    #[test]
    fn circles_end() {
        let graph = graph(&[("a", "b", None), ("b", "a", None), ("b", "tokio", None)]);
        assert_eq!(graph.ways("a", IO), ["a -> b -> tokio"]);
    }

    #[test]
    fn clocks_are_found_outside_comments() {
        let text = "let a = 1;\nlet t = Instant::now();\n// Instant::now() is what we do not do\n";
        assert_eq!(impure_calls(text), [(2, "Instant::now")]);
    }

    #[test]
    fn which_crates_are_pure() {
        assert!(is_pure("edge/core") && is_pure("components/auth"));
        assert!(
            !is_pure("edge/guest") && !is_pure("edge/node") && !is_pure("testkit/guests/hello")
        );
    }
}

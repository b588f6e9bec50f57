//! The configuration of each edge node of `dev`: the given file with what differs between nodes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::{Table, Value};
use zephyr_edge::{Config, ParseOptions};

use super::ports::EdgePorts;
use crate::exit;

/// The reference file, for where there is no other.
const BUILT_IN: &str = include_str!("../../../zephyr.toml");

/// A configuration file that was read and found right as it stands.
#[derive(Debug)]
pub(crate) struct Template {
    table: Table,
    options: ParseOptions,
}

/// What makes one node of several.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) number: usize,
    pub(crate) ports: EdgePorts,
    pub(crate) origin: SocketAddr,
    pub(crate) data_dir: PathBuf,
}

impl Template {
    /// Reads `file`, or `zephyr.toml` in the current folder, or the built-in one.
    pub(crate) fn read(file: Option<&Path>, components_dir: PathBuf) -> anyhow::Result<Template> {
        let default = Path::new("zephyr.toml");
        let path = file.or_else(|| default.is_file().then_some(default));
        let text = match path {
            Some(path) => std::fs::read_to_string(path)
                .map_err(|error| exit::usage(format!("{}: {error}", path.display())))?,
            None => BUILT_IN.to_owned(),
        };
        let base_dir = path
            .and_then(Path::parent)
            .filter(|parent| !parent.as_os_str().is_empty());
        let options = ParseOptions {
            file: path.map_or_else(
                || "built-in zephyr.toml".into(),
                |p| p.display().to_string(),
            ),
            base_dir: base_dir.unwrap_or(Path::new(".")).to_owned(),
            components_dir,
        };
        // Errors are found here, where lines and columns are those of the file.
        let config = Config::parse(&text, &options).map_err(exit::usage)?;
        crate::edge::require_components(&config)?;
        let table = text
            .parse()
            .context("reading the configuration once more")?;
        Ok(Template { table, options })
    }

    /// The configuration of one node.
    pub(crate) fn of(&self, node: &Identity) -> anyhow::Result<Config> {
        let mut table = self.table.clone();
        let origin = format!("http://{}", node.origin);
        set(
            &mut table,
            &["node", "name"],
            format!("edge-{}", node.number),
        );
        set(
            &mut table,
            &["node", "data_dir"],
            node.data_dir.display().to_string(),
        );
        set(
            &mut table,
            &["listen", "http"],
            format!("127.0.0.1:{}", node.ports.http),
        );
        set(
            &mut table,
            &["listen", "admin"],
            format!("127.0.0.1:{}", node.ports.admin),
        );
        set(&mut table, &["control", "url"], origin.clone());
        let upstreams = table.get("upstreams").and_then(Value::as_table);
        if upstreams.is_some_and(|upstreams| upstreams.contains_key("origin")) {
            set(&mut table, &["upstreams", "origin", "url"], origin);
        }
        let text = toml::to_string(&table).context("writing a node's configuration")?;
        Config::parse(&text, &self.options)
            .with_context(|| format!("the configuration of edge node {}", node.number))
    }
}

/// Sets a key below tables that are made where they are missing.
fn set(table: &mut Table, path: &[&str], value: String) {
    if let [key] = path {
        table.insert((*key).to_owned(), Value::String(value));
    } else if let [first, rest @ ..] = path {
        let inner = table
            .entry(*first)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(inner) = inner {
            set(inner, rest, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(folder: &Path) -> Template {
        for name in ["auth", "ratelimit", "cache", "image"] {
            std::fs::write(folder.join(name).with_extension("wasm"), "").unwrap();
        }
        let file = folder.join("zephyr.toml");
        std::fs::write(&file, BUILT_IN).unwrap();
        Template::read(Some(&file), folder.to_owned()).unwrap()
    }

    fn identity(number: usize) -> Identity {
        Identity {
            number,
            ports: EdgePorts {
                http: 8082,
                admin: 9082,
            },
            origin: ([127, 0, 0, 1], 7000).into(),
            data_dir: "/data/edge-2".into(),
        }
    }

    #[test]
    fn each_node_has_its_own_ports_name_and_folder() {
        let folder = tempfile::tempdir().unwrap();
        let config = template(folder.path()).of(&identity(2)).unwrap();
        assert_eq!(config.node.name.as_deref(), Some("edge-2"));
        assert_eq!(config.listen.http.port(), 8082);
        assert_eq!(config.listen.admin.unwrap().port(), 9082);
        assert!(format!("{:?}", config.upstreams["origin"].url).contains("7000"));
        assert_eq!(config.routes.len(), 4);
    }

    #[test]
    fn a_mistake_is_said_with_the_files_own_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("z.toml");
        std::fs::write(&file, "[listen]\nhttp = \"127.0.0.1:0\"\nhtpp = 1\n").unwrap();
        let error = Template::read(Some(&file), folder.path().to_owned()).unwrap_err();
        assert!(error.to_string().contains("z.toml:3:1: "), "{error}");
    }

    #[test]
    fn a_missing_component_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Template::read(None, folder.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("there is no file") && error.contains(".wasm"),
            "{error}"
        );
    }
}

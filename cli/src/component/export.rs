//! `zephyr component export`: a filter of this repository as `wasi:http/middleware@0.3.0`, with its
//! configuration inside, to stand before any application of Spin or another host.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};
use zephyr_edge::{Config, wasm};

use super::embed;
use crate::edge::Components;
use crate::exit;

/// Options of `zephyr component export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The filter: auth, cache or ratelimit
    #[arg(value_name = "FILTER")]
    name: String,

    /// What to write it as
    #[arg(long = "as", value_enum)]
    kind: Kind,

    /// The stage's configuration as JSON, in a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "route"], required_unless_present = "route")]
    stage: Option<PathBuf>,

    /// A zephyr.toml that has the stage in one of its routes
    #[arg(long, value_name = "FILE", default_value = "zephyr.toml")]
    config: PathBuf,

    /// The route whose stage it is
    #[arg(long, value_name = "NAME")]
    route: Option<String>,

    /// A key of the site that the filter reads, with its value or, behind an `@`, the file of it
    #[arg(long = "kv", value_name = "KEY=VALUE", value_parser = pair)]
    kv: Vec<(String, String)>,

    /// Believe X-Forwarded-For: the host stands behind a proxy that sets it
    #[arg(long)]
    trust_forwarded: bool,

    /// Where to write the component
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    #[command(flatten)]
    components: Components,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// `wasi:http/middleware@0.3.0`
    Middleware,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE or KEY=@FILE")?;
    if !key.starts_with("site/") {
        return Err(format!("{key:?}: middleware reads keys below `site/` only"));
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Kind::Middleware = args.kind;
    let folder = args.components.folder()?;
    let stage = stage(args, &folder)?;
    let mut kv = BTreeMap::new();
    for (key, value) in &args.kv {
        let value = match value.strip_prefix('@') {
            Some(file) => read_text(Path::new(file))?,
            None => value.clone(),
        };
        kv.insert(key.clone(), value);
    }
    check(&folder, &args.name, &stage)?;
    let settings = json!({
        "config": stage,
        "route": args.route.as_deref().unwrap_or(&args.name),
        "kv": kv,
        "trust_forwarded": args.trust_forwarded,
    });
    let file = folder
        .join("middleware")
        .join(&args.name)
        .with_extension("wasm");
    let component = read(&file)?;
    let component = embed::embed(&component, settings.to_string().as_bytes())
        .map_err(|why| exit::usage(format!("{}: {why}", file.display())))?;
    std::fs::write(&args.output, &component)
        .with_context(|| format!("writing {}", args.output.display()))?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {} as wasi:http/middleware@0.3.0, {} KiB",
        args.output.display(),
        args.name,
        component.len().div_ceil(1024)
    )
    .context("writing the outcome")
}

/// The configuration of the stage.
fn stage(args: &Args, folder: &Path) -> anyhow::Result<Value> {
    if let Some(file) = &args.stage {
        let text = read_text(file)?;
        return serde_json::from_str(&text)
            .map_err(|error| exit::usage(format!("{}: {error}", file.display())));
    }
    let config = Config::load(&args.config, folder).map_err(exit::usage)?;
    let name = args.route.as_deref().unwrap_or_default();
    let route = config.routes.iter().find(|route| route.name == name);
    let route = route.ok_or_else(|| {
        exit::usage(format!(
            "{}: there is no route {name:?}",
            args.config.display()
        ))
    })?;
    let mut stages = route.stages.iter().filter(|stage| {
        // The component may have another name than its file.
        let component = config.components.get(&stage.filter);
        component.is_some_and(|found| {
            found
                .path
                .file_stem()
                .is_some_and(|stem| *stem == *args.name)
        })
    });
    match (stages.next(), stages.next()) {
        (Some(stage), None) => Ok(stage.config.clone()),
        (None, _) => Err(exit::usage(format!(
            "route {name:?} has no stage of {}",
            args.name
        ))),
        (Some(_), Some(_)) => Err(exit::usage(format!(
            "route {name:?} has more than one stage of {}; give its configuration with --stage",
            args.name
        ))),
    }
}

/// Has the filter itself judge its configuration, as a node does.
fn check(folder: &Path, name: &str, stage: &Value) -> anyhow::Result<()> {
    let file = folder.join(name).with_extension("wasm");
    let bytes = read(&file)?;
    wasm::check_filter(name, &bytes, &stage.to_string()).map_err(exit::usage)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        exit::usage(format!(
            "{}: {error}; filters that can be exported are those in the folder `middleware` of \
             --components, which `cargo xtask setup` builds",
            file.display()
        ))
    })
}

fn read_text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file)
        .map_err(|error| exit::usage(format!("{}: {error}", file.display())))
}

//! `zephyr edge`: one edge node, until it is asked to stop.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use zephyr_edge::{Config, Node, Secrets};

use crate::exit;
use crate::signals::Signals;

/// Options of `zephyr edge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The node's configuration; the repository's zephyr.toml explains every key
    #[arg(
        long,
        value_name = "FILE",
        env = "ZEPHYR_CONFIG",
        default_value = "zephyr.toml"
    )]
    config: PathBuf,

    /// Read the configuration, say whether it is right, and start nothing
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    components: Components,
}

/// Where components are.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Components {
    /// What `$components` stands for in the configuration [default: the folder `components` beside
    /// the one that this program is in]
    #[arg(long = "components", value_name = "DIR", env = "ZEPHYR_COMPONENTS")]
    folder: Option<PathBuf>,
}

impl Components {
    /// The given folder, or the one that an installation and cargo's target folder both have.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let program = std::env::current_exe().context("where this program is")?;
        let above = program
            .parent()
            .and_then(Path::parent)
            .unwrap_or(Path::new("."));
        Ok(above.join("components"))
    }
}

/// Reads the configuration, and runs a node unless only a check was asked for.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let config = Config::load(&args.config, &args.components.folder()?).map_err(exit::usage)?;
    require_components(&config)?;
    if args.check {
        return report(&args.config, &config);
    }
    let secrets = secrets(&config)?;
    crate::runtime()?.block_on(serve(config, secrets))
}

/// Runs a node until a signal.
pub(crate) async fn serve(config: Config, secrets: Secrets) -> anyhow::Result<()> {
    let mut signals = Signals::catch()?;
    let node = Node::start(config, secrets)
        .await
        .context("the edge node could not start")?;
    tracing::info!(edge.http = %node.http_addr(), "Edge node listens on {}", node.http_addr());

    let signal = signals.next().await;
    tracing::info!("{signal}: finishing open requests");
    tokio::select! {
        () = node.shutdown() => {}
        signal = signals.next() => tracing::warn!("{signal} again: not waiting for open requests"),
    }
    Ok(())
}

/// Every component's file, before anything listens. What is in it is judged when it is loaded.
pub(crate) fn require_components(config: &Config) -> anyhow::Result<()> {
    for (name, component) in &config.components {
        let path = component.path.display();
        if !component.path.is_file() {
            return Err(exit::usage(format!(
                "component {name:?}: there is no file {path}; `cargo xtask setup` builds the \
                 repository's components, --components says where they are"
            )));
        }
    }
    Ok(())
}

/// Looks up the environment variables that the configuration names.
fn secrets(config: &Config) -> anyhow::Result<Secrets> {
    let variable = |key: &str, name: Option<&String>| match name {
        None => Ok(None),
        Some(name) => match std::env::var(name) {
            Ok(value) if !value.is_empty() => Ok(Some(value.into())),
            _ => Err(exit::usage(format!(
                "{key} names the environment variable {name}, which is not set"
            ))),
        },
    };
    let token = config
        .control
        .as_ref()
        .and_then(|control| control.token_env.as_ref());
    Ok(Secrets {
        control_token: variable("control.token_env", token)?,
        redis_url: variable("kv.redis_url_env", config.kv.redis_url_env.as_ref())?,
    })
}

/// Says that a configuration is right.
pub(crate) fn report(file: &Path, config: &Config) -> anyhow::Result<()> {
    use std::io::Write as _;
    let (routes, components) = (config.routes.len(), config.components.len());
    writeln!(
        std::io::stdout().lock(),
        "{}: right; {routes} routes, {components} components, listens on {}",
        file.display(),
        config.listen.http
    )
    .context("writing the outcome")
}

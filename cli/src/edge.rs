//! `zephyr edge`: one edge node, until it is asked to stop or another process takes its place.

mod successor;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use zephyr_edge::config::KvBackend;
use zephyr_edge::takeover;
use zephyr_edge::{Config, Node, Options, Secrets, Sockets};

use crate::exit;
use crate::signals::{EdgeSignals, Request};

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

    /// Take the place of the node that runs on this configuration's data folder: its sockets come
    /// over, and it ends when this one is ready
    #[arg(long, conflicts_with = "check")]
    takeover: bool,

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
    // First of all: the sockets' numbers are known only as long as nothing else is open.
    let came = Sockets::from_systemd(|name| std::env::var(name).ok(), std::process::id())?;
    let folder = args.components.folder()?;
    let config = Config::load(&args.config, &folder).map_err(exit::usage)?;
    require_components(&config)?;
    if args.check {
        return report(&args.config, &config);
    }
    let socket = config.node.data_dir.join("takeover.sock");
    let (sockets, predecessor) = match args.takeover {
        true => {
            let (sockets, predecessor) = takeover::receive(&socket)?;
            (sockets, Some(predecessor))
        }
        false => (came, None),
    };
    let file = args.config.clone();
    let options = Options {
        secrets: secrets(&config)?,
        reread: Some(Arc::new(move || {
            let config = Config::load(&file, &folder)?;
            require_components(&config)?;
            Ok(config)
        })),
        sockets,
        predecessor,
        takeover: holds_no_file(&config).then_some(socket),
    };
    crate::runtime()?.block_on(serve(config, options))
}

/// Whether two nodes can run on one data folder for a while. The file of `kv.backend = "redb"` is
/// one process's.
fn holds_no_file(config: &Config) -> bool {
    config.kv.backend != KvBackend::Redb
}

/// Runs a node until a signal, or until another process has taken over.
pub(crate) async fn serve(config: Config, options: Options) -> anyhow::Result<()> {
    let mut signals = EdgeSignals::catch()?;
    let can_restart = options.takeover.is_some();
    let node = Node::start_with(config, options)
        .await
        .context("the edge node could not start")?;
    tracing::info!(edge.http = %node.http_addr(), "Edge node listens on {}", node.http_addr());

    let mut handed_over = Box::pin(node.handed_over());
    loop {
        let request = tokio::select! {
            () = &mut handed_over => {
                tracing::info!("another process has taken over: finishing open requests");
                return end(node.leave(), &mut signals).await;
            }
            request = signals.next() => request,
        };
        match request {
            Request::Stop(signal) => {
                tracing::info!("{signal}: finishing open requests");
                return end(node.shutdown(), &mut signals).await;
            }
            // What is wrong has been logged.
            Request::Reload => drop(node.reread().await),
            Request::Restart if can_restart => {
                if let Err(error) = successor::start() {
                    tracing::error!("no other process could be started: {error:#}");
                }
            }
            Request::Restart => tracing::error!(
                "SIGUSR2: this node cannot hand over; keys and values in a file (kv.backend = \
                 \"redb\") are one process's"
            ),
        }
    }
}

/// Waits for the end, or for one more signal.
async fn end(node: impl Future<Output = ()>, signals: &mut EdgeSignals) -> anyhow::Result<()> {
    tokio::select! {
        () = node => {}
        signal = signals.stop() => tracing::warn!("{signal} again: not waiting for open requests"),
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
        admin_token: variable(
            "listen.admin_token_env",
            config.listen.admin_token_env.as_ref(),
        )?,
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

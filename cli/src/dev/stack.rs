//! The parts of `dev`, started in order and stopped in reverse.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;
use zephyr_db::private::{Postgres, PostgresOptions};
use zephyr_edge::{Node, Secrets};
use zephyr_origin::{Config, Server};

use super::Args;
use super::banner::{self, Demo, EdgeAddrs, Running, step};
use super::data::DataFolder;
use super::edges::{Identity, Template};
use super::ports::{EdgePorts, Ports};
use crate::signals::Signals;
use crate::{migrate, seed};

/// How long PostgreSQL stays away after it ended by itself, so that one sees what the origin does
/// without it, and how far that grows while it does not come back.
const RESTART: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));

/// What runs. Empty before the start, and again after the stop.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    postgres: Option<Private>,
    origin: Option<Server>,
    edges: Vec<Node>,
}

/// A private PostgreSQL and how to start it again.
#[derive(Debug)]
struct Private {
    options: PostgresOptions,
    server: Option<Postgres>,
}

impl Stack {
    /// Starts everything. What was started before an error, or before the caller stopped waiting,
    /// is there for [`Stack::stop`].
    pub(crate) async fn start(
        &mut self,
        args: &Args,
        ports: &Ports,
        data: &DataFolder,
    ) -> anyhow::Result<Running> {
        // What can be wrong in files and options comes first: it is said at once.
        let template = if ports.edges.is_empty() {
            None
        } else {
            let components = args.components.folder()?;
            Some(Template::read(args.config.as_deref(), components)?)
        };
        let admin_token = match &args.admin_token {
            Some(token) => token.clone(),
            None => data.secret("admin-token")?,
        };
        let edge_token = data.secret("edge-token")?;

        let (url, database) = self.database(args, data).await?;
        step("migrating the database", migrate::up(&url)).await?;
        let demo = self.seed(args, &url).await?;

        let config = Config {
            listen: ([127, 0, 0, 1], ports.origin).into(),
            database_url: url,
            admin_token: admin_token.clone(),
            edge_token: edge_token.clone(),
            signing_key: data.join("signing-key.pem"),
            ..Config::default()
        };
        let origin = step("starting the origin", Server::start(config)).await?;
        let origin = self.origin.insert(origin).addr();

        let edges = match template {
            Some(template) => {
                self.edges(&template, &ports.edges, origin, data, &edge_token)
                    .await?
            }
            None => Vec::new(),
        };
        Ok(Running {
            origin,
            edges,
            data: data.path().to_owned(),
            database,
            admin_token,
            demo,
        })
    }

    async fn edges(
        &mut self,
        template: &Template,
        ports: &[EdgePorts],
        origin: SocketAddr,
        data: &DataFolder,
        token: &SecretString,
    ) -> anyhow::Result<Vec<EdgeAddrs>> {
        let mut edges = Vec::new();
        for (index, ports) in ports.iter().enumerate() {
            let number = index + 1;
            let data_dir = edge_folder(data, number)?;
            let config = template.of(&Identity {
                number,
                ports: *ports,
                origin,
                data_dir,
            })?;
            let secrets = Secrets {
                control_token: Some(token.clone()),
                ..redis_of(&config)
            };
            let name = format!("starting edge node {number}");
            let node = step(&name, Node::start(config, secrets)).await?;
            edges.push(EdgeAddrs {
                http: node.http_addr(),
                admin: node.admin_addr(),
            });
            self.edges.push(node);
        }
        Ok(edges)
    }

    /// The database's URL, and what to call it in the banner.
    async fn database(
        &mut self,
        args: &Args,
        data: &DataFolder,
    ) -> anyhow::Result<(SecretString, String)> {
        if let Some(url) = &args.database_url {
            return Ok((url.clone(), "the one in DATABASE_URL".to_owned()));
        }
        let options = PostgresOptions {
            data_dir: data.join("postgres"),
            durable: true,
            progress: Arc::new(|text| banner::line(&format!("  {text}"))),
        };
        let starting = async { Ok(Postgres::start(&options).await?) };
        let server = step("starting a private PostgreSQL", starting).await?;
        let url = server.url().to_owned();
        self.postgres = Some(Private {
            options,
            server: Some(server),
        });
        Ok((url.clone().into(), format!("psql '{url}'")))
    }

    async fn seed(&self, args: &Args, url: &SecretString) -> anyhow::Result<Option<Demo>> {
        if args.options.no_seed {
            return Ok(None);
        }
        let listings = args.options.listings;
        step(
            &format!("seeding {listings} listings"),
            seed::fill(url, listings),
        )
        .await?;
        Ok(Some(Demo {
            email: zephyr_origin::seed::EMAIL.to_owned(),
            password: zephyr_origin::seed::PASSWORD.to_owned(),
        }))
    }

    /// Keeps a private PostgreSQL up. Waits for ever; the caller stops waiting.
    pub(crate) async fn supervise(&mut self) -> std::convert::Infallible {
        let Some(postgres) = &mut self.postgres else {
            return std::future::pending().await;
        };
        let mut pause = RESTART.0;
        loop {
            if let Some(server) = &mut postgres.server {
                let how = server.ended().await;
                banner::line(&format!("PostgreSQL ended by itself ({how})"));
                postgres.server = None;
                pause = RESTART.0;
            }
            banner::line(&format!(
                "starting PostgreSQL again in {} s",
                pause.as_secs()
            ));
            tokio::time::sleep(pause).await;
            match Postgres::start(&postgres.options).await {
                Ok(server) => {
                    banner::line("PostgreSQL is back");
                    postgres.server = Some(server);
                }
                Err(error) => {
                    banner::line(&format!("PostgreSQL did not start: {error}"));
                    pause = (pause * 2).min(RESTART.1);
                }
            }
        }
    }

    /// Stops what runs, in reverse order. Another signal ends the waiting for open requests; the
    /// database is always waited for.
    pub(crate) async fn stop(&mut self, signals: &mut Signals) {
        let edges = std::mem::take(&mut self.edges);
        let origin = self.origin.take();
        let gracefully = async {
            if !edges.is_empty() {
                banner::line("stopping edge nodes");
                let nodes: Vec<_> = edges
                    .into_iter()
                    .map(|node| tokio::spawn(node.shutdown()))
                    .collect();
                for node in nodes {
                    let _ = node.await; // a panic in a node has been reported
                }
            }
            if let Some(origin) = origin {
                banner::line("stopping the origin");
                origin.shutdown().await;
            }
        };
        tokio::select! {
            () = gracefully => {}
            signal = signals.next() => {
                banner::line(&format!("{signal} again: not waiting for open requests"));
            }
        }
        if let Some(server) = self.postgres.take().and_then(|postgres| postgres.server) {
            banner::line("stopping PostgreSQL");
            if let Err(error) = server.stop().await {
                banner::line(&format!("PostgreSQL: {error}"));
            }
        }
        banner::line("stopped");
    }
}

/// A node's own folder. Compiled components are the same for all, so the first node compiles them
/// for the others, too.
fn edge_folder(data: &DataFolder, number: usize) -> anyhow::Result<PathBuf> {
    let folder = data.join(&format!("edge-{number}"));
    let make = |path: &Path| {
        fs::create_dir_all(path).with_context(|| format!("creating {}", path.display()))
    };
    make(&folder)?;
    make(&data.join("compiled"))?;
    let link = folder.join("compiled");
    if !link.exists() {
        symlink("../compiled", &link).with_context(|| format!("linking {}", link.display()))?;
    }
    Ok(folder)
}

/// The secrets that a node's configuration asks for by the name of an environment variable.
fn redis_of(config: &zephyr_edge::Config) -> Secrets {
    let variable = config.kv.redis_url_env.as_ref();
    let url = variable
        .and_then(|name| std::env::var(name).ok())
        .filter(|url| !url.is_empty());
    Secrets {
        redis_url: url.map(SecretString::from),
        ..Secrets::default()
    }
}

//! What all servers are started with, and the servers that the chosen rows need.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::body;
use super::case::{Address, Case, Protocol, Who};
use super::certificate::Certificate;
use super::nginx::{Upstream, Yardstick};
use super::node::{Node, Setup};
use super::placement::Placement;
use super::server::subfolder;
use super::tools::Tools;
use super::varnish::Varnish;
use crate::workspace::Workspace;

/// What all servers are started with.
#[derive(Debug)]
pub(crate) struct Testbed {
    pub(crate) tools: Tools,
    pub(crate) placement: Placement,
    /// Everything that is written, removed in the end.
    pub(crate) folder: tempfile::TempDir,
    /// The bodies, one file each.
    pub(crate) files: PathBuf,
    pub(crate) certificate: Certificate,
    /// The node's program.
    pub(crate) program: PathBuf,
    pub(crate) components: PathBuf,
}

impl Testbed {
    pub(crate) fn prepare(
        workspace: &Workspace,
        tools: Tools,
        program: PathBuf,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("zephyr-bench-").tempdir()?;
        let placement = Placement::choose(&tools)?;
        let files = subfolder(folder.path(), "files")?;
        body::write(&files)?;
        let certificate = Certificate::make(folder.path())?;
        Ok(Self {
            tools,
            placement,
            files,
            certificate,
            folder,
            program,
            components: workspace.components(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The running servers. They stop when dropped, those that ask before the one that is asked.
#[derive(Debug)]
pub(crate) struct Servers {
    nginx: Yardstick,
    varnish: Option<Varnish>,
    node: Node,
    disk_node: Option<Node>,
    upstream: Upstream,
}

impl Servers {
    /// Starts what the cases need. nginx and the node always run, for rows that are no cases.
    pub(crate) fn start(bed: &Testbed, cases: &[Case]) -> anyhow::Result<Self> {
        let needs = |who| cases.iter().any(|case| case.server == who);
        let upstream = Upstream::start(bed)?;
        let nginx = Yardstick::start(bed, upstream.port())?;
        let varnish = needs(Who::Varnish)
            .then(|| Varnish::start(bed, upstream.port()))
            .transpose()?;
        let mut setup = Setup::all_rows(upstream.port());
        let mut ours = cases.iter().filter(|case| case.server == Who::Node);
        if ours.clone().any(|case| case.protocol != Protocol::Http1) {
            setup = setup.with_tls(&bed.certificate);
        }
        if ours.any(|case| case.path.starts_with("/static/")) {
            setup = setup.with_files(&bed.files);
        }
        let node = Node::start(bed, &setup)?;
        let disk_node = needs(Who::DiskNode)
            .then(|| Node::start(bed, &Setup::disk(upstream.port())))
            .transpose()?;
        Ok(Self {
            nginx,
            varnish,
            node,
            disk_node,
            upstream,
        })
    }

    pub(crate) fn address(&self, who: Who) -> anyhow::Result<Address> {
        match who {
            Who::Nginx => Some(self.nginx.address()),
            Who::Varnish => self.varnish.as_ref().map(Varnish::address),
            Who::Node => Some(self.node.address()),
            Who::DiskNode => self.disk_node.as_ref().map(Node::address),
        }
        .with_context(|| format!("{who:?} was not started"))
    }

    /// Stops all but the upstream.
    pub(crate) fn into_upstream(self) -> Upstream {
        self.upstream
    }
}

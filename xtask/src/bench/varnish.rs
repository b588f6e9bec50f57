//! Varnish, for hits: from memory, over HTTP/1.1 without TLS, which Debian's has not.

use anyhow::Context as _;

use super::case::Address;
use super::server::{Server, free_port, listens, subfolder};
use super::testbed::Testbed;

/// A running Varnish.
#[derive(Debug)]
pub(crate) struct Varnish(Server);

impl Varnish {
    /// Its threads, one a connection, share the core that the other servers have for themselves.
    /// Its log is a ring in memory that nobody reads.
    pub(crate) fn start(bed: &Testbed, upstream: u16) -> anyhow::Result<Self> {
        let port = free_port()?;
        let folder = subfolder(bed.path(), "varnish")?;
        let file = folder.join("bench.vcl");
        std::fs::write(&file, vcl(upstream))
            .with_context(|| format!("writing {}", file.display()))?;
        let mut command = bed.placement.server(&bed.tools.varnish);
        command
            // In the foreground, as who we are, without a port for administration.
            .args(["-F", "-j", "none", "-T", "none"])
            .args(["-a", &format!("127.0.0.1:{port}")])
            .args(["-s", "malloc,512m"])
            .args(["-p", "thread_pools=1", "-p", "thread_pool_min=100"])
            .arg("-f")
            .arg(&file)
            .arg("-n")
            .arg(subfolder(&folder, "work")?);
        let log = folder.join("log");
        let server = Server::start(command, port, &log, || listens(port))?;
        Ok(Self(server))
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
}

/// Varnish's own rules, and a field that says what is a hit.
fn vcl(upstream: u16) -> String {
    format!(
        "vcl 4.1;
backend default {{ .host = \"127.0.0.1\"; .port = \"{upstream}\"; }}
sub vcl_deliver {{
    if (obj.hits > 0) {{ set resp.http.X-Cache = \"HIT\"; }}
}}
"
    )
}

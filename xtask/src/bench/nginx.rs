//! nginx twice: as the upstream of both servers, and as the yardstick.

use std::path::Path;

use anyhow::Context as _;

use super::placement::Placement;
use super::rows::Address;
use super::server::{Server, free_port, listens, subfolder};
use super::tools::Tools;

/// How many bytes the upstream answers with.
pub(crate) const BODY_BYTES: usize = 1024;

/// The upstream: answers from memory.
#[derive(Debug)]
pub(crate) struct Upstream(Server);

impl Upstream {
    pub(crate) fn start(
        tools: &Tools,
        placement: &Placement,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let body = "x".repeat(BODY_BYTES);
        let http = format!(
            "server {{
        listen 127.0.0.1:{port};
        location / {{
            default_type text/plain;
            add_header Cache-Control 'public, max-age=3600';
            add_header ETag '\"bench\"';
            return 200 '{body}';
        }}
    }}"
        );
        let folder = subfolder(folder, "upstream")?;
        let config = write(&folder, &http)?;
        let mut command = placement.load(&tools.nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(config);
        Ok(Self(Server::start(
            command,
            port,
            &folder.join("log"),
            || listens(port),
        )?))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port()
    }
}

/// The yardstick: `/cached` comes from `proxy_cache`, `/pass` from the upstream each time.
#[derive(Debug)]
pub(crate) struct Yardstick(Server);

impl Yardstick {
    pub(crate) fn start(
        tools: &Tools,
        placement: &Placement,
        folder: &Path,
        upstream: u16,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let folder = subfolder(folder, "yardstick")?;
        let cache = subfolder(&folder, "cache")?;
        let http = format!(
            "proxy_cache_path {cache} levels=1:2 keys_zone=bench:10m max_size=256m inactive=1h
        use_temp_path=off;
    upstream stub {{
        server 127.0.0.1:{upstream};
        keepalive 128;
        keepalive_requests 100000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection '';
    server {{
        listen 127.0.0.1:{port};
        location /cached {{
            proxy_pass http://stub;
            proxy_cache bench;
            proxy_cache_lock on;
            add_header X-Cache $upstream_cache_status;
        }}
        location /pass {{
            proxy_pass http://stub;
        }}
    }}",
            cache = cache.display()
        );
        let config = write(&folder, &http)?;
        let mut command = placement.server(&tools.nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(config);
        Ok(Self(Server::start(
            command,
            port,
            &folder.join("log"),
            || listens(port),
        )?))
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
}

/// A configuration with one worker, no access log, and everything it writes in its own folder.
fn write(folder: &Path, http: &str) -> anyhow::Result<std::path::PathBuf> {
    let temporary = subfolder(folder, "temporary")?;
    let temporary = temporary.display();
    // As root, nginx would run its worker as another user, who may not enter our folder.
    let text = format!(
        "user root;
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{
    worker_connections 16384;
}}
http {{
    access_log off;
    keepalive_requests 100000000;
    open_file_cache max=1000 inactive=10m;
    client_body_temp_path {temporary}/body;
    proxy_temp_path {temporary}/proxy;
    fastcgi_temp_path {temporary}/fastcgi;
    uwsgi_temp_path {temporary}/uwsgi;
    scgi_temp_path {temporary}/scgi;
    {http}
}}
",
        folder = folder.display()
    );
    let file = folder.join("nginx.conf");
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

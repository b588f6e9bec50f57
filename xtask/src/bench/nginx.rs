//! nginx twice: as the upstream of all servers, and as the yardstick.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::body::Body;
use super::case::Address;
use super::server::{Server, free_port, listens, subfolder};
use super::testbed::Testbed;

/// The upstream: answers small bodies from memory, larger ones from files.
#[derive(Debug)]
pub(crate) struct Upstream(Server);

impl Upstream {
    pub(crate) fn start(bed: &Testbed) -> anyhow::Result<Self> {
        let port = free_port()?;
        let body = "x".repeat(Body::Small.bytes());
        let http = format!(
            "server {{
        listen 127.0.0.1:{port};
        add_header Cache-Control 'public, max-age=3600';
        location / {{
            default_type text/plain;
            add_header ETag '\"bench\"';
            add_header Cache-Control 'public, max-age=3600';
            return 200 '{body}';
        }}
        location ~ /(?<size>100k|1m|10m)\\.bin$ {{
            default_type application/octet-stream;
            alias {files}/$size.bin;
        }}
    }}",
            files = bed.files.display()
        );
        let folder = subfolder(bed.path(), "upstream")?;
        let config = write(&folder, &http)?;
        let mut command = bed.placement.load(&bed.tools.nginx);
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

/// The yardstick: `/cached` comes from `proxy_cache`, `/pass` from the upstream each time,
/// `/static` from files.
///
/// Where a setting makes a difference, it has the one that it is faster with: `sendfile` is off for
/// small bodies, which are cheaper to read than to hand over, and `tcp_nopush` off for all (with it,
/// bodies of 100 KiB wait for acknowledgements).
#[derive(Debug)]
pub(crate) struct Yardstick(Server);

impl Yardstick {
    pub(crate) fn start(bed: &Testbed, upstream: u16) -> anyhow::Result<Self> {
        let (port, tls) = (free_port()?, free_port()?);
        let folder = subfolder(bed.path(), "yardstick")?;
        let cache = subfolder(&folder, "cache")?;
        let cached = "proxy_pass http://stub;
            proxy_cache bench;
            proxy_cache_lock on;
            add_header X-Cache $upstream_cache_status;";
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
    proxy_cache_key $request_uri;
    {BUFFERS}
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.1:{tls} ssl http2;
        ssl_certificate {chain};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location /cached/ {{ {cached} }}
        location /cached/{small} {{ {cached} sendfile off; }}
        location /static/ {{ alias {files}/; }}
        location /static/{small} {{ alias {files}/{small}; sendfile off; }}
        location /pass/ {{ proxy_pass http://stub; }}
    }}",
            cache = cache.display(),
            chain = bed.certificate.chain.display(),
            key = bed.certificate.key.display(),
            files = bed.files.display(),
            small = Body::Small.file(),
        );
        let config = write(&folder, &http)?;
        let mut command = bed.placement.server(&bed.tools.nginx);
        command.arg("-p").arg(&folder).arg("-c").arg(config);
        let server = Server::start(command, port, &folder.join("log"), || listens(port))?;
        Ok(Self(server.with_tls(Some(tls))))
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
}

/// For bodies that pass through: the sizes that nginx is fastest with, with its defaults a body of
/// 10 MiB costs it twice as much; and what a client has not taken yet stays out of files.
const BUFFERS: &str = "proxy_buffer_size 16k;
    proxy_buffers 16 64k;
    proxy_busy_buffers_size 512k;
    proxy_max_temp_file_size 0;";

/// A configuration with one worker, no access log, and everything it writes in its own folder.
fn write(folder: &Path, http: &str) -> anyhow::Result<PathBuf> {
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
    sendfile on;
    keepalive_requests 100000000;
    keepalive_timeout 10m;
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

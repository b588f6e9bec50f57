//! The configuration: the reference file, and errors that say where.

use std::path::Path;

use insta::assert_snapshot;
use zephyr_edge::config::{OnError, Target};
use zephyr_edge::{Config, ParseOptions};

fn parse(text: &str) -> Result<Config, String> {
    let options = ParseOptions {
        file: "zephyr.toml".into(),
        base_dir: "/base".into(),
        components_dir: "/built".into(),
    };
    Config::parse(text, &options).map_err(|error| error.to_string())
}

/// What is wrong with this after a good beginning of six lines.
fn error(text: &str) -> String {
    let start = "[listen]\nhttp = \"127.0.0.1:0\"\n[upstreams.a]\nurl = \"http://127.0.0.1:1\"\n[components.f]\npath = \"f.wasm\"\nkind = \"filter\"\n[components.s]\npath = \"$components/s.wasm\"\nkind = \"service\"\n";
    parse(&format!("{start}{text}")).unwrap_err()
}

fn reference() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../zephyr.toml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_reference_file_is_valid() {
    let config = parse(&reference()).unwrap();
    assert_eq!(config.routes.len(), 4);
    let listings = &config.routes[0];
    assert_eq!(listings.target, Target::Upstream("origin".into()));
    assert_eq!(listings.stages.len(), 3);
    assert_eq!(listings.stages[0].on_error, OnError::Closed);
    assert_eq!(listings.stages[0].config["limits"][0]["count"], 100);
    assert_eq!(config.routes[2].target, Target::Service("image".into()));
    assert_eq!(
        config.components["image"].path,
        Path::new("/built/image.wasm")
    );
    assert_eq!(config.node.data_dir, Path::new("/base/.zephyr/edge"));
}

/// Every line that stands commented out as `# key = value` is a default: with it, the file must
/// still be valid and mean the same.
#[test]
fn the_defaults_in_the_reference_file_are_the_defaults() {
    let commented = reference();
    let lines: Vec<String> = commented
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if is_setting(rest) => rest.to_owned(),
            _ => line.to_owned(),
        })
        .collect();
    let spelled_out = lines.join("\n");
    assert_ne!(spelled_out, commented);
    let (given, mut spelled_out) = (parse(&commented).unwrap(), parse(&spelled_out).unwrap());
    // A default that depends on the machine, and those that are only examples.
    spelled_out.node.name = None;
    spelled_out.listen.admin_token_env = None;
    spelled_out.cache.disk_path = None;
    spelled_out.kv.redis_url_env = None;
    spelled_out.tunnels.max_lifetime = None;
    spelled_out.sha256.clone_from(&given.sha256);
    for (route, other) in spelled_out.routes.iter_mut().zip(&given.routes) {
        for (stage, other) in route.stages.iter_mut().zip(&other.stages) {
            assert_eq!(stage.position, other.position);
        }
    }
    assert_eq!(format!("{given:#?}"), format!("{spelled_out:#?}"));
}

fn is_setting(text: &str) -> bool {
    text.split_once(" = ").is_some_and(|(key, _)| {
        !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    })
}

#[test]
fn errors_say_file_line_and_column() {
    assert_snapshot!(error("[lisen]"), @"zephyr.toml:11:2: unknown field `lisen`, expected one of `node`, `listen`, `tls`, `acme`, `tunnels`, `log`, `control`, `dns`, `upstreams`, `kv`, `limiter`, `cache`, `compression`, `components`, `routes`");
    assert_snapshot!(error("[cache]\nmax_byte = \"1MiB\""), @"zephyr.toml:12:1: unknown field `max_byte`, expected one of `max_bytes`, `max_object_bytes`, `slice_bytes`, `max_variants`, `collapse_timeout`, `status_key`, `disk_path`, `disk_max_bytes`, `memory_object_max`, `disk_write_buffer`");
    assert_snapshot!(error("[cache]\nslice_bytes = \"1KiB\""), @r#"zephyr.toml:12:15: 1KiB is not a size of slices: 64KiB to 16MiB, or "0B" for none"#);
    assert_snapshot!(error("[cache]\nmax_bytes = \"1MB\""), @r#"zephyr.toml:12:13: "1MB" is not a size: a whole number and B, KiB, MiB or GiB, such as "64KiB""#);
    assert_snapshot!(error("[cache]\nmax_bytes = 5"), @"zephyr.toml:12:13: invalid type: integer `5`, expected a string");
    assert_snapshot!(error("[cache]\nmax_variants = 0"), @"zephyr.toml:12:16: must be at least 1");
    assert_snapshot!(error("[cache]\ncollapse_timeout = \"soon\""), @r#"zephyr.toml:12:20: "soon" is not a duration such as "250ms", "2s" or "10m": expected number at 0"#);
    assert_snapshot!(error("[cache\n"), @"zephyr.toml:11:7: unclosed table, expected `]`");
    assert_snapshot!(error("[upstreams.b]\nurl = \"http://example.com/path\""), @r#"zephyr.toml:12:7: "http://example.com/path" is not a server's URL such as "http://127.0.0.1:8081": it must end after host and port"#);
    assert_snapshot!(error("[upstreams.B]\nurl = \"http://example.com\""), @r#"zephyr.toml:11:12: the upstream name "B" must be 1 to 64 lower-case letters, digits, `-` or `_`"#);
    assert_snapshot!(error("[kv]\nbackend = \"etcd\""), @"zephyr.toml:12:11: unknown variant `etcd`, expected one of `memory`, `redb`, `redis`");
    assert_snapshot!(error("[components.g]\npath = \"g\"\nkind = \"service\"\nupstreams = [\"a\", \"x\"]"), @r#"zephyr.toml:14:19: there is no upstream "x""#);
    assert_snapshot!(parse("[node]\nthreads = 1").unwrap_err(), @"zephyr.toml:1:1: missing field `listen`");
    assert_snapshot!(parse("[listen]\nhttp = \"localhost\"").unwrap_err(), @r#"zephyr.toml:2:8: "localhost" is not an address and a port such as "127.0.0.1:8080""#);
}

#[test]
fn tls_is_checked() {
    let tls = |listen: &str, rest: &str| {
        parse(&format!(
            "[listen]\nhttp = \"127.0.0.1:80\"\n{listen}\n{rest}"
        ))
        .unwrap_err()
    };
    let https = "https = \"127.0.0.1:443\"";
    assert_snapshot!(tls(https, ""), @"zephyr.toml:1:1: listen.https needs a certificate: [[tls.certificates]] or acme.domains");
    assert_snapshot!(tls("redirect_https = true", ""), @"zephyr.toml:1:1: listen.redirect_https needs listen.https");
    assert_snapshot!(tls("http3 = true", ""), @"zephyr.toml:1:1: listen.http3 needs listen.https");
    assert_snapshot!(tls(https, "[[tls.certificates]]\ncert = \"a.pem\""), @"zephyr.toml:4:1: missing field `key`");
    assert_snapshot!(tls(https, "[tls]\nmin_version = \"1.1\""), @"zephyr.toml:5:15: unknown variant `1.1`, expected `1.2` or `1.3`");
    assert_snapshot!(tls(https, "[tls]\nalpn = []"), @r#"zephyr.toml:4:1: tls.alpn must hold "h2", "http/1.1" or both, once each"#);
    assert_snapshot!(tls(https, "[acme]\ndomains = [\"*.a.test\"]"), @r#"zephyr.toml:4:1: acme.domains: "*.a.test" is not a host name such as "www.example.com""#);
    assert_snapshot!(tls(https, "[acme]\ndomains = [\"a.test\"]"), @"zephyr.toml:4:1: acme.terms_agreed must be true: an authority gives no certificates without");
    assert_snapshot!(tls(https, "[acme]\ndirectory = \"http://ca.test/\"\ndomains = [\"a.test\"]\nterms_agreed = true"), @r#"zephyr.toml:4:1: acme.directory: "http://ca.test/" is not an https URL"#);
    let config = parse(&format!(
        "[listen]\nhttp = \"127.0.0.1:80\"\n{https}\n[[tls.certificates]]\ncert = \"a.pem\"\nkey = \"/k/a.key\"\n"
    ));
    let files = &config.unwrap().tls.certificates[0];
    assert_eq!(files.cert, Path::new("/base/a.pem"));
    assert_eq!(files.key, Path::new("/k/a.key"));
}

#[test]
fn routes_are_checked_against_the_rest() {
    let route = |text: &str| error(&format!("[[routes]]\nname = \"r\"\n{text}"));
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"x\""), @r#"zephyr.toml:14:12: there is no upstream "x""#);
    assert_snapshot!(route("paths = [\"/x\"]\nservice = \"x\""), @r#"zephyr.toml:14:11: there is no component "x""#);
    assert_snapshot!(route("paths = [\"/x\"]\nservice = \"f\""), @r#"zephyr.toml:14:11: the component "f" is a filter; it must be a service here"#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\nservice = \"s\""), @r#"zephyr.toml:15:11: route "r" has more than one of `upstream`, `service` and `files`"#);
    assert_snapshot!(route("paths = [\"/x\"]"), @r#"zephyr.toml:11:1: route "r" has none of `upstream`, `service` and `files`"#);
    assert_snapshot!(route("paths = []\nupstream = \"a\""), @r#"zephyr.toml:11:1: route "r" has no `paths`"#);
    assert_snapshot!(route("paths = [\"x\"]\nupstream = \"a\""), @r#"zephyr.toml:13:10: "x" is not a path pattern: it must begin with `/`"#);
    assert_snapshot!(route("paths = [\"/{a}/{*b}/c\"]\nupstream = \"a\""), @r#"zephyr.toml:13:10: "/{a}/{*b}/c" is not a path pattern: `{*rest}` must be the last segment"#);
    assert_snapshot!(route("hosts = [\"a:80\"]\npaths = [\"/x\"]\nupstream = \"a\""), @r#"zephyr.toml:13:10: "a:80" is not a host pattern: `*`, `*.example.com` or `example.com`, no port"#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"x\""), @r#"zephyr.toml:16:10: there is no component "x""#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"s\""), @r#"zephyr.toml:16:10: the component "s" is a service; it must be a filter here"#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"f\"\non_error = \"maybe\""), @"zephyr.toml:17:12: unknown variant `maybe`, expected `closed` or `open`");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes]]\nname = \"r\"\npaths = [\"/y\"]\nupstream = \"a\""), @r#"zephyr.toml:16:8: there are two routes named "r""#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes]]\nname = \"q\"\npaths = [\"/x\"]\nupstream = \"a\""), @r#"zephyr.toml:16:8: route "q": path /x on host *: an earlier route has /x"#);
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\nmethods = [\"GET\"]"), @"zephyr.toml:15:1: unknown field `methods`, expected one of `name`, `hosts`, `paths`, `upstream`, `service`, `cache`, `files`, `compress`, `dictionary`, `upgrade`, `stages`");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\nupgrade = [\"h2c\"]"), @r#"zephyr.toml:15:11: "h2c" is not a protocol to switch to, in lower-case letters"#);
    assert_snapshot!(route("paths = [\"/x\"]\nservice = \"s\"\nupgrade = [\"websocket\"]"), @"zephyr.toml:15:11: `upgrade` needs an upstream that is asked over HTTP/1.1");
}

#[test]
fn content_is_checked() {
    let route = |text: &str| {
        error(&format!(
            "[[routes]]\nname = \"r\"\npaths = [\"/x\"]\n{text}"
        ))
    };
    assert_snapshot!(route("files = { root = \"\" }"), @"zephyr.toml:14:9: `files.root` is empty");
    assert_snapshot!(route("files = { root = \"a\", index = \"../x\" }"), @r#"zephyr.toml:14:9: `files.index` "../x" is not a file's name"#);
    assert_snapshot!(route("files = { root = \"a\", fallback = \"a/../b\" }"), @r#"zephyr.toml:14:9: `files.fallback` "a/../b" is not a path below the folder"#);
    assert_snapshot!(route("files = { root = \"a\", strip = \"a/\" }"), @r#"zephyr.toml:14:9: `files.strip` "a/" must begin with a slash and not end with one"#);
    assert_snapshot!(route("files = { root = \"a\", precompressed = [\"deflate\"] }"), @"zephyr.toml:14:40: unknown variant `deflate`, expected one of `zstd`, `br`, `gzip`");
    assert_snapshot!(route("files = { root = \"a\", list = true }"), @"zephyr.toml:14:23: unknown field `list`, expected one of `root`, `strip`, `index`, `fallback`, `precompressed`, `cache_control`");
    assert_snapshot!(route("upstream = \"a\"\nfiles = { root = \"a\" }"), @r#"zephyr.toml:15:9: route "r" has more than one of `upstream`, `service` and `files`"#);
    assert_snapshot!(route("upstream = \"a\"\ndictionary = {}"), @r#"zephyr.toml:15:14: route "r" has a `dictionary` and not `compress = true`"#);
    assert_snapshot!(route("upstream = \"a\"\ncompress = true\ndictionary = { match = \"/(a|b)\" }"), @r#"zephyr.toml:16:14: `dictionary.match` "/(a|b)" may hold no wildcard but `*`"#);
    assert_snapshot!(error("[compression]\nzstd_level = 20"), @"zephyr.toml:12:14: must be 1 to 19");
    assert_snapshot!(error("[compression]\ntypes = [\"text\"]"), @r#"zephyr.toml:12:9: "text" is not a media type such as "text/html" or "text/*""#);
}

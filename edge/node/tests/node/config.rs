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
    // A default that depends on the machine, and one that is only an example.
    spelled_out.node.name = None;
    spelled_out.kv.redis_url_env = None;
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
    assert_snapshot!(error("[lisen]"), @"");
    assert_snapshot!(error("[cache]\nmax_byte = \"1MiB\""), @"");
    assert_snapshot!(error("[cache]\nmax_bytes = \"1MB\""), @"");
    assert_snapshot!(error("[cache]\nmax_bytes = 5"), @"");
    assert_snapshot!(error("[cache]\nmax_variants = 0"), @"");
    assert_snapshot!(error("[cache]\ncollapse_timeout = \"soon\""), @"");
    assert_snapshot!(error("[cache\n"), @"");
    assert_snapshot!(error("[upstreams.b]\nurl = \"https://example.com\""), @"");
    assert_snapshot!(error("[upstreams.b]\nurl = \"http://example.com/path\""), @"");
    assert_snapshot!(error("[upstreams.B]\nurl = \"http://example.com\""), @"");
    assert_snapshot!(error("[kv]\nbackend = \"etcd\""), @"");
    assert_snapshot!(error("[components.g]\npath = \"g\"\nkind = \"service\"\nupstreams = [\"a\", \"x\"]"), @"");
    assert_snapshot!(parse("[node]\nthreads = 1").unwrap_err(), @"");
    assert_snapshot!(parse("[listen]\nhttp = \"localhost\"").unwrap_err(), @"");
}

#[test]
fn routes_are_checked_against_the_rest() {
    let route = |text: &str| error(&format!("[[routes]]\nname = \"r\"\n{text}"));
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"x\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nservice = \"x\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nservice = \"f\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\nservice = \"s\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]"), @"");
    assert_snapshot!(route("paths = []\nupstream = \"a\""), @"");
    assert_snapshot!(route("paths = [\"x\"]\nupstream = \"a\""), @"");
    assert_snapshot!(route("paths = [\"/{a}/{*b}/c\"]\nupstream = \"a\""), @"");
    assert_snapshot!(route("hosts = [\"a:80\"]\npaths = [\"/x\"]\nupstream = \"a\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"x\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"s\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes.stages]]\nfilter = \"f\"\non_error = \"maybe\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes]]\nname = \"r\"\npaths = [\"/y\"]\nupstream = \"a\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\n[[routes]]\nname = \"q\"\npaths = [\"/x\"]\nupstream = \"a\""), @"");
    assert_snapshot!(route("paths = [\"/x\"]\nupstream = \"a\"\nmethods = [\"GET\"]"), @"");
}

//! `check-site FILE`: whether a `zephyr.toml` is one for hosts that link the policies in. Run by
//! `cargo xtask build` before it builds for them, so that a mistake is found then.

use std::path::Path;
use std::process::ExitCode;

use zephyr_edge_pipeline::Config;
use zephyr_edge_portable::Site;

#[expect(
    clippy::print_stderr,
    reason = "a program says what is wrong on standard error"
)]
fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: check-site FILE");
        return ExitCode::from(2);
    };
    // Where components lie is a node's business.
    let config = Config::load(Path::new(&file), Path::new("components"));
    let site = config
        .map_err(|error| error.to_string())
        .and_then(|config| Site::new(&config).map_err(|error| error.to_string()));
    match site {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

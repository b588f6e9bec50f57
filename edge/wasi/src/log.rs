//! A component's standard error is its log.

/// Writes a line.
#[expect(
    clippy::print_stderr,
    reason = "a component's standard error is its log"
)]
pub fn line(level: &str, text: &str) {
    eprintln!("{level} {text}");
}

//! The zephyr command.
fn main() {}

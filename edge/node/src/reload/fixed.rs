//! Keys that are read at the start and never again: what hangs on them lives as long as the node.

use anyhow::bail;

use crate::config::Config;

/// Refuses a configuration in which one of them differs from the running one's.
pub(super) fn check(running: &Config, new: &Config) -> anyhow::Result<()> {
    let same = [
        ("node.name", running.node.name == new.node.name),
        ("node.threads", running.node.threads == new.node.threads),
        ("node.data_dir", running.node.data_dir == new.node.data_dir),
        ("listen.http", running.listen.http == new.listen.http),
        ("listen.https", running.listen.https == new.listen.https),
        ("listen.http3", running.listen.http3 == new.listen.http3),
        (
            "listen.https_port",
            running.listen.https_port == new.listen.https_port,
        ),
        ("acme", running.acme == new.acme),
        ("listen.admin", running.listen.admin == new.listen.admin),
        ("log.access", running.log.access == new.log.access),
        ("control", running.control == new.control),
        ("kv", running.kv == new.kv),
        ("limiter", running.limiter == new.limiter),
        ("cache", running.cache == new.cache),
    ];
    let file = &new.file;
    match same.iter().find(|(_, same)| !same) {
        Some((key, _)) => bail!("{file}: {key} cannot change while the node runs; restart it"),
        None => Ok(()),
    }
}

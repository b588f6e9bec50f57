//! The memory that a server holds.

use std::path::Path;

use anyhow::Context as _;

/// Resident bytes of a process and its children: nginx serves from a child. What parent and child
/// share counts twice, which differences do not show.
pub(crate) fn resident(pid: u32) -> anyhow::Result<u64> {
    let file = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&file).with_context(|| format!("reading {file}"))?;
    let mut total = of_status(&text).with_context(|| format!("{file} has no VmRSS"))?;
    for child in children(pid)? {
        if Path::new("/proc").join(child.to_string()).exists() {
            total += resident(child)?;
        }
    }
    Ok(total)
}

fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let folder = format!("/proc/{pid}/task");
    let mut children = Vec::new();
    for thread in std::fs::read_dir(&folder).with_context(|| format!("reading {folder}"))? {
        // A thread may have ended since it was listed.
        let text = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        children.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    Ok(children)
}

/// In bytes.
fn of_status(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_found() {
        let text = "Name:\tnginx\nVmHWM:\t  9000 kB\nVmRSS:\t    1200 kB\n";
        assert_eq!(of_status(text), Some(1200 * 1024));
        assert_eq!(of_status("VmRSS: lots"), None);
    }

    #[test]
    fn memory_in_use_shows() {
        let before = resident(std::process::id()).unwrap();
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(resident(std::process::id()).unwrap() > before + (32 << 20));
        drop(block);
    }
}

//! The processor time that a server has spent.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

/// Of a process and its children, all threads, as the scheduler counts it. What has ended meanwhile
/// is not in it, which servers that only serve do not have.
pub(crate) fn spent(pid: u32) -> anyhow::Result<Duration> {
    let folder = format!("/proc/{pid}/task");
    let threads = std::fs::read_dir(&folder).with_context(|| format!("reading {folder}"))?;
    let mut total = Duration::ZERO;
    for thread in threads {
        let thread = thread.with_context(|| format!("reading {folder}"))?.path();
        total += unless_ended(&thread, spent_by_thread(&thread))?;
    }
    Ok(total)
}

fn spent_by_thread(thread: &Path) -> anyhow::Result<Duration> {
    let read = |name: &str| {
        let file = thread.join(name);
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    };
    let mut total = nanoseconds(&read("schedstat")?).context("the format of `schedstat`")?;
    // nginx serves from a child.
    for child in read("children")?.split_whitespace() {
        let folder = Path::new("/proc").join(child);
        total += unless_ended(&folder, spent(child.parse()?))?;
    }
    Ok(total)
}

/// Nothing, where reading failed because the thread or process has ended since it was listed.
fn unless_ended(folder: &Path, spent: anyhow::Result<Duration>) -> anyhow::Result<Duration> {
    match spent {
        Err(_) if !folder.exists() => Ok(Duration::ZERO),
        spent => spent,
    }
}

/// The first of three numbers: time on a processor, in nanoseconds.
fn nanoseconds(schedstat: &str) -> Option<Duration> {
    schedstat
        .split(' ')
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows() {
        let before = spent(std::process::id()).unwrap();
        let mut sum = 0_u64;
        for n in 0..5_000_000_u64 {
            sum = std::hint::black_box(sum.wrapping_add(n));
        }
        assert!(spent(std::process::id()).unwrap() > before);
    }

    #[test]
    fn the_first_number_counts() {
        assert_eq!(nanoseconds("1500 20 3\n"), Some(Duration::from_nanos(1500)));
        assert_eq!(nanoseconds(""), None);
    }
}

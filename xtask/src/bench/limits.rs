//! How many files this process and the servers that it starts may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit to `wanted`, or as far as it goes. Children inherit it. Returns what it is now.
pub(crate) fn open_files(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let current = now.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return current;
    }
    let hard = now.maximum.unwrap_or(u64::MAX).max(wanted);
    let raised = Rlimit {
        current: Some(wanted),
        maximum: Some(hard),
    };
    // Only root may raise the hard one.
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return wanted;
    }
    let up_to_hard = Rlimit {
        current: now.maximum,
        maximum: now.maximum,
    };
    match setrlimit(Resource::Nofile, up_to_hard) {
        Ok(()) => now.maximum.unwrap_or(u64::MAX),
        Err(_) => current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_already_stays() {
        assert!(open_files(1) >= 1);
        let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        assert_eq!(open_files(1), now);
    }
}

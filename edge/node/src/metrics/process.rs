//! The process as the kernel sees it, under the names that all Prometheus clients use. Nothing
//! where there is no `/proc`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::text::Text;

/// Fields of `/proc/self/stat` after the name in parentheses, counted from 0 (`proc_pid_stat(5)`).
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const THREADS: usize = 17;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

pub(super) fn render(text: &mut Text, started_at: SystemTime) {
    let started = started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.gauge(
        "process_start_time_seconds",
        "When the node was started, since the Unix epoch.",
        started.as_secs(),
    );
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return;
    };
    // The name may hold blanks and parentheses.
    let fields: Vec<u64> = stat.rsplit_once(')').map_or_else(Vec::new, |(_, fields)| {
        let number = |field: &str| field.parse().unwrap_or(0);
        fields.split_whitespace().map(number).collect()
    });
    let field = |at: usize| fields.get(at).copied().unwrap_or(0);
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let busy = Duration::from_millis((field(USER_TIME) + field(SYSTEM_TIME)) * 1000 / ticks);
    text.counter(
        "process_cpu_seconds_total",
        "Time on a processor, user and system.",
        busy.as_secs_f64(),
    );
    text.gauge(
        "process_resident_memory_bytes",
        "Memory in use.",
        field(RESIDENT_PAGES) * rustix::param::page_size() as u64,
    );
    text.gauge(
        "process_virtual_memory_bytes",
        "Addresses in use, those set aside for component instances included.",
        field(VIRTUAL_BYTES),
    );
    text.gauge("process_threads", "Threads.", field(THREADS));
    if let Ok(files) = std::fs::read_dir("/proc/self/fd") {
        // One of them is the folder that is being read.
        let open = files.count().saturating_sub(1);
        text.gauge("process_open_fds", "Files and sockets open.", open);
    }
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        text.gauge(
            "process_max_fds",
            "Files and sockets that may be open.",
            most,
        );
    }
}

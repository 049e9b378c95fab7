//! Memory: what the machine has of it, and what this process takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use sysinfo::System;

/// Bytes that are in use and bytes that there are, as `system` saw them last: the container's, where it has less than
/// the machine.
pub fn of(system: &System) -> (u64, u64) {
    let all = system.total_memory();
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory < all => {
            let used = limits.total_memory.saturating_sub(limits.free_memory);
            (used, limits.total_memory)
        }
        _ => (system.used_memory(), all),
    }
}

/// Processes of this program that share the machine's memory.
static SHARERS: AtomicUsize = AtomicUsize::new(1);

/// Says that so many others like this process are at work on this machine.
pub fn share_with(others: usize) {
    SHARERS.store(others.saturating_add(1), Ordering::Relaxed);
}

/// Bytes that this process may have: what there is, shared with others that are like it.
pub fn capacity() -> usize {
    let mut system = System::new();
    system.refresh_memory();
    let there = usize::try_from(of(&system).1).unwrap_or(usize::MAX);
    there / SHARERS.load(Ordering::Relaxed)
}

/// The most bytes that this process ever held, where the system counts it.
pub fn peak() -> Option<u64> {
    high_water(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// `VmHWM` in the text of `/proc/self/status`, in bytes.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_memory_and_this_process_has_some_of_it() {
        let there = capacity() as u64;
        assert!(there > 1 << 20, "{there}");
        assert!(peak().is_none_or(|peak| peak > 0));
    }

    #[test]
    fn the_peak_is_read_in_bytes() {
        let status = "Name:\tpentimento\nVmPeak:\t  900 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(high_water(status), Some(2_097_152));
        assert_eq!(high_water("VmHWM: much\n"), None);
        assert_eq!(high_water(""), None);
    }
}

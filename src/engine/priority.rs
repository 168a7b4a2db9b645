//! Who comes first on a core: workers, whose wake-ups are the measurement.
//!
//! A collector that merges a second's histograms, or a feeder that reads the
//! next batch, takes milliseconds; on a shared core that would be lateness.
//! What the system refuses is left as it is: lateness will tell.

/// For a worker: timers without slack, and a core of its own where it has one.
pub(super) fn tune_worker_thread(core: Option<usize>) {
    #[cfg(target_os = "linux")]
    linux::tune_worker_thread(core);
    #[cfg(not(target_os = "linux"))]
    let _unused = core;
}

/// For everyone else: the calling thread runs when no worker wants to.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    linux::lower_priority();
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::process::setpriority_process;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity, set_current_timer_slack};
    use std::num::NonZeroU64;

    /// The lowest priority there is; taking it needs no privilege.
    const LOWEST_PRIORITY: i32 = 19;

    pub(super) fn tune_worker_thread(core: Option<usize>) {
        log_failure("timer slack", set_current_timer_slack(Some(NonZeroU64::MIN)));
        let Some(wanted) = core else { return };
        let Ok(allowed) = sched_getaffinity(None) else { return };
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).cycle();
        if let Some(own) = cores.nth(wanted) {
            let mut set = CpuSet::new();
            set.set(own);
            log_failure("affinity", sched_setaffinity(None, &set));
        }
    }

    pub(super) fn lower_priority() {
        // On Linux this is the calling thread's priority, not the process's.
        log_failure("priority", setpriority_process(None, LOWEST_PRIORITY));
    }

    fn log_failure(what: &str, outcome: rustix::io::Result<()>) {
        if let Err(error) = outcome {
            tracing::debug!("could not set {what} of a thread: {error}");
        }
    }
}

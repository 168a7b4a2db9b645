//! Reasons that lie in the machine: processor, cgroup, reader of the trace.
//!
//! One rule for all: the p99 of a run is its own as long as less than a
//! hundredth of it was spoiled by the generator. A saturated or stopped worker
//! takes answers late as well as sending late, and no lateness shows that, so
//! these two count however punctual the run was. A reader that falls behind
//! does nothing but harm lateness, so it is told as the cause where lateness is
//! over its limit, and only there; but a closed loop has no lateness, and its
//! throughput would be the reader's.

use super::{GeneratorFacts, InvalidReason, Plan, Reason, Totals, invalid_reason};
use crate::ArrivalSpacing;
use downpour_core::units::{approximate, grouped};
use downpour_metrics::SATURATED_PERMILLE;

/// The share of a run that its generator may have spoiled.
const AFFECTED_SHARE_MAX: f64 = 0.01;

/// How long a closed loop may wait for its trace at all: less than this tells of
/// the beginning of a run, not of its reader.
const STARTUP_S: f64 = 0.1;

/// Workers that had no processor time left. A closed loop is excepted: to take
/// all it can get is what it is for.
pub(super) fn saturated(totals: &Totals, plan: &Plan) -> Option<Reason> {
    let (generator_health, offered) = (&totals.counts.generator_health, totals.counts.arrivals.offered);
    (plan.arrivals != ArrivalSpacing::ClosedLoop
        && is_above_affected_max(generator_health.saturated_arrivals, offered))
    .then(|| {
        invalid_reason(
            InvalidReason::GeneratorCpu,
            format!(
                "{} of {} arrivals fell into seconds in which their worker thread was busy {} % or more, \
                 so the measured times include waits of this machine",
                grouped(generator_health.saturated_arrivals),
                grouped(offered),
                SATURATED_PERMILLE / 10
            ),
            "add --threads if cores are free, raise --batch-interval, lower the rate, or use more machines",
        )
    })
}

/// A cgroup that stopped this process to keep its processor limit, for longer
/// in all than a single request may be late.
pub(super) fn throttled(generator: &GeneratorFacts, lateness_us: u64) -> Option<Reason> {
    let throttled = generator.throttled_s?;
    let allowed = (AFFECTED_SHARE_MAX * generator.wall_s).max(approximate(lateness_us) / 1e6);
    (throttled > allowed).then(|| {
        invalid_reason(
            InvalidReason::CgroupThrottled,
            format!(
                "the CPU limit of a cgroup stopped this process for {throttled:.2} s in {:.1} s",
                generator.wall_s
            ),
            "raise the limit (cpu.max; limits.cpu in Kubernetes, --cpus in Docker), or lower the rate",
        )
    })
}

/// A reader that did not keep up, as the cause of lateness.
pub(super) fn trace_lag(totals: &Totals) -> Option<Reason> {
    let (generator_health, offered) = (&totals.counts.generator_health, totals.counts.arrivals.offered);
    is_above_affected_max(generator_health.trace_lag_arrivals, offered).then(|| {
        invalid_reason(InvalidReason::TraceLag,
            format!(
                "trace lag: {} of {} records were read after their scheduled time, and workers waited \
                 {:.2} s for them",
                grouped(generator_health.trace_lag_arrivals),
                grouped(offered),
                generator_health.trace_lag.as_secs_f64()
            ),
            "read from a file instead of a pipe, decompress it first, free a core for the reader, or lower the rate",
        )
    })
}

/// A closed loop whose connections waited for the trace and not for answers.
pub(super) fn closed_loop_trace_lag(
    totals: &Totals,
    plan: &Plan,
    generator: &GeneratorFacts,
) -> Option<Reason> {
    let trace_lag_s = totals.counts.generator_health.trace_lag.as_secs_f64();
    let whole = generator.offering_s * approximate(generator.threads);
    (plan.arrivals == ArrivalSpacing::ClosedLoop && trace_lag_s > (AFFECTED_SHARE_MAX * whole).max(STARTUP_S)).then(|| {
        invalid_reason(InvalidReason::TraceLag,
            format!(
                "connections waited {trace_lag_s:.2} s of {whole:.1} s for the trace, so its reader limits the throughput"
            ),
            "read from a file instead of a pipe, decompress it first, or free a core for the reader",
        )
    })
}

fn is_above_affected_max(part: u64, whole: u64) -> bool {
    approximate(part) > AFFECTED_SHARE_MAX * approximate(whole)
}

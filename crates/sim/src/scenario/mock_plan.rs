//! A scenario's service as the embedded candidate plays it: a plan of faults.

use super::{Abandoned, CapacityDrop, Scenario, Service, ServiceTime};
use downpour_mock::plan::{Capacity, FaultKind, FaultPlan, FaultWindow, LocationFault, PlannedFault, Share};
use std::time::Duration;

/// What of a scenario only a simulation can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReplayable {
    /// A service time that is drawn.
    #[error("service-time: the mock registry takes the same time for each request; write constant")]
    DrawnServiceTime,
    /// A service that knows who still waits.
    #[error(
        "abandoned: the mock registry answers requests even if the client has stopped waiting; write served"
    )]
    Abandonment,
    /// Less than one request a second, or more than anybody can ask for.
    #[error("servers and service-time: the mock registry can answer 1 to 4,294,967,295 requests per second")]
    Capacity,
}

impl Scenario {
    /// The faults that make the embedded candidate this scenario's service: its
    /// capacity and what is lost of it, the time an answer takes, and what is
    /// wrong with it.
    ///
    /// A live client knows at once that a host does not exist, since that is
    /// looked up once for all; the answer that names it takes as much longer.
    pub fn mock_fault_plan(&self, seed: u64) -> Result<FaultPlan, NotReplayable> {
        let service = &self.service;
        if service.abandoned != Abandoned::Served && service.servers.is_some() {
            return Err(NotReplayable::Abandonment);
        }
        let ServiceTime::Constant(service_time) = service.service_time else {
            return Err(NotReplayable::DrawnServiceTime);
        };
        let mut planned = capacities(service, service_time)?;
        // What the desk takes for one request is part of the time it takes.
        let at_desk = service.servers.map_or(Duration::ZERO, |servers| service_time / servers.get());
        let answer = service.round_trip + service_time.saturating_sub(at_desk);
        let delay =
            |length: Duration, window| (!length.is_zero()).then(|| always(FaultKind::Delay(length), window));
        let looked_up = self.faults.iter().filter(|fault| is_unresolvable(fault.kind));
        planned.extend(looked_up.filter_map(|fault| {
            let slower = delay(answer + service.lookup, fault.window)?;
            Some(PlannedFault { share: fault.share, ..slower })
        }));
        planned.extend(delay(answer, FaultWindow::ALWAYS));
        planned.extend(&self.faults);
        Ok(FaultPlan::new(planned, seed))
    }
}

const fn always(kind: FaultKind, window: FaultWindow) -> PlannedFault {
    PlannedFault { kind, share: Share::ALL, window }
}

/// Whether it is a redirect to a host that is not there.
const fn is_unresolvable(kind: FaultKind) -> bool {
    matches!(kind, FaultKind::Location(LocationFault::MissingSlash))
}

/// The capacities that hold, the losses before what is left whole; the last is
/// that. None where nothing bounds it.
fn capacities(service: &Service, service_time: Duration) -> Result<Vec<PlannedFault>, NotReplayable> {
    let Some(servers) = service.servers.filter(|_| !service_time.is_zero()) else { return Ok(Vec::new()) };
    let whole = u128::from(servers.get()) * 1_000_000_000 / service_time.as_nanos();
    let queue = u32::try_from(service.queue).unwrap_or(u32::MAX);
    let capacity = |per_second: u128, window| {
        let per_second = u32::try_from(per_second).map_err(|_| NotReplayable::Capacity)?;
        Ok(always(FaultKind::Capacity(Capacity { per_second, queue }), window))
    };
    if whole == 0 {
        return Err(NotReplayable::Capacity);
    }
    let lost = |drop: &CapacityDrop| {
        let left = u128::from(1_000_000 - drop.share.ppm());
        capacity(whole * left / 1_000_000, drop.window)
    };
    service.drops.iter().map(lost).chain([capacity(whole, FaultWindow::ALWAYS)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scenario: &Scenario, expected: &[&str]) {
        let plan = scenario.mock_fault_plan(1).unwrap();
        let told: Vec<String> = plan.faults().iter().map(ToString::to_string).collect();
        assert_eq!(told, expected);
    }

    #[test]
    fn a_service_becomes_faults() {
        let incident = Scenario::built_in("incident").unwrap();
        check(&incident, &["delay:150ms@60s..840s", "delay:101ms", "missing-slash@60s..840s"]);
        let mut metastable = Scenario::built_in("metastable").unwrap();
        check(&metastable, &["capacity:40:5000@10s..20s", "capacity:200:5000", "delay:1ms"]);
        metastable.service.servers = std::num::NonZeroU32::new(4);
        check(&metastable, &["capacity:160:5000@10s..20s", "capacity:800:5000", "delay:4.75ms"]);
        metastable.service.abandoned = Abandoned::Dropped;
        assert_eq!(metastable.mock_fault_plan(1), Err(NotReplayable::Abandonment));
        metastable.service.abandoned = Abandoned::Served;
        metastable.service.service_time = ServiceTime::Exponential(Duration::from_millis(5));
        assert_eq!(metastable.mock_fault_plan(1), Err(NotReplayable::DrawnServiceTime));
    }
}

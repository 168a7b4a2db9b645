//! Many runs of a scenario: which loss of capacity leaves the service down.
//!
//! A service is in a metastable state when what brought it down is gone and it
//! stays down, kept there by its clients' retries. Whether it gets there depends
//! on how much is asked, how much capacity is lost and for how long. A sweep
//! plays every combination of the three that is asked for, and then halves the
//! gap between the longest loss that the service recovers from and the shortest
//! that it does not, until the boundary is known to a hundredth.

mod grid;
mod table;

pub use grid::{Grid, GridError};

use super::{SimulationPlan, simulate};
use crate::scenario::{CapacityDrop, Scenario};
use downpour_core::units::{Factor, NANOS_PER_SECOND, Share};
use downpour_load::played::{AtEndOfTrace, Played};
use downpour_load::schedule::{Pace, RunLimits as RunWindow, Schedule};
use downpour_metrics::Observer;
use downpour_metrics::{Interval, Storm, StormSecond, StormSeries, Totals};
use downpour_mock::plan::FaultWindow;
use downpour_report::StormSection;
use std::time::Duration;

/// When the trigger comes where the scenario has none: late enough for a second
/// in which all is well.
const FAULT_START: Duration = Duration::from_secs(10);

/// How long a service is given to recover where the scenario says nothing.
const RECOVERY_LIMIT: Duration = Duration::from_mins(1);

/// How near the boundary is looked for, as a part of itself, and at the least.
const BOUNDARY_PRECISION: u32 = 100;
const BOUNDARY_MIN: Duration = Duration::from_millis(1);

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepPoint {
    /// How many times the scenario's load.
    pub load: Factor,
    /// How much capacity is lost.
    pub drop: Share,
    /// For how long.
    pub length: Duration,
}

/// What came of one combination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepCell {
    /// Which.
    pub point: SweepPoint,
    /// The storm, counted from the beginning of the loss to its end.
    pub storm: StormSection,
}

impl SweepCell {
    /// Whether the service was well again within its time.
    pub const fn has_recovered(&self) -> bool {
        self.storm.time_to_recover_s.is_some()
    }
}

/// Where, at one load and one loss of capacity, the service begins to stay down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SweepBoundary {
    /// How many times the scenario's load.
    pub load: Factor,
    /// How much capacity is lost.
    pub drop: Share,
    /// The shortest loss that it was not seen to recover from; `None` where it
    /// recovered from all.
    pub stuck_from: Option<Duration>,
}

/// What a sweep found.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// What was swept.
    pub grid: Grid,
    /// What there is to know of the scenario beside it.
    pub scenario: SweepScenario,
    /// By load, then by drop, then by length.
    pub cells: Vec<SweepCell>,
    /// By load, then by drop.
    pub boundaries: Vec<SweepBoundary>,
}

/// The scenario of a sweep in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepScenario {
    /// Its name.
    pub name: String,
    /// Downloads a second at a load of 1.
    pub downloads_per_s: f64,
    /// What the service can do at full capacity, requests a second.
    pub capacity_per_s: f64,
    /// The most attempts of a client at one download.
    pub attempts_max: u32,
    /// How long the service is given to recover.
    pub recovery_limit: Duration,
}

/// Plays all of `grid`. `plan` is the scenario's, whose losses of capacity are
/// replaced. `None` where `is_stopped` before the end.
pub fn sweep(
    scenario: &Scenario,
    plan: &SimulationPlan,
    grid: Grid,
    is_stopped: &dyn Fn() -> bool,
) -> Option<Sweep> {
    let trial = SweepRun::of(scenario, plan, is_stopped);
    let (mut cells, mut boundaries) = (Vec::new(), Vec::new());
    for &load in &grid.loads {
        for &drop in &grid.drops {
            let begun = cells.len();
            for &length in &grid.lengths {
                cells.push(trial.run_point(SweepPoint { load, drop, length }).ok()?);
            }
            let stuck_from = trial.boundary(&cells[begun..]).ok()?;
            boundaries.push(SweepBoundary { load, drop, stuck_from });
        }
    }
    let about = SweepScenario {
        name: scenario.name.clone(),
        downloads_per_s: scenario.load.downloads.per_second_f64(),
        capacity_per_s: plan.service.capacity_per_s().unwrap_or(f64::INFINITY),
        attempts_max: plan.clients.clients.attempts_max(),
        recovery_limit: trial.recovery_limit,
    };
    Some(Sweep { grid, scenario: about, cells, boundaries })
}

/// The longest run that a sweep would make of `scenario`, in seconds.
pub fn longest_run_s(scenario: &Scenario, plan: &SimulationPlan, grid: &Grid) -> f64 {
    let SweepRun { fault_start: begin, recovery_limit: patience, .. } =
        SweepRun::of(scenario, plan, &|| false);
    let longest = grid.lengths.iter().max().copied().unwrap_or_default();
    begin.saturating_add(longest).saturating_add(patience).as_secs_f64()
}

/// Nobody waits for the result any more.
struct SweepStopped;

/// One run of the sweep, but for its point.
struct SweepRun<'s> {
    scenario: &'s Scenario,
    plan: &'s SimulationPlan,
    fault_start: Duration,
    recovery_limit: Duration,
    is_stopped: &'s dyn Fn() -> bool,
}

impl<'s> SweepRun<'s> {
    fn of(scenario: &'s Scenario, plan: &'s SimulationPlan, is_stopped: &'s dyn Fn() -> bool) -> Self {
        let (begin, patience) = match scenario.fault_span() {
            Some((from, to)) if to < scenario.load.duration => {
                (from, scenario.load.duration.saturating_sub(to))
            }
            Some(_) | None => (FAULT_START, RECOVERY_LIMIT),
        };
        Self { scenario, plan, fault_start: begin, recovery_limit: patience, is_stopped }
    }

    fn run_point(&self, point: SweepPoint) -> Result<SweepCell, SweepStopped> {
        let end = self.fault_start + point.length;
        let mut scenario = self.scenario.clone().load_scaled(point.load);
        scenario.load.duration = end + self.recovery_limit;
        let mut plan = self.plan.clone();
        let window = FaultWindow::new(self.fault_start, Some(end)).expect("a grid has no empty length");
        plan.service.drops = vec![CapacityDrop { share: point.drop, window }];
        let requests = Box::new(scenario.requests(plan.seed));
        let schedule = Schedule::new(Pace::AS_RECORDED, RunWindow::default());
        let mut seconds = SweepSeries::default();
        let arrivals = Played::new(requests, schedule, AtEndOfTrace::Stop);
        if simulate(&plan, arrivals, &mut seconds, self.is_stopped).interrupted {
            return Err(SweepStopped);
        }
        let whole = |length: Duration| length.as_nanos().div_ceil(u128::from(NANOS_PER_SECOND));
        let fault = self.fault_start.as_secs()..u64::try_from(whole(end)).unwrap_or(u64::MAX);
        let storm = Storm::of(&seconds.0, Some(fault)).as_ref().map(StormSection::from);
        Ok(SweepCell { point, storm: storm.unwrap_or_default() })
    }

    /// Between the longest loss that the service recovers from and the shortest
    /// that it does not, if there is one. Cells ascend by length.
    fn boundary(&self, cells: &[SweepCell]) -> Result<Option<Duration>, SweepStopped> {
        let Some(first_stuck) = cells.iter().position(|cell| !cell.has_recovered()) else {
            return Ok(None);
        };
        let point = cells[first_stuck].point;
        let mut stuck = point.length;
        let mut well = first_stuck.checked_sub(1).map_or(Duration::ZERO, |index| cells[index].point.length);
        while stuck.abs_diff(well) > (stuck / BOUNDARY_PRECISION).max(BOUNDARY_MIN) {
            let length = well + stuck.abs_diff(well) / 2;
            if self.run_point(SweepPoint { length, ..point })?.has_recovered() {
                well = length;
            } else {
                stuck = length;
            }
        }
        Ok(Some(stuck))
    }
}

/// The seconds of a run, as far as storms are told by them.
#[derive(Default)]
struct SweepSeries(StormSeries);

impl Observer for SweepSeries {
    fn second(&mut self, interval: &Interval, _: &Totals) {
        self.0.add(interval.second(), StormSecond::from(interval));
    }
}

//! A run over time in bounded memory, for charts.
//!
//! Seconds are added as they come. At most [`MAX_POINTS`] points are kept:
//! when a run outgrows them, neighbours are joined and each point stands for
//! twice as many seconds. Of what is counted a point keeps the sum and the
//! least and most of a second; of times the worst second, so that a spike is
//! never averaged away. Equal seconds give an equal timeline, whoever adds them.

use super::schema::{IntervalLine, IntervalTimes};
use downpour_core::units::approximate;
use std::collections::BTreeMap;

/// What may be missing of a second that is drawn as a whole one.
const WHOLE_S: f64 = 0.02;

/// Most points of a timeline.
pub const MAX_POINTS: usize = 600;

/// Most names of statuses or faults told apart. A hostile candidate may make up
/// many more; they are counted together.
const MAX_NAMES: usize = 64;

/// A run over time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// A point covers two to the power of this many seconds.
    doublings: u32,
    offering_s: u64,
    points: Vec<TimelinePoint>,
    statuses: CountsByName,
    faults: CountsByName,
    wrong_attempts: CountsByName,
}

/// Some seconds in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TimelinePoint {
    /// Seconds that are known; 0 is a gap.
    pub(super) seconds: u64,
    pub(super) offered: CountRange,
    pub(super) sent: CountRange,
    /// First attempts.
    pub(super) first: CountRange,
    /// Arrivals that passed or recovered.
    pub(super) good: CountRange,
    /// Arrivals that failed.
    pub(super) failed: u64,
    /// Attempts that brought nobody a file.
    pub(super) wasted: CountRange,
    pub(super) latency: IntervalTimes,
    pub(super) latency_failed: IntervalTimes,
    pub(super) lateness: IntervalTimes,
    pub(super) in_flight: u64,
    pub(super) waiting: u64,
    pub(super) connections: u64,
}

/// A count over some seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CountRange {
    pub(super) sum: u64,
    /// In the second with the fewest.
    pub(super) least: u64,
    /// In the second with the most.
    pub(super) most: u64,
}

impl Timeline {
    /// Adds one second of the run. Seconds may come in any order.
    pub fn add(&mut self, second: &IntervalLine) {
        if second.offered > 0 {
            self.offering_s = self.offering_s.max(second.t_s.saturating_add(1));
        }
        let place = loop {
            match usize::try_from(second.t_s >> self.doublings) {
                Ok(place) if place < MAX_POINTS => break place,
                Ok(_) | Err(_) => self.join_neighbours(),
            }
        };
        if self.points.len() <= place {
            self.points.resize_with(place + 1, TimelinePoint::default);
        }
        self.points[place].join(&TimelinePoint::of(second));
        self.statuses.add(place, &second.statuses);
        self.faults.add(place, &second.faults);
        self.wrong_attempts.add(place, &second.wrong_attempts);
    }

    /// Whether no second was added.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Arrivals offered in the seconds that were added.
    pub fn offered(&self) -> u64 {
        self.points.iter().fold(0, |sum, point| sum.saturating_add(point.offered.sum))
    }

    /// The seconds that a point covers.
    pub fn seconds_per_point(&self) -> u64 {
        1 << self.doublings
    }

    /// Seconds up to the last in which something was offered.
    pub const fn offering_s(&self) -> u64 {
        self.offering_s
    }

    /// How many seconds were offered to in full: the last second of a run is
    /// seldom a whole one. `offering_s` is for how long arrivals were offered, 0
    /// where that is not known. A run shorter than a second has no whole one.
    pub(super) fn whole_seconds(&self, offering_s: f64) -> u64 {
        let last = self.offering_s.saturating_sub(1);
        let missing = approximate(self.offering_s) - offering_s;
        let is_known = offering_s.is_finite() && (-1.0..1.0).contains(&missing);
        if is_known && missing > WHOLE_S { last } else { self.offering_s }
    }

    /// The same with points of so many seconds, or of as many as they have.
    pub(super) fn at_step(&self, seconds: u64) -> Self {
        let mut coarser = self.clone();
        while coarser.seconds_per_point() < seconds {
            coarser.join_neighbours();
        }
        coarser
    }

    /// The first second behind the last point.
    pub(super) fn end(&self) -> u64 {
        (self.points.len() as u64) << self.doublings
    }

    pub(super) fn points(&self) -> &[TimelinePoint] {
        &self.points
    }

    /// Answers by status, in each point.
    pub(super) fn statuses(&self) -> Vec<(&str, Vec<u64>)> {
        self.statuses.columns(self.points.len())
    }

    /// Failed arrivals by fault, in each point.
    pub(super) fn faults(&self) -> Vec<(&str, Vec<u64>)> {
        self.faults.columns(self.points.len())
    }

    /// Wrong attempts by fault, in each point.
    pub(super) fn wrong_attempts(&self) -> Vec<(&str, Vec<u64>)> {
        self.wrong_attempts.columns(self.points.len())
    }

    fn join_neighbours(&mut self) {
        self.doublings += 1;
        let pairs = self.points.chunks(2);
        self.points = pairs
            .map(|pair| {
                let mut joined = TimelinePoint::default();
                for point in pair {
                    joined.join(point);
                }
                joined
            })
            .collect();
        self.statuses.join_neighbours();
        self.faults.join_neighbours();
        self.wrong_attempts.join_neighbours();
    }
}

impl TimelinePoint {
    fn of(second: &IntervalLine) -> Self {
        Self {
            seconds: 1,
            offered: CountRange::of(second.offered),
            sent: CountRange::of(second.sent),
            first: CountRange::of(second.first),
            good: CountRange::of(second.passed.saturating_add(second.recovered)),
            failed: second.failed,
            wasted: CountRange::of(second.failed_attempts),
            latency: second.latency_us,
            latency_failed: second.latency_failed_us,
            lateness: second.lateness_us,
            in_flight: second.in_flight,
            waiting: second.waiting,
            connections: second.connections_open,
        }
    }

    fn join(&mut self, other: &Self) {
        if other.seconds == 0 {
            return;
        }
        if self.seconds == 0 {
            *self = other.clone();
            return;
        }
        self.seconds = self.seconds.saturating_add(other.seconds);
        self.offered.join(other.offered);
        self.sent.join(other.sent);
        self.first.join(other.first);
        self.good.join(other.good);
        self.failed = self.failed.saturating_add(other.failed);
        self.wasted.join(other.wasted);
        worst(&mut self.latency, &other.latency);
        worst(&mut self.latency_failed, &other.latency_failed);
        worst(&mut self.lateness, &other.lateness);
        self.in_flight = self.in_flight.max(other.in_flight);
        self.waiting = self.waiting.max(other.waiting);
        self.connections = self.connections.max(other.connections);
    }
}

impl CountRange {
    const fn of(count: u64) -> Self {
        Self { sum: count, least: count, most: count }
    }

    fn join(&mut self, other: Self) {
        self.sum = self.sum.saturating_add(other.sum);
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }
}

/// Percentiles of several seconds cannot be joined; the worst of each is true
/// of one of them.
fn worst(times: &mut IntervalTimes, other: &IntervalTimes) {
    times.count = times.count.saturating_add(other.count);
    times.p50 = times.p50.max(other.p50);
    times.p90 = times.p90.max(other.p90);
    times.p99 = times.p99.max(other.p99);
    times.max = times.max.max(other.max);
}

/// Counts by name, in each point; a column may end before the last point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CountsByName {
    columns: BTreeMap<String, Vec<u64>>,
    others: Vec<u64>,
}

impl CountsByName {
    fn add(&mut self, place: usize, counts: &BTreeMap<String, u64>) {
        for (name, &count) in counts {
            let known = self.columns.len();
            let column = match self.columns.get_mut(name) {
                Some(column) => column,
                None if known < MAX_NAMES => self.columns.entry(name.clone()).or_default(),
                None => &mut self.others,
            };
            if column.len() <= place {
                column.resize(place + 1, 0);
            }
            column[place] = column[place].saturating_add(count);
        }
    }

    fn join_neighbours(&mut self) {
        for column in self.columns.values_mut().chain([&mut self.others]) {
            *column = column
                .chunks(2)
                .map(|pair| pair.iter().fold(0_u64, |sum, &count| sum.saturating_add(count)))
                .collect();
        }
    }

    fn columns(&self, length: usize) -> Vec<(&str, Vec<u64>)> {
        let whole = |column: &Vec<u64>| {
            let mut column = column.clone();
            column.resize(length, 0);
            column
        };
        let mut columns: Vec<_> =
            self.columns.iter().map(|(name, column)| (name.as_str(), whole(column))).collect();
        if !self.others.is_empty() {
            columns.push(("other", whole(&self.others)));
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(t_s: u64, offered: u64, p99: u64) -> IntervalLine {
        let latency_us = IntervalTimes { count: offered, p99, ..IntervalTimes::default() };
        let faults = [("dns.nxdomain".to_owned(), 1)].into();
        IntervalLine { t_s, offered, faults, latency_us, ..IntervalLine::default() }
    }

    #[test]
    fn a_short_run_is_kept_to_the_second() {
        let mut timeline = Timeline::default();
        timeline.add(&second(0, 5, 10));
        timeline.add(&second(2, 7, 30));
        assert_eq!((timeline.seconds_per_point(), timeline.end(), timeline.offered()), (1, 3, 12));
        assert_eq!(timeline.points().iter().map(|p| p.seconds).collect::<Vec<_>>(), [1, 0, 1]);
        assert_eq!(timeline.faults(), [("dns.nxdomain", vec![1, 0, 1])]);
    }

    #[test]
    fn the_last_second_counts_where_it_is_a_whole_one() {
        let mut timeline = Timeline::default();
        (0..10).for_each(|t_s| timeline.add(&second(t_s, 100, 10)));
        timeline.add(&second(10, 0, 10));
        for (offering_s, whole) in [(10.0, 10), (9.99, 10), (9.7, 9), (9.01, 9), (0.0, 10), (f64::NAN, 10)] {
            assert_eq!(timeline.whole_seconds(offering_s), whole, "{offering_s}");
        }
    }

    #[test]
    fn a_long_run_keeps_its_sums_and_its_spikes() {
        let mut timeline = Timeline::default();
        for t_s in 0..3_600 {
            timeline.add(&second(t_s, 100 + t_s % 2, if t_s == 1_801 { 9_000 } else { 10 }));
        }
        assert_eq!((timeline.seconds_per_point(), timeline.points().len()), (8, 450));
        let spike = &timeline.points()[1_801 / 8];
        assert_eq!((spike.seconds, spike.latency.p99), (8, 9_000));
        assert_eq!(spike.offered, CountRange { sum: 804, least: 100, most: 101 });
        assert_eq!(timeline.offered(), 3_600 * 100 + 1_800);
        assert_eq!(timeline.faults()[0].1.iter().sum::<u64>(), 3_600);
    }

    #[test]
    fn hostile_seconds_and_names_cost_no_memory() {
        let mut timeline = Timeline::default();
        for name in 0..500 {
            let statuses = [(name.to_string(), u64::MAX)].into();
            let (t_s, offered) = (u64::MAX - name, u64::MAX);
            timeline.add(&IntervalLine {
                t_s,
                offered,
                passed: offered,
                recovered: 1,
                statuses,
                ..IntervalLine::default()
            });
        }
        timeline.add(&second(0, 1, 1));
        assert!(timeline.points().len() <= MAX_POINTS);
        assert_eq!(timeline.offered(), u64::MAX);
        let columns = timeline.statuses();
        assert_eq!((columns.len(), columns[MAX_NAMES].0), (MAX_NAMES + 1, "other"));
    }

    #[test]
    fn the_order_of_seconds_does_not_matter() {
        let (mut up, mut down) = (Timeline::default(), Timeline::default());
        (0..2_000).for_each(|t_s| up.add(&second(t_s, t_s, t_s * 3 % 7)));
        (0..2_000).rev().for_each(|t_s| down.add(&second(t_s, t_s, t_s * 3 % 7)));
        assert_eq!(up, down);
    }
}

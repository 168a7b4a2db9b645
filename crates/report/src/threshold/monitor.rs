//! Sees the seconds of a run and says what came of its thresholds.
//!
//! Of a threshold over the whole run nothing needs to be remembered: the totals
//! hold it. One over windows is looked at when a second is complete, with the
//! seconds before it; the window with the least margin is kept.
//!
//! Every sample counts in the windows that hold its second, those after the
//! last arrival included: that is where time-outs come in. A window without a
//! sample says nothing. What is counted by the second can't be held against a
//! window in which nothing was offered any more for being too low, and how many
//! attempts came on a first one says nothing there.

use super::measure::{self, CountRatio};
use super::{
    AbortLine, CountMeasure, Measure, Relation, Threshold, ThresholdLine, TimeMetric, TimeStatistic,
    WindowLine,
};
use downpour_core::fault::Fault;
use downpour_core::units::approximate;
use downpour_metrics::{Comparisons, Counts, Interval, SlidingHistogram, Totals};
use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroU64;

/// How much of a second may be missing at the end of the offering for it to be
/// a whole one: arrivals do not end on the nanosecond.
const TOLERANCE_S: f64 = 0.001;

/// Thresholds over a run that goes on.
#[derive(Clone, Debug, Default)]
pub struct ThresholdMonitor {
    thresholds: Vec<MonitoredThreshold>,
    /// The clocks that windows are asked of, each pair once.
    time_metrics: Vec<(TimeMetric, NonZeroU64, SlidingHistogram)>,
    /// Seconds seen.
    seconds: u64,
    /// Answers that differ from the control's, of those that were compared.
    control: CountRatio,
}

#[derive(Clone, Debug)]
struct MonitoredThreshold {
    threshold: Threshold,
    /// Its windows; `None` where it is about the whole run.
    windows: Option<ThresholdWindows>,
}

/// What came of all thresholds of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessment {
    /// Each threshold, in the order given.
    pub lines: Vec<ThresholdLine>,
    /// What they allow that would fail a run without them.
    pub allowed: Allowed,
    /// The thresholds, in the same order.
    pub thresholds: Vec<Threshold>,
}

/// What may go wrong because a threshold says how much of it. Without one
/// nothing may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Arrivals that fail, whatever of.
    failures: bool,
    /// Wrong redirects that a retry hid.
    masked_bad_redirects: bool,
    /// Arrivals that fail of these.
    faults: BTreeSet<Fault>,
}

impl Allowed {
    /// What `thresholds` say how much of there may be.
    pub fn by<'t>(thresholds: impl IntoIterator<Item = &'t Threshold>) -> Self {
        let mut allowed = Self::default();
        for threshold in thresholds {
            match threshold.measure() {
                Measure::Count(counted) | Measure::Share(counted) | Measure::PerSecond(counted) => {
                    allowed.by_one(counted, threshold);
                }
                Measure::Time(..) | Measure::Amplification => {}
            }
        }
        allowed
    }

    fn by_one(&mut self, counted: CountMeasure, threshold: &Threshold) {
        let (ceiling, floor) = (threshold.is_ceiling(), threshold.is_floor());
        self.failures |= ceiling && counted == CountMeasure::Failed;
        self.failures |= floor && matches!(counted, CountMeasure::Good | CountMeasure::Passed);
        self.masked_bad_redirects |= ceiling && counted == CountMeasure::MaskedBadRedirects;
        let is_of = |fault: &Fault| {
            counted == CountMeasure::Fault(*fault) || counted == CountMeasure::Family(fault.family())
        };
        self.faults.extend(Fault::ALL.iter().filter(|fault| ceiling && is_of(fault)));
    }

    /// How much of what went wrong no threshold is about: faults of failed
    /// arrivals, at most as many as there are of those, and hidden wrong
    /// redirects. A fault that is allowed excuses no other of the same arrival.
    pub fn not_allowed(&self, counts: &Counts) -> (u64, u64) {
        self.not_allowed_except(counts, |_| false)
    }

    /// The same without what is excused.
    pub fn not_allowed_except(&self, counts: &Counts, is_excused: impl Fn(Fault) -> bool) -> (u64, u64) {
        let is_out = |fault: &Fault| self.faults.contains(fault) || is_excused(*fault);
        let all = |fault: &Fault| counts.found.get(*fault).count.max(counts.faults.get(*fault).count);
        let others: u64 = Fault::ALL.iter().filter(|fault| !is_out(fault)).map(all).sum();
        let unknown = counts.arrivals.failed.saturating_sub(counts.faults.total());
        let failed = counts.arrivals.failed.min(others + unknown);
        let hidden = counts.retries.hidden_by_retries.seen();
        let redirects_hidden_by_retries =
            hidden.filter(|(fault, _)| fault.is_bad_redirect() && !is_excused(*fault));
        let redirects_hidden_by_retries: u64 =
            redirects_hidden_by_retries.map(|(_, entry)| entry.count).sum();
        (
            if self.failures { 0 } else { failed },
            if self.masked_bad_redirects { 0 } else { redirects_hidden_by_retries },
        )
    }
}

impl ThresholdMonitor {
    /// Watches over these.
    pub fn new(thresholds: impl IntoIterator<Item = Threshold>) -> Self {
        let mut watch = Self::default();
        for threshold in thresholds {
            let windows = threshold
                .over_s()
                .map(|length| ThresholdWindows::of(&threshold, length, &mut watch.time_metrics));
            watch.thresholds.push(MonitoredThreshold { threshold, windows });
        }
        watch
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.thresholds.is_empty()
    }

    /// The thresholds, in the order given.
    pub fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        self.thresholds.iter().map(|watched| &watched.threshold)
    }

    /// Takes a second of the run into account. Seconds ascend.
    pub fn second(&mut self, interval: &Interval) {
        let second = interval.second();
        self.seconds = self.seconds.max(second + 1);
        for (clock, length, sliding) in &mut self.time_metrics {
            sliding.forget_before((second + 1).saturating_sub(length.get()));
            sliding.add(second, measure::times(*clock, interval.times()));
        }
        let counts = interval.counts();
        for MonitoredThreshold { threshold, windows } in &mut self.thresholds {
            if let Some(windows) = windows {
                windows.second((second, counts), threshold, &self.time_metrics);
            }
        }
    }

    /// Whether one is about a control's answers.
    pub fn is_about_control(&self) -> bool {
        self.thresholds().any(|threshold| threshold.measure().is_of_control())
    }

    /// Takes into account what came of asking a control so far.
    pub fn control(&mut self, comparisons: &Comparisons) {
        self.control = CountRatio { part: comparisons.differing, whole: comparisons.compared };
    }

    /// What came of them in a run with these totals, whose arrivals were offered
    /// for so long.
    pub fn assess(&self, totals: &Totals, offering_s: f64) -> Assessment {
        let lines = self.thresholds.iter().map(|MonitoredThreshold { threshold, windows }| match windows {
            None => {
                let value = self.whole(threshold.measure(), totals, offering_s);
                let few_samples = value.and_then(|_| few(threshold.measure(), totals));
                ThresholdLine { few_samples, ..line(threshold, value.map(|value| (value, None))) }
            }
            Some(windows) => {
                let worst = windows.worst_of(threshold, offering_s);
                let found = worst.map(|seen| (seen.value, Some(seen.window(windows.length))));
                ThresholdLine { few_samples: worst.and_then(|seen| seen.few), ..line(threshold, found) }
            }
        });
        Assessment {
            lines: lines.collect(),
            allowed: Allowed::by(self.thresholds()),
            thresholds: self.thresholds().cloned().collect(),
        }
    }

    fn whole(&self, measure: Measure, totals: &Totals, offering_s: f64) -> Option<f64> {
        if measure.is_of_control() {
            return (self.control.whole > 0).then(|| self.control.value(measure, offering_s)).flatten();
        }
        whole(measure, totals, offering_s)
    }

    /// The first of them that is so, of the run so far or of its latest window:
    /// what ends it, where that is what they are for. What was not measured yet
    /// is not so.
    pub fn first_triggered(&self, totals: &Totals) -> Option<AbortLine> {
        self.thresholds.iter().find_map(|MonitoredThreshold { threshold, windows }| {
            let value = match windows {
                None => self.whole(threshold.measure(), totals, approximate(self.seconds)),
                Some(windows) => windows.latest,
            };
            value.filter(|value| threshold.holds(*value)).map(|value| AbortLine {
                expression: threshold.to_string(),
                value,
                unit: threshold.measure().unit().name().to_owned(),
                at_s: self.seconds,
                offered_per_s: None,
            })
        })
    }
}

/// The value of a whole run.
fn whole(measure: Measure, totals: &Totals, offering_s: f64) -> Option<f64> {
    let counts = &totals.counts;
    match measure {
        Measure::Time(clock, statistic) => {
            let times = measure::times(clock, &totals.times);
            let known = (times.min(), times.mean(), times.max());
            (!times.is_empty()).then(|| statistic.of(times.count(), known, |share| times.quantile(share)))
        }
        Measure::PerSecond(counted) => {
            CountRatio::of(measure, counts).value(measure, measure::seconds(counted, counts, offering_s))
        }
        Measure::Count(_) if counts.arrivals.offered == 0 => None,
        Measure::Count(_) | Measure::Share(_) | Measure::Amplification => {
            CountRatio::of(measure, counts).value(measure, offering_s)
        }
    }
}

/// How many samples a run has, where they are too few for what is asked of them.
fn few(measure: Measure, totals: &Totals) -> Option<u64> {
    let Measure::Time(clock, statistic) = measure else { return None };
    statistic.few(measure::times(clock, &totals.times).count())
}

fn line(threshold: &Threshold, found: Option<(f64, Option<WindowLine>)>) -> ThresholdLine {
    let value = found.map(|(value, _)| value);
    ThresholdLine {
        expression: threshold.to_string(),
        measure: threshold.measure().to_string(),
        unit: threshold.measure().unit().name().to_owned(),
        relation: threshold.relation().sign().to_owned(),
        value,
        bound: threshold.bound(),
        margin: value.map(|value| threshold.margin(value)),
        passed: value.is_some_and(|value| threshold.holds(value)),
        broken_for_certain: false,
        over_s: threshold.over_s().map(NonZeroU64::get),
        few_samples: None,
        worst_window: found.and_then(|(_, window)| window),
    }
}

/// The windows of one threshold.
#[derive(Clone, Debug)]
struct ThresholdWindows {
    length: u64,
    source: WindowSource,
    /// Of those that were looked at and are known to count.
    worst: Option<WindowValue>,
    /// The one that ends with the last second in which something was offered:
    /// that may not be a whole one.
    last_offered: Option<WindowValue>,
    /// The worst of those that end later, if more is offered after them.
    after: Option<WindowValue>,
    /// The worst of them in any case.
    at_the_end: Option<WindowValue>,
    /// The value of the latest, for what is asked while the run goes on.
    latest: Option<f64>,
}

#[derive(Clone, Debug)]
enum WindowSource {
    /// The place of a clock in the watch, and what is asked of it.
    Clock(usize, TimeStatistic),
    /// The counts of each second, and their sum.
    Counts { seconds: VecDeque<(u64, CountRatio)>, sums: CountRatio },
}

/// The value of a window.
#[derive(Clone, Copy, Debug, PartialEq)]
struct WindowValue {
    value: f64,
    /// Its last second.
    second: u64,
    /// Its samples, where they are too few.
    few: Option<u64>,
}

impl WindowValue {
    fn window(self, length: u64) -> WindowLine {
        let to_s = self.second + 1;
        WindowLine { from_s: to_s.saturating_sub(length), to_s }
    }
}

/// The one with less room; the earlier of equals.
fn worse(threshold: &Threshold, a: Option<WindowValue>, b: Option<WindowValue>) -> Option<WindowValue> {
    match (a, b) {
        (Some(a), Some(b)) if threshold.margin(b.value) < threshold.margin(a.value) => Some(b),
        (a, b) => a.or(b),
    }
}

impl ThresholdWindows {
    fn of(
        threshold: &Threshold,
        length: NonZeroU64,
        clocks: &mut Vec<(TimeMetric, NonZeroU64, SlidingHistogram)>,
    ) -> Self {
        let source = match threshold.measure() {
            Measure::Time(clock, statistic) => {
                let known = clocks.iter().position(|(known, of, _)| (*known, *of) == (clock, length));
                let place = known.unwrap_or_else(|| {
                    clocks.push((clock, length, SlidingHistogram::default()));
                    clocks.len() - 1
                });
                WindowSource::Clock(place, statistic)
            }
            Measure::Count(_) | Measure::Share(_) | Measure::PerSecond(_) | Measure::Amplification => {
                WindowSource::Counts { seconds: VecDeque::new(), sums: CountRatio::default() }
            }
        };
        Self {
            length: length.get(),
            source,
            worst: None,
            last_offered: None,
            after: None,
            at_the_end: None,
            latest: None,
        }
    }

    fn second(
        &mut self,
        (second, counts): (u64, &Counts),
        threshold: &Threshold,
        clocks: &[(TimeMetric, NonZeroU64, SlidingHistogram)],
    ) {
        let offered = counts.arrivals.offered > 0;
        if offered {
            // What came before was not the end.
            for seen in [self.last_offered.take(), self.after.take()] {
                self.worst = worse(threshold, self.worst, seen);
            }
            self.at_the_end = None;
        }
        let value = self.value((second, counts), threshold.measure(), clocks);
        self.latest = value.filter(|_| second + 1 >= self.length);
        let few = self.few(clocks);
        let Some(seen) = self.latest.map(|value| WindowValue { value, second, few }) else { return };
        match threshold.measure() {
            Measure::Time(..) | Measure::Share(_) => self.worst = worse(threshold, self.worst, Some(seen)),
            Measure::Count(_) | Measure::PerSecond(_) | Measure::Amplification if offered => {
                self.last_offered = Some(seen);
            }
            Measure::Count(_) | Measure::PerSecond(_) | Measure::Amplification => {
                self.after = worse(threshold, self.after, Some(seen));
                let counts = Some(seen).filter(|seen| counts_at_the_end(threshold, *seen));
                self.at_the_end = worse(threshold, self.at_the_end, counts);
            }
        }
    }

    /// The value of the window that ends with `second`.
    fn value(
        &mut self,
        (second, counts): (u64, &Counts),
        measure: Measure,
        clocks: &[(TimeMetric, NonZeroU64, SlidingHistogram)],
    ) -> Option<f64> {
        match &mut self.source {
            WindowSource::Clock(place, statistic) => {
                let times = &clocks.get(*place)?.2;
                let known = (times.min(), times.mean(), times.max());
                let quantile = |share| times.quantile(share);
                (!times.is_empty()).then(|| statistic.of(times.count(), known, quantile))
            }
            WindowSource::Counts { seconds, sums } => {
                let first = (second + 1).saturating_sub(self.length);
                while let Some((_, gone)) = seconds.pop_front_if(|(at, _)| *at < first) {
                    sums.subtract(gone);
                }
                let new = CountRatio::of(measure, counts);
                sums.add(new);
                seconds.push_back((second, new));
                sums.value(measure, approximate(self.length))
            }
        }
    }

    /// How many samples the latest window has, where they are too few.
    fn few(&self, clocks: &[(TimeMetric, NonZeroU64, SlidingHistogram)]) -> Option<u64> {
        let WindowSource::Clock(place, statistic) = &self.source else { return None };
        statistic.few(clocks.get(*place)?.2.count())
    }

    /// The worst window of a run whose arrivals were offered for so long.
    fn worst_of(&self, threshold: &Threshold, offering_s: f64) -> Option<WindowValue> {
        let is_whole = |seen: &WindowValue| approximate(seen.second + 1) <= offering_s + TOLERANCE_S;
        let last = self.last_offered.filter(|seen| is_whole(seen) || counts_at_the_end(threshold, *seen));
        worse(threshold, worse(threshold, self.worst, last), self.at_the_end)
    }
}

/// Whether a window counts that reaches beyond the end of the offering: nothing
/// is too low because there was nothing more to do.
fn counts_at_the_end(threshold: &Threshold, seen: WindowValue) -> bool {
    let is_ceiling = matches!(threshold.relation(), Relation::Below | Relation::AtMost);
    threshold.measure() != Measure::Amplification && (is_ceiling || seen.value >= threshold.bound())
}

#[cfg(test)]
mod tests;

//! The sum of all intervals of a run.

use super::{Counts, Examples, Gauges, Interval, TimeHistograms};

/// What happened in a whole run, or in as much of it as is known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// The sums of all counters.
    pub counts: Counts,
    /// The earliest examples of each fault.
    pub examples: Examples,
    /// The earliest examples of each fault that fails nothing.
    pub warned: Examples,
    /// All samples of the three clocks.
    pub times: TimeHistograms<u64>,
    /// The highest gauges that any second ended with.
    pub peak: Gauges,
}

impl Totals {
    /// Adds an interval's counters, samples and examples. Gauges of workers
    /// must be summed before their peak is known: see [`Totals::raise_peak`].
    pub fn absorb(&mut self, interval: &Interval) {
        self.counts.merge(interval.counts());
        self.examples.merge(interval.examples());
        self.warned.merge(interval.warned());
        self.times.absorb(interval.times());
    }

    /// Takes the gauges of a second of all workers into account.
    pub fn raise_peak(&mut self, second: &Interval) {
        self.peak.raise_to(second.gauges());
    }
}

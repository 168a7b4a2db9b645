//! `.hgrm`: one clock by percentile, as the tools of `HdrHistogram` write and
//! plot it, and as wrk2 and vegeta do.
//!
//! Values are in milliseconds, percentiles come in five steps a halving of what
//! is left, each with the samples up to there. Everything is taken from the
//! counters alone, so that a histogram read back from `latency.hlog` gives the
//! same bytes. Pure.

use crate::units::approximate;
use hdrhistogram::Histogram;
use std::fmt::{self, Write};

/// Steps in each half of what is left to 100 %.
const TICKS: u32 = 5;

/// Microseconds of the unit of the values.
const UNIT: f64 = 1_000.0;

/// A histogram of microseconds by percentile.
pub(super) fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut text = String::new();
    // A string takes whatever is written to it.
    write(histogram, &mut text).unwrap_or_default();
    text
}

fn write(histogram: &Histogram<u64>, out: &mut String) -> fmt::Result {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut so_far = 0_u64;
    for step in histogram.iter_quantiles(TICKS) {
        so_far = so_far.saturating_add(step.count_since_last_iteration());
        let value = approximate(step.value_iterated_to()) / UNIT;
        let share = step.quantile_iterated_to();
        write!(out, "{value:>12.3} {share:>2.12} {so_far:>10}")?;
        if share < 1.0 {
            write!(out, " {:>14.2}", 1.0 / (1.0 - share))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]",
        histogram.mean() / UNIT,
        histogram.stdev() / UNIT
    )?;
    writeln!(
        out,
        "#[Max     = {:>12.3}, Total count    = {:>12}]",
        approximate(histogram.max()) / UNIT,
        histogram.len()
    )?;
    writeln!(out, "#[Buckets = {:>12}, SubBuckets     = {:>12}]", histogram.buckets(), sub_buckets(histogram))
}

/// Counters of a bucket: twice ten to the digits, rounded up to a power of two.
fn sub_buckets(histogram: &Histogram<u64>) -> u64 {
    (2 * 10_u64.pow(u32::from(histogram.sigfig()))).next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(samples: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap();
        samples.iter().for_each(|micros| histogram.record(*micros).unwrap());
        histogram
    }

    #[test]
    fn steps_end_with_all_samples() {
        let text = hgrm(&of(&[1_000, 2_000, 3_000, 4_000_000]));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "       Value     Percentile TotalCount 1/(1-Percentile)");
        assert_eq!(lines[2], "       1.000 0.000000000000          1           1.00");
        let last = lines.iter().rposition(|line| !line.starts_with('#')).unwrap();
        assert_eq!(lines[last], "    4001.791 1.000000000000          4");
        assert!(text.ends_with("#[Buckets =           22, SubBuckets     =         2048]\n"), "{text}");
    }

    #[test]
    fn nothing_has_no_steps() {
        let text = hgrm(&of(&[]));
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("Total count    =            0"), "{text}");
    }
}

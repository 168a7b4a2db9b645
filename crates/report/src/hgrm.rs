//! `.hgrm`: one clock by percentile, as the tools of `HdrHistogram` write and
//! plot it, and as wrk2 and vegeta do.
//!
//! Values are in milliseconds, percentiles come in five steps a halving of what
//! is left, each with the samples up to there. Everything is taken from the
//! counters alone, so that a histogram read back from `latency.hlog` gives the
//! same bytes. The steps are walked in per cent, as the Java original does: in
//! shares of one, 0.7 of 6,000 samples would be found a sample too late. Pure.

use downpour_core::units::approximate;
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
    let (all, mut level, mut so_far, mut last) = (histogram.len(), 0.0, 0_u64, None);
    for counter in histogram.iter_recorded() {
        so_far = so_far.saturating_add(counter.count_at_value());
        let share = 100.0 * approximate(so_far) / approximate(all);
        while share >= level && level < 100.0 {
            row(counter.value_iterated_to(), level, so_far, out)?;
            // The last counter ends it all, however many steps are left; and so
            // does a step too small for the level to move.
            let next = level + step_at(level);
            level = if so_far < all && next > level { next } else { 100.0 };
        }
        last = Some(counter.value_iterated_to());
    }
    if let Some(micros) = last {
        row(micros, 100.0, so_far, out)?;
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

fn row(micros: u64, percent: f64, samples: u64, out: &mut String) -> fmt::Result {
    // Twelve digits, a half rounded up: formatting alone rounds it to even.
    let share = (percent * 1e10).round() / 1e12;
    write!(out, "{:>12.3} {share:>2.12} {samples:>10}", approximate(micros) / UNIT)?;
    if percent < 100.0 {
        write!(out, " {:>14.2}", 1.0 / (1.0 - percent / 100.0))?;
    }
    writeln!(out)
}

/// From a level, in per cent, to the next: a fifth of half of what is left to
/// 100 when what is left was last halved.
fn step_at(level: f64) -> f64 {
    let halvings = (100.0 / (100.0 - level)).log2().floor();
    100.0 / (f64::from(TICKS) * (halvings + 1.0).exp2())
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
        for micros in samples {
            histogram.record(*micros).unwrap();
        }
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

    /// Exactly 70 % of ten samples are seven of them, not eight.
    #[test]
    fn a_step_is_where_its_share_is_reached() {
        let text = hgrm(&of(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]));
        assert!(text.contains("\n       0.007 0.700000000000          7           3.33\n"), "{text}");
    }

    #[test]
    fn the_last_digit_is_rounded_as_the_original_rounds_it() {
        let many: Vec<u64> = (1..=6_000).collect();
        let text = hgrm(&of(&many));
        assert!(text.contains(" 0.999780273438       5999        4551.11\n"), "{text}");
    }

    /// Whoever wrote the log may have written any number.
    #[test]
    fn numbers_as_large_as_they_get_have_an_end() {
        let mut histogram = of(&[1]);
        histogram.record_n(2, u64::MAX - 5).unwrap();
        histogram.record_n(3, 2).unwrap();
        let text = hgrm(&histogram);
        assert!(text.contains("1.000000000000 18446744073709551613\n"), "{text}");
        assert!(text.lines().count() < 400, "{text}");
    }

    #[test]
    fn nothing_has_no_steps() {
        let text = hgrm(&of(&[]));
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains("Total count    =            0"), "{text}");
    }
}

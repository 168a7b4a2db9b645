//! The flags that say what a run must keep, and what ends it early.

use super::CliError;
use clap::Args;
use downpour_core::units::parse_duration;
use downpour_report::threshold::Measure;
use downpour_report::{Plan, Threshold};
use std::time::Duration;

/// What a run must keep.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Thresholds and report")]
pub(crate) struct ThresholdArgs {
    /// Exit with 99 unless this is met
    ///
    /// Examples: 'latency.p99 < 50ms'; 'latency.p99 over 30s < 80ms', in every
    /// window of 30 seconds; 'failed.rate <= 0.1%', which allows so many failures.
    /// May be repeated.
    #[arg(long = "threshold", value_name = "EXPR")]
    pub(crate) thresholds: Vec<Threshold>,
}

/// What ends it early.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Thresholds and report")]
pub(crate) struct AbortArgs {
    /// End the run with 99 once this comes true
    ///
    /// Example: 'failed.rate over 10s > 5%'. May be repeated.
    #[arg(long, value_name = "EXPR")]
    pub(crate) abort_on: Vec<Threshold>,

    /// Ignore --abort-on for this long after the warm-up
    #[arg(long, value_name = "TIME", requires = "abort_on", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) abort_after: Option<Duration>,
}

/// What is held against a run while it goes on, and after it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) abort_on: Vec<Threshold>,
    pub(crate) abort_after: Duration,
}

impl Limits {
    /// What the flags mean for a run that counts for `length`, where that is
    /// known. Refuses windows that no such run has.
    pub(crate) fn of(
        thresholds: &ThresholdArgs,
        abort: &AbortArgs,
        length: Option<Duration>,
    ) -> Result<Self, CliError> {
        let flagged = |flag, all: &[Threshold]| match all.iter().find(|one| is_longer(one, length)) {
            Some(one) => Err(CliError::Usage(format!(
                "{flag} '{one}' has a longer window than the run, of which {:?} are counted: shorten the window \
                 or make the run longer (-d)",
                length.unwrap_or_default()
            ))),
            None => Ok(()),
        };
        flagged("--threshold", &thresholds.thresholds)?;
        flagged("--abort-on", &abort.abort_on)?;
        Ok(Self {
            thresholds: thresholds.thresholds.clone(),
            abort_on: abort.abort_on.clone(),
            abort_after: abort.abort_after.unwrap_or_default(),
        })
    }

    /// Writes them into the plan.
    pub(crate) fn record_in(&self, plan: &mut Plan) {
        let texts = |all: &[Threshold]| all.iter().map(ToString::to_string).collect();
        plan.thresholds = texts(&self.thresholds);
        plan.abort_on = texts(&self.abort_on);
        plan.abort_after_s = (!self.abort_on.is_empty()).then_some(self.abort_after.as_secs_f64());
    }
}

impl ThresholdArgs {
    /// Refuses what can't be asked of a run that measures nothing.
    pub(crate) fn check_counted(&self) -> Result<(), CliError> {
        let timed = self.thresholds.iter().find(|threshold| {
            let measure = threshold.measure();
            matches!(measure, Measure::Time(..) | Measure::PerSecond(_)) || threshold.over_s().is_some()
        });
        timed.map_or(Ok(()), |threshold| {
            Err(CliError::Usage(format!(
                "--threshold '{threshold}' needs times or rates, which check does not measure: use replay"
            )))
        })
    }
}

fn is_longer(threshold: &Threshold, length: Option<Duration>) -> bool {
    let window = threshold.over_s().map(|seconds| Duration::from_secs(seconds.get()));
    window.zip(length).is_some_and(|(window, length)| window > length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(thresholds: &[&str], abort_on: &[&str], length_s: Option<u64>) -> Option<String> {
        let parsed = |all: &[&str]| all.iter().map(|text| text.parse().unwrap()).collect();
        let thresholds = ThresholdArgs { thresholds: parsed(thresholds) };
        let abort = AbortArgs { abort_on: parsed(abort_on), abort_after: None };
        Limits::of(&thresholds, &abort, length_s.map(Duration::from_secs))
            .err()
            .map(|error| error.to_string())
    }

    #[test]
    fn no_window_is_longer_than_the_run() {
        let (short, long) = ("latency.p99 over 30s < 80ms", "latency.p99 over 31s < 80ms");
        assert_eq!(refused(&[short], &[short], Some(30)), None);
        assert_eq!(refused(&[long], &[long], None), None);
        assert_eq!(
            refused(&[short, long], &[], Some(30)).as_deref(),
            Some(
                "--threshold 'latency.p99 over 31s < 80ms' has a longer window than the run, of which 30s are \
                 counted: shorten the window or make the run longer (-d)"
            )
        );
        assert!(refused(&[], &[long], Some(30)).unwrap().starts_with("--abort-on 'latency"));
    }
}

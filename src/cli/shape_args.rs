//! The flags that shape the load: a rate that changes, how arrivals lie around
//! it, and how much of the trace is played.
//!
//! Flags that contradict each other are refused, never reconciled: a run whose
//! load is not what its operator had in mind proves nothing.

use clap::{Args, ValueEnum};
use downpour_core::units::{Factor, Share, parse_duration};
use downpour_load::schedule::amplify::{self, Amplifier};
use downpour_load::schedule::process::Spacing;
use downpour_load::schedule::profile::{Profile, RateStage};
use downpour_load::schedule::sample::{Sample, SampleUnit};
use downpour_load::schedule::{Pace, Schedule};
use downpour_report::ArrivalSpacing;
use std::time::Duration;

/// Flags of the load that most runs do without.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Load shape")]
pub(crate) struct ShapeArgs {
    /// Ramp to RATE within TIME; may be repeated
    ///
    /// The first stage starts from 0, each other stage from the rate of the one
    /// before. 0s jumps to the rate. The run ends after the last stage. Example:
    /// --stage 30s:1k/s --stage 5m:1k/s.
    #[arg(long = "stage", help_heading = "Load", value_name = "TIME:RATE", conflicts_with_all = ["rate", "speed", "duration"])]
    pub(crate) stages: Vec<RateStage>,

    /// Choose how arrivals are spaced: uniform, poisson or recorded
    ///
    /// uniform and poisson (random gaps, drawn from --seed) need a rate. The
    /// default is recorded at the recorded pace, and uniform otherwise.
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, hide_short_help = true)]
    pub(crate) arrivals: Option<ArrivalsArg>,

    /// Play only this share of the trace, such as 25%
    ///
    /// Of each target, or each client, all requests are played or none; see
    /// --sample-by.
    #[arg(long, value_name = "SHARE", hide_short_help = true)]
    pub(crate) sample: Option<Share>,

    /// Choose what --sample draws: target or client
    ///
    /// target keeps the popularity of targets. client keeps everything that a
    /// client does.
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true,
        default_value = "target",
        requires = "sample",
        hide_short_help = true
    )]
    pub(crate) sample_by: SampleBy,

    /// Play the recorded pace this many times over, from 1 to 1000
    ///
    /// Each copy is delayed by up to one second. With 1.5, the copy contains half
    /// of the targets.
    #[arg(long, value_name = "FACTOR", hide_short_help = true)]
    pub(crate) amplify: Option<Factor>,

    /// Shorten recorded gaps to at most this: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) max_gap: Option<Duration>,
}

/// How arrivals lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalsArg {
    /// Evenly around a rate
    Uniform,
    /// At random around a rate
    Poisson,
    /// As in the trace
    Recorded,
}

/// What a sample is drawn by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SampleBy {
    /// All requests of a target, or none
    #[default]
    Target,
    /// All requests of a client, or none
    Client,
}

impl SampleBy {
    /// Its spelling.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Client => "client",
        }
    }

    const fn unit(self) -> SampleUnit {
        match self {
            Self::Target => SampleUnit::Target,
            Self::Client => SampleUnit::Client,
        }
    }
}

impl ShapeArgs {
    /// Refuses a sample of clients where the trace tells none. `told` is whether
    /// its first lines do.
    pub(super) fn check_clients(&self, told: bool) -> Result<(), String> {
        if told || self.sample.is_none() || self.sample_by != SampleBy::Client {
            return Ok(());
        }
        Err("--sample-by client needs client addresses, but the first lines of this trace have none: \
             use --sample-by target"
            .to_owned())
    }

    /// Whether nothing is asked for.
    pub(super) const fn is_plain(&self) -> bool {
        self.stages.is_empty()
            && self.arrivals.is_none()
            && self.sample.is_none()
            && self.amplify.is_none()
            && self.max_gap.is_none()
    }

    /// The profile that the stages make, if there are any.
    pub(super) fn profile(&self) -> Result<Option<Profile>, String> {
        if self.stages.is_empty() {
            return Ok(None);
        }
        Profile::new(self.stages.clone()).map(Some).map_err(|error| format!("--stage: {error}"))
    }

    /// How arrivals are spaced at `pace`.
    pub(super) fn arrivals_of(&self, pace: &Pace) -> ArrivalSpacing {
        match pace {
            Pace::Recorded(_) => ArrivalSpacing::Recorded,
            Pace::Max => ArrivalSpacing::ClosedLoop,
            Pace::Constant(_) | Pace::Profile(_) => match self.arrivals {
                Some(ArrivalsArg::Poisson) => ArrivalSpacing::Poisson,
                Some(ArrivalsArg::Uniform | ArrivalsArg::Recorded) | None => ArrivalSpacing::Uniform,
            },
        }
    }

    /// `schedule`, which follows `pace`, in this shape.
    pub(super) fn apply(&self, schedule: Schedule, pace: &Pace, seed: u64) -> Result<Schedule, String> {
        if self.max_gap.is_some() && !matches!(pace, Pace::Recorded(_)) {
            return Err(
                "--max-gap shortens recorded gaps: it cannot be combined with --rate or --stage".to_owned()
            );
        }
        let mut schedule = schedule.with_spacing(self.spacing(pace)?, seed).with_max_gap(self.max_gap);
        if let Some(share) = self.sample {
            schedule = schedule.with_sample(Sample::of(share, self.sample_by.unit(), seed));
        }
        match (self.amplify, pace) {
            (None, _) => Ok(schedule),
            (Some(factor), _) if !(1..=amplify::MAX_FACTOR).contains(&factor.split().0) => Err(format!(
                "--amplify {factor} must be from 1 to {}: to play less than was recorded, use --sample",
                amplify::MAX_FACTOR
            )),
            (Some(factor), Pace::Recorded(speed)) => {
                Ok(schedule.with_amplifier(Amplifier::new(factor, *speed, seed)))
            }
            (Some(_), Pace::Constant(_) | Pace::Profile(_) | Pace::Max) => {
                Err("--amplify multiplies the recorded pace: with --rate or --stage, raise the rate"
                    .to_owned())
            }
        }
    }

    fn spacing(&self, pace: &Pace) -> Result<Spacing, String> {
        match (self.arrivals, pace) {
            (None, _)
            | (Some(ArrivalsArg::Recorded), Pace::Recorded(_))
            | (Some(ArrivalsArg::Uniform), Pace::Constant(_) | Pace::Profile(_)) => Ok(Spacing::Uniform),
            (Some(ArrivalsArg::Poisson), Pace::Constant(_) | Pace::Profile(_)) => Ok(Spacing::Poisson),
            (Some(ArrivalsArg::Uniform | ArrivalsArg::Poisson), Pace::Recorded(_)) => {
                Err("--arrivals uniform and poisson need a rate: add --rate or --stage".to_owned())
            }
            (Some(ArrivalsArg::Recorded), Pace::Constant(_) | Pace::Profile(_)) => {
                Err("--arrivals recorded keeps the gaps of the trace: it cannot be combined with --rate or \
                 --stage"
                    .to_owned())
            }
            (Some(_), Pace::Max) => {
                Err("--arrivals cannot be combined with --rate max, where arrivals wait for a connection"
                    .to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_load::schedule::RunLimits;

    /// Whether the flags go together, and if not, what is said about them.
    #[track_caller]
    fn check(pace: &str, arrivals: Option<ArrivalsArg>, amplify: Option<&str>, told: &str) {
        let pace: Pace = pace.parse().unwrap();
        let amplify = amplify.map(|factor| factor.parse().unwrap());
        let shape = ShapeArgs { arrivals, amplify, ..ShapeArgs::default() };
        let applied = shape.apply(Schedule::new(pace.clone(), RunLimits::default()), &pace, 0);
        let found = applied.err().unwrap_or_default();
        assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{pace}: {found:?}");
    }

    #[test]
    fn contradictions_are_refused() {
        use ArrivalsArg::{Poisson, Recorded, Uniform};
        for pace in ["recorded", "2x"] {
            check(pace, None, None, "");
            check(pace, Some(Recorded), Some("1.5"), "");
            check(pace, Some(Uniform), None, "add --rate or --stage");
            check(pace, Some(Poisson), None, "add --rate or --stage");
        }
        check("100/s", None, None, "");
        check("100/s", Some(Uniform), None, "");
        check("100/s", Some(Poisson), None, "");
        check("100/s", Some(Recorded), None, "keeps the gaps of the trace");
        check("100/s", None, Some("2"), "raise the rate");
        check("max", None, None, "");
        check("max", Some(Poisson), None, "--rate max");
        check("max", None, Some("2"), "raise the rate");
    }

    #[test]
    fn amplification_has_bounds() {
        check("recorded", None, Some("1"), "");
        check("recorded", None, Some("1000"), "");
        check("recorded", None, Some("0.5"), "use --sample");
        check("recorded", None, Some("1001"), "from 1 to 1000");
    }
}

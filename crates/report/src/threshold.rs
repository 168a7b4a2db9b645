//! Thresholds: what a run must keep, in the operator's words.
//!
//! `latency.p99 < 50ms` is a [`Measure`], a [`Relation`] and a bound, in the
//! measure's unit; `over 30s` asks the same of every window of that length. An
//! expression is parsed once, before anything is sent, and a mistake in it is
//! told with its column. A [`ThresholdMonitor`] sees the seconds of a run and says what came
//! of each expression. Pure: a live run, a simulated one and a search for the
//! highest rate are judged by the same code.

mod line;
mod measure;
mod monitor;
mod parse;

pub use line::{AbortLine, ThresholdLine, WindowLine};
pub use measure::CountRatio;
pub use monitor::{Allowed, Assessment, ThresholdMonitor};
pub use parse::ParseThresholdError;

use downpour_core::fault::Fault;
use downpour_core::units::Share;
use std::fmt;
use std::num::NonZeroU64;

/// The longest window that is asked for with `over`, in seconds: the seconds
/// in it are kept in memory.
pub const LONGEST_WINDOW_S: u64 = 600;

/// What a run must keep, or what ends it.
///
/// ```
/// use downpour_report::{Relation, Threshold};
///
/// let threshold: Threshold = "latency.p99 over 30s < 80ms".parse().unwrap();
/// assert_eq!(threshold.measure().to_string(), "latency.p99");
/// assert_eq!((threshold.relation(), threshold.bound()), (Relation::Below, 80_000.0));
/// assert!("latency.p99 < 80".parse::<Threshold>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    text: String,
    measure: Measure,
    over_s: Option<NonZeroU64>,
    relation: Relation,
    /// In the unit of the measure.
    bound: f64,
}

impl Threshold {
    /// What is measured.
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// The length of the windows that it must hold in, in seconds; `None` for
    /// the run as a whole.
    pub const fn over_s(&self) -> Option<NonZeroU64> {
        self.over_s
    }

    /// How the value must lie to the bound.
    pub const fn relation(&self) -> Relation {
        self.relation
    }

    /// The bound, in the unit of the measure.
    pub const fn bound(&self) -> f64 {
        self.bound
    }

    /// Whether `value` is as it says.
    pub fn holds(&self, value: f64) -> bool {
        self.relation.holds(value, self.bound)
    }

    /// How much room there is between `value` and the bound: negative by as
    /// much as the bound was crossed.
    pub fn margin(&self, value: f64) -> f64 {
        match self.relation {
            Relation::Below | Relation::AtMost => self.bound - value,
            Relation::Above | Relation::AtLeast => value - self.bound,
            // Not -0: a margin is printed.
            Relation::Is => 0.0 - (value - self.bound).abs(),
            Relation::IsNot => (value - self.bound).abs(),
        }
    }

    /// Whether it bounds its measure from above.
    pub const fn is_ceiling(&self) -> bool {
        matches!(self.relation, Relation::Below | Relation::AtMost | Relation::Is)
    }

    /// Whether it bounds its measure from below.
    pub const fn is_floor(&self) -> bool {
        matches!(self.relation, Relation::Above | Relation::AtLeast | Relation::Is)
    }
}

/// As it was typed.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a value must lie to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`
    Is,
    /// `!=`
    IsNot,
}

impl Relation {
    /// Every relation, those whose sign begins another's last.
    pub const ALL: [Self; 6] = [Self::AtMost, Self::AtLeast, Self::Is, Self::IsNot, Self::Below, Self::Above];

    /// Its sign.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Is => "==",
            Self::IsNot => "!=",
        }
    }

    /// Whether `value` lies so to `bound`. Both are quotients of integers,
    /// rounded once, so that equal ones compare as equal.
    #[expect(clippy::float_cmp, reason = "equal quotients round to the same number")]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Is => value == bound,
            Self::IsNot => value != bound,
        }
    }
}

/// What is measured. Printed as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// A statistic of a clock, in microseconds.
    Time(TimeMetric, TimeStatistic),
    /// How many.
    Count(CountMeasure),
    /// How many of all that could be: see [`CountMeasure`].
    Share(CountMeasure),
    /// How many a second.
    PerSecond(CountMeasure),
    /// Attempts ÷ first attempts.
    Amplification,
}

impl Measure {
    /// What its values are in.
    pub const fn unit(self) -> MeasureUnit {
        match self {
            Self::Time(..) => MeasureUnit::Micros,
            Self::Count(_) => MeasureUnit::Count,
            Self::Share(_) => MeasureUnit::Share,
            Self::PerSecond(_) => MeasureUnit::PerSecond,
            Self::Amplification => MeasureUnit::Ratio,
        }
    }
}

impl Measure {
    /// Whether it is about what a control answered.
    pub(super) fn is_of_control(self) -> bool {
        match self {
            Self::Count(counted) | Self::Share(counted) | Self::PerSecond(counted) => {
                counted == CountMeasure::ControlDiffer
            }
            Self::Time(..) | Self::Amplification => false,
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(clock, statistic) => write!(f, "{}.{statistic}", clock.name()),
            Self::Count(counted) => write!(f, "{counted}.count"),
            Self::Share(counted) => write!(f, "{counted}.rate"),
            Self::PerSecond(counted) => write!(f, "{counted}.per_s"),
            Self::Amplification => f.write_str("amplification"),
        }
    }
}

/// What a value is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeasureUnit {
    /// Microseconds.
    Micros,
    /// A whole number.
    Count,
    /// A share of a whole, 0 to 1.
    Share,
    /// A second.
    PerSecond,
    /// A quotient.
    Ratio,
}

impl MeasureUnit {
    /// Its name in `run.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Micros => "us",
            Self::Count => "count",
            Self::Share => "share",
            Self::PerSecond => "per_s",
            Self::Ratio => "ratio",
        }
    }

    /// The unit of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Micros, Self::Count, Self::Share, Self::PerSecond, Self::Ratio]
            .into_iter()
            .find(|unit| unit.name() == name)
    }
}

/// A clock of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeMetric {
    /// Due to done, of arrivals that passed or recovered.
    Latency,
    /// Due to done, of arrivals that failed.
    LatencyFailed,
    /// Sent to done, of attempts.
    Service,
    /// Due to sent, of attempts.
    Lateness,
}

impl TimeMetric {
    /// Every clock.
    pub const ALL: [Self; 4] = [Self::Latency, Self::LatencyFailed, Self::Service, Self::Lateness];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::LatencyFailed => "latency_failed",
            Self::Service => "service",
            Self::Lateness => "lateness",
        }
    }
}

/// What is told of the times of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeStatistic {
    /// The shortest.
    Min,
    /// The arithmetic mean.
    Mean,
    /// What this share of the times did not exceed.
    Percentile(Share),
    /// The longest.
    Max,
}

impl fmt::Display for TimeStatistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Min => f.write_str("min"),
            Self::Mean => f.write_str("mean"),
            Self::Percentile(share) => write!(f, "p{}", share.to_string().trim_end_matches('%')),
            Self::Max => f.write_str("max"),
        }
    }
}

/// Things that are counted. The share of arrivals is of those whose fate is
/// known, in a finished run all that were offered; the share of attempts and of
/// redirects is of all that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountMeasure {
    /// Arrivals that the schedule released.
    Offered,
    /// Arrivals that were good at once.
    Passed,
    /// Arrivals that were good after a retry.
    Recovered,
    /// Arrivals that were good, at once or after a retry.
    Good,
    /// Arrivals that were not.
    Failed,
    /// Arrivals that were not sent.
    Shed,
    /// Arrivals that were not over when the run was.
    Unfinished,
    /// Attempts, first ones and retries.
    Attempts,
    /// Attempts that repeat another.
    Retries,
    /// Attempts of which a byte was sent.
    Sent,
    /// Attempts with a complete answer.
    Completed,
    /// Attempts that a wrong redirect led astray, and that were tried again.
    MaskedBadRedirects,
    /// Answers with a status from the first to the last of these.
    Status(u16, u16),
    /// Answers that redirect.
    Redirects,
    /// Those that were not judged as deep as asked.
    Unchecked,
    /// Answers that differ from the control's, of those that were compared.
    ControlDiffer,
    /// Arrivals that failed of this.
    Fault(Fault),
    /// Arrivals that failed of a fault of this family.
    Family(&'static str),
}

/// The name of [`CountMeasure::ControlDiffer`].
const CONTROL_DIFFER: &str = "control.differ";

impl CountMeasure {
    /// What has a name of its own. Statuses and faults have an argument.
    pub const NAMED: [(&'static str, Self); 14] = [
        ("offered", Self::Offered),
        ("passed", Self::Passed),
        ("recovered", Self::Recovered),
        ("good", Self::Good),
        ("failed", Self::Failed),
        ("shed", Self::Shed),
        ("unfinished", Self::Unfinished),
        ("attempts", Self::Attempts),
        ("retries", Self::Retries),
        ("sent", Self::Sent),
        ("completed", Self::Completed),
        ("redirects_hidden_by_retries", Self::MaskedBadRedirects),
        ("redirects", Self::Redirects),
        ("unchecked", Self::Unchecked),
    ];
}

impl fmt::Display for CountMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, _)) = Self::NAMED.iter().find(|(_, counted)| counted == self) {
            return f.write_str(name);
        }
        if let Self::Status(first, last) = self {
            let of_a_class = first != last;
            return if of_a_class {
                write!(f, "status({}xx)", first / 100)
            } else {
                write!(f, "status({first})")
            };
        }
        if *self == Self::ControlDiffer {
            f.write_str(CONTROL_DIFFER)?;
        }
        if let Self::Fault(fault) = self {
            write!(f, "fault({fault})")?;
        }
        if let Self::Family(family) = self {
            write!(f, "fault({family})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, value: f64, holds: bool, margin: f64) {
        let threshold: Threshold = text.parse().unwrap();
        assert_eq!(threshold.holds(value), holds, "{text} for {value}");
        assert!((threshold.margin(value) - margin).abs() < 1e-9, "{}", threshold.margin(value));
    }

    #[test]
    fn a_margin_is_room_and_a_negative_one_what_is_too_much() {
        check("latency.p99 < 50ms", 40_000.0, true, 10_000.0);
        check("latency.p99 < 50ms", 50_000.0, false, 0.0);
        check("latency.p99 <= 50ms", 50_000.0, true, 0.0);
        check("offered.per_s >= 4.6k", 4_700.0, true, 100.0);
        check("offered.per_s > 4.7k", 4_650.0, false, -50.0);
        check("fault(dns.nxdomain) == 0", 0.0, true, 0.0);
        check("fault(dns.nxdomain) == 0", 3.0, false, -3.0);
        check("failed != 2", 5.0, true, 3.0);
        // One of a thousand is a tenth of a per cent, exactly.
        check("failed.rate <= 0.1%", 1.0 / 1_000.0, true, 0.0);
        check("failed.rate <= 0.3%", 3.0 / 1_000.0, true, 0.0);
    }

    #[test]
    fn a_kept_zero_has_no_sign() {
        let threshold: Threshold = "failed == 0".parse().unwrap();
        assert_eq!(threshold.margin(0.0).to_bits(), 0.0_f64.to_bits());
    }
}

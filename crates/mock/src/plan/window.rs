//! When a fault is on.
//!
//! A window is counted from the first request served, since nobody knows when a
//! client will begin.

use super::PlanError;
use downpour_core::units::parse_duration;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// When a fault is on, counted from the first request served. The start is in
/// the window, the end is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultWindow {
    from: Duration,
    to: Option<Duration>,
}

impl FaultWindow {
    /// From the first request on, without end.
    pub const ALWAYS: Self = Self { from: Duration::ZERO, to: None };

    /// The window from `from` to before `to`, without end for `None`; `None`
    /// where it would be empty.
    pub fn new(from: Duration, to: Option<Duration>) -> Option<Self> {
        to.is_none_or(|to| from < to).then_some(Self { from, to })
    }

    /// Its beginning.
    pub const fn start(self) -> Duration {
        self.from
    }

    /// Its end, if it has one.
    pub const fn end(self) -> Option<Duration> {
        self.to
    }

    pub(super) fn contains(self, elapsed: Duration) -> bool {
        self.from <= elapsed && self.to.is_none_or(|to| elapsed < to)
    }
}

impl FromStr for FaultWindow {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Window(text.to_owned());
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        if from.is_empty() && to.is_empty() {
            return Err(wrong());
        }
        let read = |end: &str| {
            let given = (!end.is_empty()).then(|| parse_duration(end));
            given.transpose().map_err(|_| wrong())
        };
        Self::new(read(from)?.unwrap_or_default(), read(to)?).ok_or_else(wrong)
    }
}

impl fmt::Display for FaultWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from > Duration::ZERO || self.to.is_none() {
            write_duration(self.from, f)?;
        }
        f.write_str("..")?;
        self.to.map_or(Ok(()), |to| write_duration(to, f))
    }
}

/// Writes a length of time in the largest unit that keeps it whole, so that
/// reading it again loses nothing.
fn write_duration(length: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const UNITS: [(u128, &str); 4] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let nanos = length.as_nanos();
    let whole = UNITS.iter().find(|(size, _)| nanos.is_multiple_of(*size));
    let (size, unit) = whole.expect("one nanosecond divides everything");
    write!(f, "{}{unit}", nanos / size)
}

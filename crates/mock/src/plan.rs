//! The fault plan: which answers are spoiled, how, and when.
//!
//! A plan is a seeded, pure map from the number of a request and the time since
//! the first one to a fault or none; it never looks at a clock or a socket, so
//! the same requests in the same order meet the same faults. Faults are written
//! as on the command line: `missing-slash@5s..15s`, `status-503:10%`, `stall`.

mod capacity;
mod kind;
mod window;

pub use capacity::{Capacity, CapacityDecision, CapacityQueue};
pub use downpour_core::units::Share;
pub use kind::with_argument;
pub use kind::{AnswerFault, FaultKind, LocationFault, StoreFault, WireFault};
pub use window::FaultWindow;

use downpour_core::units::parse_duration;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Text that was to be a planned fault and is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No such fault.
    #[error("{0:?} is not a fault{meant}; known faults: {known}", meant = kind::meant(.0), known = kind::known_names())]
    Unknown(String),
    /// The status is not a number that a final answer can have.
    #[error("{0:?} is not the status of an answer; write it like status-503, from 200 to 599")]
    Status(String),
    /// The share is not a percentage.
    #[error("{0:?} is not a share of the answers; write it like 10% or 0.5%, up to 100%")]
    Share(String),
    /// The window is not a span of time.
    #[error("{0:?} is not a window; write it like 5s..15s, 5s.. or ..15s, the end after the start")]
    Window(String),
    /// A capacity is not one.
    #[error(
        "{0:?} is not a capacity; write it like capacity:200:1000, for 200 answers per second and a queue of 1,000"
    )]
    Capacity(String),
    /// A capacity was given for a share of the answers.
    #[error("a capacity applies to all answers and has no share; remove {0:?}")]
    ShareOfCapacity(String),
    /// A delay is not a span of time.
    #[error("{0:?} is not a delay; write it like delay:150ms")]
    Delay(String),
    /// A share or a window was given twice.
    #[error("{0:?} is given twice; a fault has one share (:10%) and one window (@5s..15s)")]
    Duplicate(String),
}

/// One fault with its share and its window: `NAME[@FROM..TO][:SHARE]`.
///
/// ```
/// use downpour_mock::plan::PlannedFault;
///
/// let fault: PlannedFault = "status-503:10%@5s..15s".parse().unwrap();
/// assert_eq!(fault.to_string(), "status-503@5s..15s:10%");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedFault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// For how many of the answers.
    pub share: Share,
    /// And when.
    pub window: FaultWindow,
}

impl FromStr for PlannedFault {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let (name, mut rest) = split_before_mark(text);
        let kind = if kind::is_with_argument(name) { kind_with(name, &mut rest)? } else { name.parse()? };
        let (mut share, mut window) = (None, None);
        while let Some(mark) = rest.chars().next() {
            // Both marks are one byte long, so the tail begins at a character.
            let (value, tail) = split_before_mark(rest.get(1..).unwrap_or_default());
            let again = if mark == ':' {
                share.replace(parse_share(value)?).is_some()
            } else {
                window.replace(value.parse()?).is_some()
            };
            if again {
                return Err(PlanError::Duplicate(value.to_owned()));
            }
            rest = tail;
        }
        if let (FaultKind::Capacity(_), Some(share)) = (kind, share) {
            return Err(PlanError::ShareOfCapacity(share.to_string()));
        }
        Ok(Self { kind, share: share.unwrap_or(Share::ALL), window: window.unwrap_or(FaultWindow::ALWAYS) })
    }
}

/// The fault of that name with the arguments that follow it, which it takes off
/// the rest.
fn kind_with(name: &str, rest: &mut &str) -> Result<FaultKind, PlanError> {
    let mut next = || {
        let (argument, tail) = split_before_mark(rest.strip_prefix(':')?);
        *rest = tail;
        Some(argument)
    };
    if name == kind::DELAY {
        let delay = next().unwrap_or_default();
        let parsed = parse_duration(delay).map_err(|_| PlanError::Delay(delay.to_owned()))?;
        return Ok(FaultKind::Delay(parsed));
    }
    let arguments: Vec<&str> = [next(), next()].into_iter().flatten().collect();
    arguments.join(":").parse().map(FaultKind::Capacity)
}

fn parse_share(text: &str) -> Result<Share, PlanError> {
    text.parse().map_err(|_| PlanError::Share(text.to_owned()))
}

/// What stands before the first `:` or `@`, and the rest from there on.
fn split_before_mark(text: &str) -> (&str, &str) {
    text.split_at(text.find([':', '@']).unwrap_or(text.len()))
}

impl fmt::Display for PlannedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if self.window != FaultWindow::ALWAYS {
            write!(f, "@{}", self.window)?;
        }
        if self.share != Share::ALL {
            write!(f, ":{}", self.share)?;
        }
        Ok(())
    }
}

/// Faults in order of precedence, and the seed of their shares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    faults: Vec<PlannedFault>,
    seed: u64,
}

impl FaultPlan {
    /// A plan of these faults; where several would take an answer, the first
    /// one does.
    pub const fn new(faults: Vec<PlannedFault>, seed: u64) -> Self {
        Self { faults, seed }
    }

    /// The faults, in order.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// The fault that befalls the request with this number (from 0, in order of
    /// arrival), `elapsed` after the first: the first one planned whose window
    /// is open and whose share takes the number.
    pub fn fault_for(&self, sequence: u64, elapsed: Duration) -> Option<FaultKind> {
        self.pick(sequence, elapsed).map(|index| self.faults[index].kind)
    }

    /// As [`FaultPlan::fault_for`], as an index of [`FaultPlan::faults`].
    pub fn pick(&self, sequence: u64, elapsed: Duration) -> Option<usize> {
        self.first(sequence, elapsed, |kind| !kind.is_additive())
    }

    /// How long the answer to a request is held back, and the index of what
    /// says so: a delay befalls an answer beside whatever else does.
    pub(super) fn delay(&self, sequence: u64, elapsed: Duration) -> Option<(usize, Duration)> {
        let index = self.first(sequence, elapsed, |kind| matches!(kind, FaultKind::Delay(_)))?;
        let FaultKind::Delay(delay) = self.faults[index].kind else { return None };
        Some((index, delay))
    }

    /// The capacity that holds at that moment, as an index.
    pub(super) fn capacity(&self, elapsed: Duration) -> Option<usize> {
        self.first(0, elapsed, |kind| matches!(kind, FaultKind::Capacity(_)))
    }

    fn first(&self, sequence: u64, elapsed: Duration, of: impl Fn(FaultKind) -> bool) -> Option<usize> {
        let taken = |(index, fault): (usize, &PlannedFault)| {
            of(fault.kind)
                && fault.window.contains(elapsed)
                && fault.share.includes(self.point(index, sequence))
        };
        self.faults.iter().enumerate().position(taken)
    }

    /// A point for each fault and request, spread evenly over 64 bits. Each
    /// fault has its own stream, so that 1 % of one and 1 % of another do not
    /// always meet in the same answer.
    fn point(&self, index: usize, sequence: u64) -> u64 {
        let stream = mix(self.seed ^ mix(index as u64));
        mix(stream ^ mix(sequence))
    }
}

/// The finaliser of the `SplitMix64` generator (Steele, Lea, Flood 2014): each
/// bit of the input moves about half of the bits of the output.
const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, printed: Result<&str, PlanError>) {
        let parsed = text.parse::<PlannedFault>().map(|fault| fault.to_string());
        assert_eq!(parsed, printed.map(str::to_owned), "{text}");
    }

    #[test]
    fn faults_as_they_are_typed() {
        check("missing-slash", Ok("missing-slash"));
        check("missing-slash@5s..15s", Ok("missing-slash@5s..15s"));
        check("wrong-host:1%", Ok("wrong-host:1%"));
        check("status-503:0.50%@5s..", Ok("status-503@5s..:0.5%"));
        check("status-503@..1m:100%", Ok("status-503@..60s"));
        check("stall@0s..200ms", Ok("stall@..200ms"));
        check("reset@0s..", Ok("reset"));
        check("capacity:200:1000@5s..15s", Ok("capacity:200:1000@5s..15s"));
        check("capacity:1:0", Ok("capacity:1:0"));
        check("delay:150ms:10%@5s..", Ok("delay:150ms@5s..:10%"));
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        check("missing", Err(PlanError::Unknown("missing".into())));
        check("", Err(PlanError::Unknown(String::new())));
        check("status-99", Err(PlanError::Status("99".into())));
        check("status-600", Err(PlanError::Status("600".into())));
        check("status-+50", Err(PlanError::Status("+50".into())));
        check("slow:1", Err(PlanError::Share("1".into())));
        check("slow:0%", Err(PlanError::Share("0%".into())));
        check("slow:101%", Err(PlanError::Share("101%".into())));
        check("slow:0.00001%", Err(PlanError::Share("0.00001%".into())));
        check("slow:é%", Err(PlanError::Share("é%".into())));
        check("slow@5s", Err(PlanError::Window("5s".into())));
        check("slow@..", Err(PlanError::Window("..".into())));
        check("slow@9s..5s", Err(PlanError::Window("9s..5s".into())));
        check("capacity", Err(PlanError::Capacity(String::new())));
        check("capacity:200", Err(PlanError::Capacity("200".into())));
        check("capacity:0:5", Err(PlanError::Capacity("0:5".into())));
        check("capacity:5:-1@1s..", Err(PlanError::Capacity("5:-1".into())));
        check("capacity:5:1:10%", Err(PlanError::ShareOfCapacity("10%".into())));
        check("delay", Err(PlanError::Delay(String::new())));
        check("delay:fast", Err(PlanError::Delay("fast".into())));
        check("slow:1%:2%", Err(PlanError::Duplicate("2%".into())));
        let listed = "x".parse::<PlannedFault>().unwrap_err().to_string();
        assert!(
            listed.ends_with("hop-to-http, hop-nowhere, status-CODE, delay:TIME, capacity:RPS:QUEUE"),
            "{listed}"
        );
    }

    #[track_caller]
    fn check_at(faults: &[&str], millis: u64, expected: Option<FaultKind>) {
        let faults = faults.iter().map(|text| text.parse().unwrap()).collect();
        let plan = FaultPlan::new(faults, 7);
        assert_eq!(plan.fault_for(0, Duration::from_millis(millis)), expected, "after {millis} ms");
    }

    #[test]
    fn the_first_fault_whose_window_is_open_is_taken() {
        let plan = ["reset@1s..2s", "slow@..3s"];
        let [reset, slow] = [WireFault::Reset, WireFault::Slow].map(|fault| Some(FaultKind::Wire(fault)));
        check_at(&plan, 0, slow);
        check_at(&plan, 999, slow);
        check_at(&plan, 1_000, reset);
        check_at(&plan, 2_000, slow);
        check_at(&plan, 3_000, None);
        check_at(&[], 0, None);
    }

    #[test]
    fn a_share_takes_about_its_part_and_the_same_ones_again() {
        let plan = |seed| FaultPlan::new(vec!["reset:1%".parse().unwrap()], seed);
        let taken = |plan: FaultPlan| -> Vec<u64> {
            (0..100_000).filter(|&n| plan.fault_for(n, Duration::ZERO).is_some()).collect()
        };
        let first = taken(plan(1));
        // Three standard deviations of a binomial with mean 1000 are 94.
        assert!((900..1_100).contains(&first.len()), "{}", first.len());
        assert_eq!(first, taken(plan(1)));
        assert_ne!(first, taken(plan(2)));
    }

    fn any_fault() -> impl Strategy<Value = PlannedFault> {
        let kind = prop_oneof![
            proptest::sample::select(FaultKind::plain().collect::<Vec<_>>()),
            (200_u16..=599).prop_map(FaultKind::Status),
            (0_u64..100_000).prop_map(|ms| FaultKind::Delay(Duration::from_millis(ms))),
        ];
        let nanos = || prop_oneof![0_u64..100, (0_u64..100_000).prop_map(|ms| ms * 1_000_000)];
        let ends = (nanos(), proptest::option::of(nanos()));
        (kind, 1_u32..=1_000_000, ends).prop_map(|(kind, ppm, (from, length))| {
            let from = Duration::from_nanos(from);
            let to = length.map(|length| from + Duration::from_nanos(length + 1));
            let window = FaultWindow::new(from, to).unwrap();
            PlannedFault { kind, share: Share::from_ppm(ppm).unwrap(), window }
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(fault in any_fault()) {
            prop_assert_eq!(fault.to_string().parse(), Ok(fault));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-a-z0-9:@.%é]{0,40}") {
            if let Ok(fault) = text.parse::<PlannedFault>() {
                prop_assert_eq!(fault.to_string().parse(), Ok(fault));
            }
        }
    }
}

//! From requests to arrivals: when each one is due.
//!
//! A schedule is a pure map. It knows the pace and the window of the run, takes
//! requests in order of arrival and gives each a due time counted from the
//! start of the run. It never sleeps and never looks at a clock; the engine
//! does the waiting.

use crate::trace::{Method, Request};
use crate::units::{Factor, Offset, Rate, Stamp};
use http::uri::PathAndQuery;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One intention: what to ask for, and when it is due.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Number in the whole run, counted from 0. Worker and shard follow from it.
    pub sequence: u64,
    /// When it is due, since the start of the run.
    pub due: Offset,
    /// The method to send.
    pub method: Method,
    /// The target to send, byte for byte.
    pub target: PathAndQuery,
    /// What the recorded service answered, where a server really did.
    pub recorded_status: Option<u16>,
}

/// How fast arrivals follow each other: the `--rate` flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Evenly, at this rate; the order of the trace is kept, its gaps are not.
    Constant(Rate),
    /// As recorded, played this many times as fast.
    Recorded(Factor),
    /// As fast as connections become free: a closed loop.
    Max,
}

impl Pace {
    /// As recorded, gap for gap.
    pub const AS_RECORDED: Self = Self::Recorded(Factor::ONE);

    /// How many times as fast as recorded, for display; `None` where the
    /// record's pace is not followed.
    pub fn speed(self) -> Option<f64> {
        match self {
            Self::Constant(_) | Self::Max => None,
            Self::Recorded(factor) => Some(factor.as_f64()),
        }
    }
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "recorded" => return Ok(Self::AS_RECORDED),
            "max" => return Ok(Self::Max),
            _ => {}
        }
        let parsed = if text.ends_with(['x', 'X']) {
            text.parse().map(Self::Recorded)
        } else {
            text.parse().map(Self::Constant)
        };
        parsed.map_err(|error: crate::units::ParseQuantityError| {
            format!("{error}, or `recorded`, or a multiple of it such as 2x, or `max`")
        })
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(rate) => write!(f, "{rate}"),
            Self::Recorded(Factor::ONE) => f.write_str("recorded"),
            Self::Recorded(factor) => write!(f, "recorded at {factor}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// Where a run ends, if before its trace: `-d` and `-n`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Arrivals due at this offset or later are not part of the run.
    pub duration: Option<Duration>,
    /// No more arrivals than this.
    pub requests: Option<u64>,
}

/// What became of a request that was given to a schedule.
#[derive(Debug)]
pub enum Placed {
    /// It is due.
    Due(Arrival),
    /// It lies beyond the window, and so will everything after it.
    Over,
    /// Its target is not one that can be sent.
    Unsendable,
    /// The pace follows the record and the record has no time.
    Timeless,
}

/// Gives requests their due times.
#[derive(Debug)]
pub struct Schedule {
    pace: Pace,
    window: Window,
    placed: u64,
    last_due: Offset,
    pass: Pass,
}

/// One pass over the trace; `--loop` makes several.
#[derive(Clone, Copy, Debug, Default)]
struct Pass {
    /// Where the pass begins in the run.
    base: Offset,
    /// The stamp of its first request.
    first: Option<Stamp>,
    /// How many requests the pass has placed.
    placed: u64,
}

impl Schedule {
    /// A schedule that has placed nothing yet.
    pub fn new(pace: Pace, window: Window) -> Self {
        Self { pace, window, placed: 0, last_due: Offset::ZERO, pass: Pass::default() }
    }

    /// Places the next request. Due times never decrease, given requests whose
    /// stamps do not.
    pub fn place(&mut self, request: Request) -> Placed {
        let Some(due) = self.due(request.at) else { return Placed::Timeless };
        let beyond_time = self.window.duration.is_some_and(|end| due >= Offset::from(end));
        let beyond_count = self.window.requests.is_some_and(|most| self.placed >= most);
        if beyond_time || beyond_count {
            return Placed::Over;
        }
        let Ok(target) = PathAndQuery::from_maybe_shared(request.target) else {
            return Placed::Unsendable;
        };
        let sequence = self.placed;
        self.placed += 1;
        self.pass.placed += 1;
        self.last_due = due;
        Placed::Due(Arrival {
            sequence,
            due,
            method: request.method,
            target,
            recorded_status: request.status,
        })
    }

    /// Begins another pass over the same trace. A recorded trace starts again
    /// one mean gap after its last arrival, so that the seam is neither a burst
    /// nor a pause.
    pub fn begin_pass(&mut self) {
        let played = self.last_due.nanos_since(self.pass.base);
        let gaps = self.pass.placed.saturating_sub(1);
        let mean_gap = played.checked_div(gaps).unwrap_or(0).max(1);
        let base = self.last_due.after(Duration::from_nanos(mean_gap));
        self.pass = Pass { base, first: None, placed: 0 };
    }

    /// How many requests became arrivals.
    pub fn placed(&self) -> u64 {
        self.placed
    }

    fn due(&mut self, at: Option<Stamp>) -> Option<Offset> {
        match self.pace {
            Pace::Constant(rate) => Some(rate.due(self.placed)),
            // The engine says when; here they only have an order.
            Pace::Max => Some(Offset::ZERO),
            Pace::Recorded(speed) => {
                let at = at?;
                let first = *self.pass.first.get_or_insert(at);
                let since_first = speed.shrink(at.nanos_since(first));
                let due = self.pass.base.after(Duration::from_nanos(since_first));
                Some(due.max(self.last_due))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn request(at_ms: i64) -> Request {
        Request {
            at: Some(Stamp::from_nanos(at_ms * 1_000_000)),
            method: Method::Get,
            target: Bytes::from_static(b"/x"),
            status: None,
        }
    }

    #[track_caller]
    fn check(pace: &str, window: Window, stamps_ms: &[i64], due_ms: &[u64]) {
        let mut schedule = Schedule::new(pace.parse().unwrap(), window);
        let placed: Vec<u64> = stamps_ms
            .iter()
            .map_while(|&at| match schedule.place(request(at)) {
                Placed::Due(arrival) => Some(arrival.due.as_micros() / 1_000),
                Placed::Over | Placed::Unsendable | Placed::Timeless => None,
            })
            .collect();
        assert_eq!(placed, due_ms);
    }

    #[test]
    fn recorded_gaps_are_kept_or_scaled() {
        let all = Window::default();
        check("recorded", all, &[5_000, 5_010, 5_010, 5_400], &[0, 10, 10, 400]);
        check("2x", all, &[5_000, 5_010, 5_400], &[0, 5, 200]);
        check("0.5x", all, &[5_000, 5_010], &[0, 20]);
        check("max", all, &[5_000, 5_010], &[0, 0]);
        check("100/s", all, &[5_000, 5_001, 99_000], &[0, 10, 20]);
    }

    #[test]
    fn the_window_ends_before_its_end() {
        let two = Window { requests: Some(2), duration: None };
        check("recorded", two, &[0, 1, 2], &[0, 1]);
        let short = Window { requests: None, duration: Some(Duration::from_millis(10)) };
        check("recorded", short, &[0, 9, 10, 11], &[0, 9]);
    }

    #[test]
    fn another_pass_begins_one_mean_gap_after_the_last() {
        let mut schedule = Schedule::new(Pace::AS_RECORDED, Window::default());
        let mut due = Vec::new();
        for _ in 0..2 {
            for at in [100, 110, 140] {
                if let Placed::Due(arrival) = schedule.place(request(at)) {
                    due.push(arrival.due.as_micros() / 1_000);
                }
            }
            schedule.begin_pass();
        }
        assert_eq!(due, [0, 10, 40, 60, 70, 100]);
    }

    #[test]
    fn a_request_without_a_time_has_no_recorded_place() {
        let timeless = Request { at: None, ..request(0) };
        let mut schedule = Schedule::new(Pace::AS_RECORDED, Window::default());
        assert!(matches!(schedule.place(timeless.clone()), Placed::Timeless));
        let mut schedule = Schedule::new("10".parse().unwrap(), Window::default());
        assert!(matches!(schedule.place(timeless), Placed::Due(_)));
    }

    #[test]
    fn paces_print_and_parse() {
        assert!(matches!("recorded".parse(), Ok(Pace::Recorded(Factor::ONE))));
        assert_eq!("4.7k".parse::<Pace>().unwrap().to_string(), "4700/s");
        assert_eq!("2x".parse::<Pace>().unwrap().to_string(), "recorded at 2x");
        assert!("soon".parse::<Pace>().unwrap_err().contains("recorded"));
    }

    proptest! {
        #[test]
        fn due_times_never_decrease(mut stamps in prop::collection::vec(0_i64..100_000, 1..50), speed in 1_u32..9) {
            stamps.sort_unstable();
            let mut schedule = Schedule::new(format!("{speed}x").parse().unwrap(), Window::default());
            let mut last = Offset::ZERO;
            for at in stamps {
                if let Placed::Due(arrival) = schedule.place(request(at)) {
                    prop_assert!(arrival.due >= last);
                    last = arrival.due;
                }
            }
        }
    }
}

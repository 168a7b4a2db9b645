//! Rates that change: a profile of linear ramps, and its integral turned round.
//!
//! Arrivals are due when the integral of the rate reaches their place. The
//! integral at the seam of two ramps is kept as an exact integer, and within a
//! ramp the quadratic is solved from its slower end, where nothing cancels: due
//! times are right to a nanosecond in a profile of a day, and a seam neither
//! loses nor doubles an arrival.

use super::process::ArrivalPosition;
use downpour_core::units::{Offset, Rate, approximate, gcd, parse_duration};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// One `--stage`: from the rate before it to its own, linearly, in this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStage {
    /// How long it takes; nothing for a jump.
    pub length: Duration,
    /// The rate at its end; `None` for no arrivals.
    pub rate: Option<Rate>,
}

impl FromStr for RateStage {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (length, rate) = text
            .split_once(':')
            .ok_or("write TIME:RATE, such as 30s:1k/s: how long, and the rate at the end")?;
        let length = parse_duration(length).map_err(|error| error.to_string())?;
        let rate = match rate.trim() {
            "0" | "0/s" => None,
            rate => Some(
                rate.parse().map_err(|error: downpour_core::units::ParseQuantityError| error.to_string())?,
            ),
        };
        Ok(Self { length, rate })
    }
}

impl fmt::Display for RateStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rate {
            Some(rate) => write!(f, "{:?}:{rate}", self.length),
            None => write!(f, "{:?}:0/s", self.length),
        }
    }
}

/// Why stages make no profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Their integral is nothing.
    #[error("these stages send no request: give at least one a duration and a rate above 0")]
    Nothing,
    /// The sums do not fit into 128 bits.
    #[error("these stages are too long, or their rates have too many digits, to be added exactly")]
    TooFine,
}

/// A rate that changes linearly from stage to stage, beginning at 0.
///
/// Invariant: `ramps` lie end to end, in time and in arrivals.
///
/// ```
/// use downpour_load::schedule::profile::Profile;
///
/// let stages = ["10s:100/s", "5s:100/s"].map(|stage| stage.parse().unwrap());
/// let profile = Profile::new(stages.to_vec()).unwrap();
/// assert_eq!(profile.arrivals(), 1_000);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    stages: Arc<[RateStage]>,
    ramps: Arc<[Ramp]>,
    /// How many units of `Ramp::before` and `Ramp::area` make one arrival.
    unit: u64,
}

/// One stage in exact units. Rates are counts in a common number of
/// nanoseconds, which is half of `Profile::unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ramp {
    start_ns: u64,
    length_ns: u64,
    from: u64,
    to: u64,
    /// The integral up to its start.
    before: u128,
    /// The integral over it.
    area: u128,
}

impl Profile {
    /// The profile of these stages, in this order.
    pub fn new(stages: Vec<RateStage>) -> Result<Self, ProfileError> {
        let exact = || {
            let common = common_nanos(&stages)?;
            Some((ramps(&stages, common)?, common.checked_mul(2)?))
        };
        let (ramps, unit) = exact().ok_or(ProfileError::TooFine)?;
        let profile = Self { stages: stages.into(), ramps: ramps.into(), unit };
        if profile.arrivals() == 0 { Err(ProfileError::Nothing) } else { Ok(profile) }
    }

    /// The stages it was made from.
    pub fn stages(&self) -> &[RateStage] {
        &self.stages
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        let end = self.ramps.last().map_or(0, |last| last.start_ns + last.length_ns);
        Duration::from_nanos(end)
    }

    /// How many evenly spaced arrivals it has: the integral, rounded down.
    pub fn arrivals(&self) -> u64 {
        let total = self.ramps.last().map_or(0, |last| last.before + last.area);
        u64::try_from(total / u128::from(self.unit)).unwrap_or(u64::MAX)
    }

    /// The highest rate, in arrivals a second.
    pub fn peak_per_second(&self) -> f64 {
        self.stages.iter().filter_map(|stage| stage.rate).map(Rate::per_second_f64).fold(0.0, f64::max)
    }

    /// When the integral of the rate reaches `place`; `None` if it never does.
    pub fn due(&self, place: ArrivalPosition) -> Option<Offset> {
        let unit = u128::from(self.unit);
        let wanted = u128::from(place.whole) * unit + ((u128::from(place.part) * unit) >> 64);
        let index = self.ramps.partition_point(|ramp| ramp.before + ramp.area < wanted);
        Some(self.ramps.get(index)?.due(wanted))
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stages")?;
        self.stages.iter().try_for_each(|stage| write!(f, " {stage}"))
    }
}

impl Ramp {
    /// When the integral reaches `wanted`, which lies in this ramp.
    fn due(&self, wanted: u128) -> Offset {
        let inside = wanted.saturating_sub(self.before);
        let since_start = if self.from <= self.to {
            self.time_from_slow_end(inside, (self.from, self.to))
        } else {
            let left = self.time_from_slow_end(self.area.saturating_sub(inside), (self.to, self.from));
            self.length_ns.saturating_sub(left)
        };
        Offset::from_nanos(self.start_ns.saturating_add(since_start.min(self.length_ns)))
    }

    /// How far from its slower end the ramp has gathered `area`: the solution s
    /// of `2·slow·s + (fast - slow)·s²/length = area`, in the form whose terms
    /// are all positive.
    fn time_from_slow_end(&self, area: u128, (slow, fast): (u64, u64)) -> u64 {
        if slow == fast {
            let nanos = area.checked_div(2 * u128::from(slow)).unwrap_or(0);
            return u64::try_from(nanos).unwrap_or(u64::MAX);
        }
        let area = wide(area);
        let linear = 2.0 * approximate(slow);
        let quadratic = approximate(fast - slow) / approximate(self.length_ns);
        let root = (linear * linear + 4.0 * quadratic * area).sqrt();
        whole_nanos(2.0 * area / (linear + root))
    }
}

/// The nanoseconds in which every rate is a whole count.
fn common_nanos(stages: &[RateStage]) -> Option<u64> {
    stages.iter().filter_map(|stage| stage.rate).try_fold(1_u64, |common, rate| {
        let (_, nanos) = in_lowest_terms(rate);
        common.checked_mul(nanos / gcd(common, nanos))
    })
}

/// A count, and the least number of nanoseconds that it is whole in.
fn in_lowest_terms(rate: Rate) -> (u64, u64) {
    let (count, nanos) = rate.fraction();
    let common = gcd(count, nanos);
    (count / common, nanos / common)
}

/// The stages in units of `common` nanoseconds, each behind the one before.
fn ramps(stages: &[RateStage], common: u64) -> Option<Vec<Ramp>> {
    let mut ramps = Vec::with_capacity(stages.len());
    let (mut start_ns, mut from, mut before) = (0_u64, 0, 0_u128);
    for stage in stages {
        let length_ns = u64::try_from(stage.length.as_nanos()).ok()?;
        let to = stage.rate.map_or(Some(0), |rate| {
            let (count, nanos) = in_lowest_terms(rate);
            count.checked_mul(common / nanos)
        })?;
        let area = (u128::from(from) + u128::from(to)).checked_mul(u128::from(length_ns))?;
        // A jump takes no time and gathers nothing.
        if length_ns > 0 {
            ramps.push(Ramp { start_ns, length_ns, from, to, before, area });
        }
        start_ns = start_ns.checked_add(length_ns)?;
        before = before.checked_add(area)?;
        from = to;
    }
    Some(ramps)
}

#[expect(clippy::cast_precision_loss, reason = "an error of 2^-53 is below a nanosecond in a day")]
const fn wide(area: u128) -> f64 {
    area as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "this cast saturates")]
const fn whole_nanos(nanos: f64) -> u64 {
    nanos as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::units::NANOS_PER_SECOND;
    use proptest::prelude::*;

    fn profile(stages: &str) -> Profile {
        Profile::new(stages.split(' ').map(|stage| stage.parse().unwrap()).collect()).unwrap()
    }

    fn due(profile: &Profile, whole: u64) -> Option<u64> {
        profile.due(ArrivalPosition { whole, part: 0 }).map(Offset::as_nanos)
    }

    #[track_caller]
    fn check(stages: &str, arrivals: u64, dues_ms: &[(u64, u64)]) {
        let profile = profile(stages);
        assert_eq!(profile.arrivals(), arrivals, "{stages}");
        for &(whole, at_ms) in dues_ms {
            let found = due(&profile, whole).unwrap();
            assert!(found.abs_diff(at_ms * 1_000_000) <= 1, "{stages}: {whole} at {found} ns");
        }
        assert!(due(&profile, arrivals).is_some() && due(&profile, arrivals + 1).is_none(), "{stages}");
    }

    #[test]
    fn stages_begin_at_the_rate_of_the_one_before() {
        // A ramp from 0 has gathered a quarter at half its time.
        check("10s:100/s", 500, &[(5, 1_000), (125, 5_000), (500, 10_000)]);
        check("0s:100/s 10s:100/s", 1_000, &[(1, 10), (1_000, 10_000)]);
        check("10s:100/s 10s:100/s", 1_500, &[(500, 10_000), (501, 10_010), (1_500, 20_000)]);
        check("0s:100/s 10s:0", 500, &[(95, 1_000), (500, 10_000)]);
        check("10s:100/s 10s:0/s", 1_000, &[(500, 10_000), (875, 15_000), (1_000, 20_000)]);
        check("0s:100/s 1s:100/s 5s:0 0s:0 4s:0 0s:10/s 1s:10/s", 360, &[(351, 10_100)]);
    }

    #[test]
    fn the_count_is_the_integral_rounded_down() {
        check("0s:1/7s 7s:1/7s", 1, &[(1, 7_000)]);
        check("0s:100/7s 7s:100/7s", 100, &[(7, 490), (100, 7_000)]);
        check("0s:1/7s 13999ms:1/7s", 1, &[(1, 7_000)]);
    }

    #[test]
    fn a_day_is_right_to_a_nanosecond() {
        // Its integral at time t, in arrivals: 4700 t² / 2 / day, and the same
        // from the other end.
        let day_ns: u128 = 86_400_000_000_000;
        let total: u128 = 203_040_000;
        for whole in [1, 2, 1_000, 101_520_000, total - 1_000, total - 1, total] {
            // The exact time of a ramp up, rounded down, by integer square root.
            let up = (whole * day_ns * day_ns / total).isqrt();
            let down = day_ns - ((total - whole) * day_ns * day_ns / total).isqrt();
            for (stages, exact) in [("24h:4.7k/s", up), ("0s:4.7k/s 24h:0", down)] {
                let found = due(&profile(stages), u64::try_from(whole).unwrap()).unwrap();
                assert!(u128::from(found).abs_diff(exact) <= 1, "{stages}: {whole} at {found}, not {exact}");
            }
        }
    }

    #[test]
    fn what_is_no_stage_or_profile_is_refused() {
        for wrong in ["", "30s", ":", "30s:", "30s:fast", "soon:1/s", "-1s:1/s"] {
            assert!(wrong.parse::<RateStage>().is_err(), "{wrong}");
        }
        let of = |stages: &[&str]| {
            Profile::new(stages.iter().map(|stage| stage.parse().unwrap()).collect()).map(|p| p.arrivals())
        };
        assert_eq!(of(&[]), Err(ProfileError::Nothing));
        assert_eq!(of(&["10s:0"]), Err(ProfileError::Nothing));
        assert_eq!(of(&["0s:100/s"]), Err(ProfileError::Nothing));
        assert_eq!(of(&["1s:1/9999991s", "1s:1/9999973s"]), Err(ProfileError::TooFine));
    }

    #[test]
    fn profiles_print_as_they_were_written() {
        assert_eq!(profile("30s:1k/s 0s:50 1s:0").to_string(), "stages 30s:1000/s 0ns:50/s 1s:0/s");
    }

    fn stages() -> impl Strategy<Value = Vec<RateStage>> {
        let stage = (0..20_000_u64, 0..500_u64, 1..5_u64).prop_map(|(ms, count, per)| RateStage {
            length: Duration::from_millis(ms),
            rate: std::num::NonZeroU64::new(count)
                .zip(std::num::NonZeroU64::new(per * NANOS_PER_SECOND))
                .map(|(count, nanos)| Rate::new(count, nanos)),
        });
        prop::collection::vec(stage, 1..6)
    }

    proptest! {
        #[test]
        fn due_times_ascend_and_there_are_as_many_as_the_integral_says(stages in stages()) {
            let length: Duration = stages.iter().map(|stage| stage.length).sum();
            let mut rate = 0.0;
            let mut integral = 0.0;
            for stage in &stages {
                let next = stage.rate.map_or(0.0, Rate::per_second_f64);
                integral += f64::midpoint(rate, next) * stage.length.as_secs_f64();
                rate = next;
            }
            let Ok(profile) = Profile::new(stages) else { return Ok(()) };
            prop_assert!((approximate(profile.arrivals()) - integral).abs() < 1.001);
            let dues: Vec<_> = (1..).map_while(|whole| due(&profile, whole)).collect();
            prop_assert_eq!(dues.len() as u64, profile.arrivals());
            prop_assert!(dues.is_sorted());
            prop_assert!(dues.iter().all(|&at| Duration::from_nanos(at) <= length));
        }
    }
}

//! Arrival processes at unit rate: how many arrivals lie before each one.
//!
//! A process knows nothing of time. It gives each arrival a place on the axis of
//! expected arrivals, and a rate or a profile says when the integral of the
//! rate reaches that place. Mapping a unit-rate Poisson process through the
//! integral gives a Poisson process of exactly that changing rate.
//!
//! Draws are made by comparing integers, without a logarithm, so they are the
//! same on every machine.

use downpour_core::seed::random_key;
use downpour_core::units::{Offset, Rate};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// How arrivals lie around the rate they follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spacing {
    /// One whenever the integral of the rate reaches a whole number.
    #[default]
    Uniform,
    /// With independent, exponentially distributed gaps: as those of many
    /// clients that know nothing of each other.
    Poisson,
}

/// A place on the axis of expected arrivals: a fixed-point number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArrivalPosition {
    /// Whole arrivals.
    pub whole: u64,
    /// What is left, in parts of 2^64.
    pub part: u64,
}

impl ArrivalPosition {
    fn plus(self, gap: Self) -> Self {
        let (part, carry) = self.part.overflowing_add(gap.part);
        let whole = self.whole.saturating_add(gap.whole).saturating_add(u64::from(carry));
        Self { whole, part }
    }
}

/// Places of arrivals, one after the other.
#[derive(Clone, Debug)]
pub struct Process {
    position: ArrivalPosition,
    gaps: Gaps,
}

#[derive(Clone, Debug)]
enum Gaps {
    Unit,
    Exponential(Box<ChaCha8Rng>),
}

/// Keeps these random numbers apart from others of the same seed.
const PROCESS: &[u8; 8] = b"arrivals";

impl Process {
    /// Evenly spaced, the first at `first`.
    pub fn uniform(first: u64) -> Self {
        Self { position: ArrivalPosition { whole: first, part: 0 }, gaps: Gaps::Unit }
    }

    /// A Poisson process of rate one.
    pub fn poisson(seed: u64) -> Self {
        let mut process = Self {
            position: ArrivalPosition::default(),
            gaps: Gaps::Exponential(Box::new(ChaCha8Rng::from_seed(random_key(seed, *PROCESS)))),
        };
        process.advance();
        process
    }

    /// Where the next arrival lies.
    pub fn position(&self) -> ArrivalPosition {
        self.position
    }

    /// Goes on to the one after it.
    pub fn advance(&mut self) {
        let gap = match &mut self.gaps {
            Gaps::Unit => ArrivalPosition { whole: 1, part: 0 },
            Gaps::Exponential(random) => exponential(&mut **random),
        };
        self.position = self.position.plus(gap);
    }
}

/// When arrivals at a constant rate reach `place`, rounded down to a nanosecond.
pub fn due_at_rate(rate: Rate, place: ArrivalPosition) -> Offset {
    let (count, nanos) = rate.fraction();
    let within = (u128::from(place.part) * u128::from(nanos)) >> 64;
    let scaled = (u128::from(place.whole) * u128::from(nanos)).saturating_add(within);
    Offset::from_nanos(u64::try_from(scaled / u128::from(count)).unwrap_or(u64::MAX))
}

/// An exponentially distributed draw with mean one, by von Neumann's method:
/// uniform draws are compared as long as each is below the one before. If their
/// run has an odd length, the first of them is the fraction; if not, the whole
/// part grows by one and a new run begins. Exact, but for the 64 bits of a draw.
pub fn exponential(random: &mut impl Rng) -> ArrivalPosition {
    let mut whole = 0;
    loop {
        let part = random.next_u64();
        let (mut last, mut is_odd) = (part, true);
        loop {
            let next = random.next_u64();
            if next >= last {
                break;
            }
            (last, is_odd) = (next, !is_odd);
        }
        if is_odd {
            return ArrivalPosition { whole, part };
        }
        whole += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::units::approximate;

    fn places(mut process: Process, count: usize) -> Vec<ArrivalPosition> {
        let next = || {
            let place = process.position();
            process.advance();
            place
        };
        std::iter::repeat_with(next).take(count).collect()
    }

    fn as_f64(place: ArrivalPosition) -> f64 {
        approximate(place.whole) + approximate(place.part) / 2_f64.powi(64)
    }

    #[test]
    fn uniform_arrivals_are_one_apart() {
        let wholes: Vec<u64> = places(Process::uniform(1), 3).iter().map(|place| place.whole).collect();
        assert_eq!(wholes, [1, 2, 3]);
    }

    #[test]
    fn a_constant_rate_is_reached_between_whole_arrivals_too() {
        let half = ArrivalPosition { whole: 4_700, part: 1 << 63 };
        assert_eq!(due_at_rate("4.7k/s".parse().unwrap(), half).as_nanos(), 1_000_106_382);
        let third: Rate = "3/s".parse().unwrap();
        for whole in [0, 1, 2, 1_000_000_007] {
            assert_eq!(due_at_rate(third, ArrivalPosition { whole, part: 0 }), third.due(whole));
        }
    }

    #[test]
    fn places_carry() {
        let almost = ArrivalPosition { whole: 1, part: u64::MAX };
        assert_eq!(almost.plus(ArrivalPosition { whole: 2, part: 3 }), ArrivalPosition { whole: 4, part: 2 });
    }

    #[test]
    fn a_seed_gives_the_same_arrivals_again() {
        assert_eq!(places(Process::poisson(7), 100), places(Process::poisson(7), 100));
        assert_ne!(places(Process::poisson(7), 100), places(Process::poisson(8), 100));
        assert!(places(Process::poisson(7), 10_000).is_sorted());
    }

    #[test]
    fn gaps_are_exponentially_distributed() {
        const COUNT: usize = 100_000;
        let places = places(Process::poisson(1), COUNT);
        let mut gaps: Vec<f64> = places.windows(2).map(|pair| as_f64(pair[1]) - as_f64(pair[0])).collect();
        gaps.sort_unstable_by(f64::total_cmp);
        // The largest distance of the empirical distribution from 1 - e^-x,
        // which Kolmogorov's test at 0.1 % bounds by 1.95 / sqrt(n).
        let distance = |(index, gap): (usize, &f64)| {
            (approximate(index as u64) / approximate(COUNT as u64) - (1.0 - (-gap).exp())).abs()
        };
        let worst = gaps.iter().enumerate().map(distance).fold(0.0, f64::max);
        assert!(worst < 1.95 / approximate(COUNT as u64).sqrt(), "{worst}");
    }
}

//! How long a client waits before it tries again.
//!
//! A model's delays are a list: a formula is only a shorter way to write one,
//! and is spelled out when the model is read. Jitter is drawn around the delay
//! of the list, by comparing whole microseconds, so that a seed gives the same
//! waits on every machine.

use downpour_core::units::{Factor, Share};
use rand_chacha::rand_core::Rng;
use std::time::Duration;

/// The longest that a model waits of its own accord.
pub const DELAY_MAX: Duration = Duration::from_hours(1);

/// The longest wait that a model may accept from a `Retry-After`.
pub const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// A length of time in whole microseconds, at most [`DELAY_MAX`], so that it
/// fits 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delay(u32);

impl Delay {
    /// No wait.
    pub const ZERO: Self = Self(0);

    /// The delay of that length; `None` beyond [`DELAY_MAX`].
    pub fn new(length: Duration) -> Option<Self> {
        Some(length).filter(|length| *length <= DELAY_MAX).map(Self::at_most)
    }

    /// The delay of that length, or [`DELAY_MAX`].
    pub(super) fn at_most(length: Duration) -> Self {
        u32::try_from(length.min(DELAY_MAX).as_micros()).map_or(Self::ZERO, Self)
    }

    /// The same as a standard duration.
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.0 as u64)
    }

    pub(super) const fn as_micros(self) -> u32 {
        self.0
    }

    /// This delay divided by `factor`.
    pub(super) fn time_scaled(self, factor: Factor) -> Self {
        Self::of(factor.shrink(u64::from(self.0)))
    }

    fn of(micros: u64) -> Self {
        Self::at_most(Duration::from_micros(micros))
    }

    /// This delay `factor` times, at most `cap`.
    pub(super) fn times(self, factor: f64, cap: Self) -> Self {
        let long = self.as_duration().as_secs_f64() * factor;
        Duration::try_from_secs_f64(long).map_or(cap, |long| Self::at_most(long).min(cap))
    }
}

/// How a delay is spread, so that clients that failed together do not come back
/// together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Only before the first retry: the delay and up to this much more.
    FirstOnly(Delay),
    /// Anything from nothing to the delay.
    Full,
    /// Half of the delay, and up to as much again.
    Equal,
    /// Anything from `base` to `factor` times the wait before, at most `cap`.
    Decorrelated {
        /// The shortest wait, and what the first is drawn from.
        base: Delay,
        /// What the wait before is multiplied by; 3 in the original.
        factor: f64,
        /// The longest wait.
        cap: Delay,
    },
    /// Anything from this to the delay.
    Bounded(Delay),
    /// The delay, up to this part of it shorter or longer.
    Share(Share),
    /// The delay and up to this much more, each time.
    Additive(Delay),
}

impl Jitter {
    /// The shortest and the longest wait before retry `number`, counted from 1,
    /// when the list says `nominal` and the wait before was `previous`.
    pub fn range(self, number: u8, nominal: Delay, previous: Delay) -> (Delay, Delay) {
        let micros = u64::from(nominal.0);
        let longer = |more: Delay| (nominal, Delay::of(micros + u64::from(more.0)));
        match self {
            Self::FirstOnly(more) if number == 1 => longer(more),
            Self::None | Self::FirstOnly(_) => (nominal, nominal),
            Self::Full => (Delay::ZERO, nominal),
            Self::Equal => (Delay::of(micros - micros / 2), nominal),
            Self::Decorrelated { base, factor, cap } => {
                (base.min(cap), previous.max(base).times(factor, cap))
            }
            Self::Bounded(shortest) => (shortest.min(nominal), nominal),
            Self::Share(share) => {
                let part = micros * u64::from(share.ppm()) / 1_000_000;
                (Delay::of(micros - part), Delay::of(micros + part))
            }
            Self::Additive(more) => longer(more),
        }
    }

    /// The same around delays that are divided by `factor`.
    pub(super) fn time_scaled(self, factor: Factor) -> Self {
        match self {
            Self::None | Self::Full | Self::Equal | Self::Share(_) => self,
            Self::FirstOnly(more) => Self::FirstOnly(more.time_scaled(factor)),
            Self::Decorrelated { base, factor: growth, cap } => Self::Decorrelated {
                base: base.time_scaled(factor),
                factor: growth,
                cap: cap.time_scaled(factor),
            },
            Self::Bounded(shortest) => Self::Bounded(shortest.time_scaled(factor)),
            Self::Additive(more) => Self::Additive(more.time_scaled(factor)),
        }
    }

    /// One such wait.
    pub(super) fn draw(self, number: u8, nominal: Delay, previous: Delay, random: &mut impl Rng) -> Delay {
        let (low, high) = self.range(number, nominal, previous);
        if high <= low {
            return low;
        }
        // The high half of the product scales the draw without a remainder's
        // bias; the span is below 2^32, so it fits.
        let span = u128::from(high.0 - low.0) + 1;
        let drawn = (u128::from(random.next_u64()) * span) >> 64;
        Delay(low.0 + u32::try_from(drawn).unwrap_or(0))
    }
}

/// The delays before the first retry, the second, and so on; the last one
/// stands for all that come after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delays(Box<[Delay]>);

impl Delays {
    pub(super) fn list(delays: Vec<Delay>) -> Self {
        Self(delays.into())
    }

    /// `base`, then each delay `factor` times the one before, none above `cap`.
    pub(super) fn growing(base: Delay, factor: f64, cap: Delay, retries: u8) -> Self {
        let next = |delay: &Delay| Some(delay.times(factor, cap));
        Self(std::iter::successors(Some(base.min(cap)), next).take(usize::from(retries)).collect())
    }

    /// The same, each divided by `factor`.
    pub(super) fn time_scaled(&self, factor: Factor) -> Self {
        Self(self.0.iter().map(|delay| delay.time_scaled(factor)).collect())
    }

    /// The delay before retry `number`, counted from 1.
    pub fn before(&self, number: u8) -> Delay {
        let index = usize::from(number.max(1)) - 1;
        self.0.get(index).or_else(|| self.0.last()).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn ms(ms: u64) -> Delay {
        Delay::new(Duration::from_millis(ms)).unwrap()
    }

    #[test]
    fn a_list_ends_with_its_last_delay_for_ever() {
        let delays = Delays::list(vec![ms(500), ms(3_500)]);
        let of: Vec<Delay> = (1..=4).map(|number| delays.before(number)).collect();
        assert_eq!(of, [ms(500), ms(3_500), ms(3_500), ms(3_500)]);
        assert_eq!(Delays::default().before(1), Delay::ZERO);
    }

    #[test]
    fn a_formula_is_a_list() {
        let delays = Delays::growing(ms(1_000), 2.0, ms(5_000), 4);
        assert_eq!(delays, Delays::list(vec![ms(1_000), ms(2_000), ms(4_000), ms(5_000)]));
        assert_eq!(Delays::growing(ms(10), 1e300, ms(70), 3).before(3), ms(70));
    }

    #[test]
    fn a_delay_has_a_limit() {
        assert_eq!(Delay::new(DELAY_MAX + Duration::from_nanos(1)), None);
        assert_eq!(Delay::at_most(Duration::MAX).as_duration(), DELAY_MAX);
    }

    #[track_caller]
    fn check(jitter: Jitter, number: u8, expected: (u64, u64)) {
        let (low, high) = jitter.range(number, ms(1_000), ms(400));
        assert_eq!((low, high), (ms(expected.0), ms(expected.1)), "{jitter:?}");
    }

    #[test]
    fn each_kind_has_its_range() {
        check(Jitter::None, 1, (1_000, 1_000));
        check(Jitter::FirstOnly(ms(300)), 1, (1_000, 1_300));
        check(Jitter::FirstOnly(ms(300)), 2, (1_000, 1_000));
        check(Jitter::Full, 2, (0, 1_000));
        check(Jitter::Equal, 2, (500, 1_000));
        check(Jitter::Decorrelated { base: ms(100), factor: 3.0, cap: ms(2_000) }, 2, (100, 1_200));
        check(Jitter::Decorrelated { base: ms(100), factor: 3.0, cap: ms(700) }, 2, (100, 700));
        check(Jitter::Bounded(ms(250)), 2, (250, 1_000));
        check(Jitter::Bounded(ms(2_000)), 2, (1_000, 1_000));
        check(Jitter::Share("25%".parse().unwrap()), 2, (750, 1_250));
        check(Jitter::Additive(ms(100)), 2, (1_000, 1_100));
    }

    fn any_delay() -> impl Strategy<Value = Delay> {
        (0..=3_600_000_000_u64).prop_map(Delay::of)
    }

    fn any_jitter() -> impl Strategy<Value = Jitter> {
        prop_oneof![
            Just(Jitter::None),
            any_delay().prop_map(Jitter::FirstOnly),
            Just(Jitter::Full),
            Just(Jitter::Equal),
            (any_delay(), 1.0..100.0, any_delay()).prop_map(|(base, factor, cap)| Jitter::Decorrelated {
                base,
                factor,
                cap
            }),
            any_delay().prop_map(Jitter::Bounded),
            (1..=1_000_000_u32).prop_map(|ppm| Jitter::Share(Share::from_ppm(ppm).unwrap())),
            any_delay().prop_map(Jitter::Additive),
        ]
    }

    proptest! {
        #[test]
        fn a_draw_lies_in_its_range_and_a_seed_gives_it_again(
            jitter in any_jitter(), number in 1..=100_u8, nominal in any_delay(), previous in any_delay(), seed: u64,
        ) {
            let draw = || jitter.draw(number, nominal, previous, &mut ChaCha8Rng::seed_from_u64(seed));
            let (low, high) = jitter.range(number, nominal, previous);
            prop_assert!(low <= high);
            prop_assert!((low..=high).contains(&draw()));
            prop_assert!(high.as_duration() <= DELAY_MAX);
            prop_assert_eq!(draw(), draw());
        }

        #[test]
        fn an_average_draw_lies_in_the_middle(jitter in any_jitter(), nominal in any_delay(), seed: u64) {
            const DRAWS: u32 = 2_000;
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (low, high) = jitter.range(1, nominal, nominal);
            let sum: f64 = (0..DRAWS).map(|_| f64::from(jitter.draw(1, nominal, nominal, &mut random).0)).sum();
            let middle = f64::midpoint(f64::from(low.0), f64::from(high.0));
            // Six standard errors of a uniform mean, and the rounding.
            let error = 6.0 * f64::from(high.0 - low.0) / (12.0 * f64::from(DRAWS)).sqrt() + 1.0;
            prop_assert!((sum / f64::from(DRAWS) - middle).abs() <= error);
        }
    }
}

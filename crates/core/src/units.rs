//! Quantities with their unit in the type: offsets from the start of a run,
//! wall-clock stamps of a log, rates.
//!
//! Everything is integer arithmetic in nanoseconds. A rate is kept as the exact
//! fraction it was written as, so that `4.7k/s` loses nothing in a run of any
//! length; due times are computed in 128 bits, because a 64-bit product of
//! count and nanoseconds overflows after eighteen minutes at 4,700 a second.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

const SECOND: NonZeroU64 = NonZeroU64::new(NANOS_PER_SECOND).expect("a second is not empty");

/// A count as a floating-point number, for ratios and display only: exact up to
/// 2^53.
#[expect(clippy::cast_precision_loss, reason = "ratios are rounded anyway")]
pub const fn approximate(count: u64) -> f64 {
    count as f64
}

/// A count with its thousands set apart by commas.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A point in time of a run, in nanoseconds since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

impl Offset {
    /// The start of the run.
    pub const ZERO: Self = Self(0);

    /// The offset `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// The second of the run this offset lies in: 0 for the first.
    pub const fn second(self) -> u64 {
        self.0 / NANOS_PER_SECOND
    }

    /// The same as a standard duration since the start.
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// Nanoseconds from `earlier` to `self`; 0 where `earlier` is later.
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This offset, `delay` later; the end of time where that would overflow.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl From<Duration> for Offset {
    fn from(since_start: Duration) -> Self {
        Self::ZERO.after(since_start)
    }
}

/// An instant of wall-clock time: nanoseconds since 1970-01-01T00:00:00Z.
///
/// Signed 64 bits reach from 1677 to 2262. Log stamps outside that range are
/// rejected when they are parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(i64);

impl Stamp {
    /// The stamp `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn epoch_second(self) -> i64 {
        self.0.div_euclid(NANOS_PER_SECOND.cast_signed())
    }

    /// Nanoseconds from `earlier` to `self`; 0 where `earlier` is later.
    pub fn nanos_since(self, earlier: Self) -> u64 {
        u64::try_from(i128::from(self.0) - i128::from(earlier.0)).unwrap_or(0)
    }

    /// This stamp moved by `nanos`, which may be negative; saturates.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// How many things happen in how much time, kept as an exact fraction.
///
/// ```
/// use downpour_core::units::Rate;
///
/// let rate: Rate = "4.7k/s".parse().unwrap();
/// assert_eq!(rate, "4700".parse().unwrap());
/// assert_eq!(rate.due(4_700).as_nanos(), 1_000_000_000);
/// assert!("fast".parse::<Rate>().is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    count: NonZeroU64,
    nanos: NonZeroU64,
}

impl Rate {
    /// `count` in every `nanos` nanoseconds.
    pub const fn new(count: NonZeroU64, nanos: NonZeroU64) -> Self {
        Self { count, nanos }
    }

    /// `count` a second.
    pub const fn per_second(count: NonZeroU64) -> Self {
        Self { count, nanos: SECOND }
    }

    /// How many, in every how many nanoseconds.
    pub const fn fraction(self) -> (u64, u64) {
        (self.count.get(), self.nanos.get())
    }

    /// When the arrival with number `n`, counted from 0, is due.
    ///
    /// Always computed from the start, never from arrival `n - 1`: timers wake
    /// late, and lateness must not add up. Rounded down to a nanosecond;
    /// saturates after 584 years.
    pub fn due(self, n: u64) -> Offset {
        let nanos = u128::from(n) * u128::from(self.nanos.get()) / u128::from(self.count.get());
        Offset::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many arrivals are due before `end`, the first being due at 0.
    pub fn due_before(self, end: Offset) -> u64 {
        let product = u128::from(end.as_nanos()) * u128::from(self.count.get());
        let arrivals = product.div_ceil(u128::from(self.nanos.get()));
        u64::try_from(arrivals).unwrap_or(u64::MAX)
    }

    /// This rate `factor` times over, exact but where that does not fit.
    #[must_use]
    pub fn times(self, factor: Factor) -> Self {
        let count = u128::from(self.count.get()) * u128::from(factor.numerator.get());
        let nanos = u128::from(self.nanos.get()) * u128::from(factor.denominator.get());
        let beyond = (count.max(nanos) >> 64) as u64;
        // Both lose as many bits as the larger one has too many.
        let lost = u64::BITS - beyond.leading_zeros();
        let fitting = |product: u128| {
            u64::try_from(product >> lost).ok().and_then(NonZeroU64::new).unwrap_or(NonZeroU64::MIN)
        };
        Self { count: fitting(count), nanos: fitting(nanos) }
    }

    /// The same rate as a floating-point number, for display only.
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    pub fn per_second_f64(self) -> f64 {
        self.count.get() as f64 * NANOS_PER_SECOND as f64 / self.nanos.get() as f64
    }
}

impl PartialEq for Rate {
    fn eq(&self, other: &Self) -> bool {
        let cross = |a: &Self, b: &Self| u128::from(a.count.get()) * u128::from(b.nanos.get());
        cross(self, other) == cross(other, self)
    }
}

impl Eq for Rate {}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.per_second_f64())
    }
}

/// Text that was to be a quantity and is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}; write it like {forms}")]
pub struct ParseQuantityError {
    text: String,
    what: &'static str,
    forms: &'static str,
}

const RATE_FORMS: &str = "4700, 4.7k/s, 280k/m or 50/1s";
const COUNT_FORMS: &str = "1000, 10k or 1.5m";
const DURATION_FORMS: &str = "500ms, 20s, 13m or 1h30m";
const SHARE_FORMS: &str = "25% or 0.5%, up to 100%";
const FACTOR_FORMS: &str = "2x, 0.5x or 2";

impl FromStr for Rate {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_rate(text).ok_or_else(|| ParseQuantityError {
            text: text.to_owned(),
            what: "rate",
            forms: RATE_FORMS,
        })
    }
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (count, per) = text.split_once('/').unwrap_or((text, "s"));
    let (numerator, denominator) = decimal(count.trim())?;
    let digits = per.trim_start_matches(|c: char| c.is_ascii_digit());
    let times: u64 = match per.strip_suffix(digits)? {
        "" => 1,
        number => number.parse().ok()?,
    };
    let unit: u64 = match digits {
        "ms" => 1_000_000,
        "s" => NANOS_PER_SECOND,
        "m" | "min" => 60 * NANOS_PER_SECOND,
        "h" => 3_600 * NANOS_PER_SECOND,
        _ => return None,
    };
    let nanos = unit.checked_mul(times)?.checked_mul(denominator)?;
    Some(Rate::new(NonZeroU64::new(numerator)?, NonZeroU64::new(nanos)?))
}

/// `1.5k` as the fraction 1500/1: digits, at most one point, at most one of
/// the suffixes k, m and g (thousand, million, thousand million).
pub fn decimal(text: &str) -> Option<(u64, u64)> {
    let scale = match text.as_bytes().last()? {
        b'k' | b'K' => 1_000,
        b'm' | b'M' => 1_000_000,
        b'g' | b'G' => 1_000_000_000,
        _ => 1,
    };
    let number = if scale == 1 { text } else { text.get(..text.len() - 1)? };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !all_digits(whole) || !all_digits(part) || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let denominator = 10_u64.checked_pow(u32::try_from(part.len()).ok()?)?;
    let digits: u64 = format!("{whole}{part}").parse().ok()?;
    let numerator = digits.checked_mul(scale)?;
    let common = gcd(numerator, denominator);
    Some((numerator / common, denominator / common))
}

/// The greatest common divisor; 1 for two zeros.
pub fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// Parses a count such as `1000`, `10k` or `1.5m`.
pub fn parse_count(text: &str) -> Result<u64, ParseQuantityError> {
    match decimal(text.trim()) {
        Some((count, 1)) => Ok(count),
        Some(_) | None => {
            Err(ParseQuantityError { text: text.to_owned(), what: "whole number", forms: COUNT_FORMS })
        }
    }
}

/// Parses a length of time such as `500ms`, `20s` or `1h30m`; a bare number is
/// in seconds.
pub fn parse_duration(text: &str) -> Result<Duration, ParseQuantityError> {
    let wrong = || ParseQuantityError { text: text.to_owned(), what: "duration", forms: DURATION_FORMS };
    if let Some((numerator, denominator)) = decimal(text.trim())
        && text.trim().bytes().all(|b| b.is_ascii_digit() || b == b'.')
    {
        let nanos = u128::from(numerator) * u128::from(NANOS_PER_SECOND) / u128::from(denominator);
        return u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| wrong());
    }
    let signed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
    Duration::try_from(signed).map_err(|_| wrong())
}

/// A positive factor, exact: `2x` is twice as fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    numerator: NonZeroU64,
    denominator: NonZeroU64,
}

impl Factor {
    /// No change.
    pub const ONE: Self = Self { numerator: NonZeroU64::MIN, denominator: NonZeroU64::MIN };

    /// The same as a floating-point number, for display only.
    #[expect(clippy::cast_precision_loss, reason = "for display only")]
    pub fn as_f64(self) -> f64 {
        self.numerator.get() as f64 / self.denominator.get() as f64
    }

    /// Its whole part, and what is left in parts of a million, where that is
    /// anything.
    pub fn split(self) -> (u64, Option<Share>) {
        let (whole, rest) =
            (self.numerator.get() / self.denominator, self.numerator.get() % self.denominator);
        let millionths = u128::from(rest) * u128::from(Share::ALL.0) / u128::from(self.denominator.get());
        (whole, u32::try_from(millionths).ok().and_then(Share::from_ppm))
    }

    /// `count` this many times, rounded down.
    pub fn stretch(self, count: u64) -> u64 {
        let scaled =
            u128::from(count) * u128::from(self.numerator.get()) / u128::from(self.denominator.get());
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// `nanos` divided by this factor: what a recorded gap becomes when it is
    /// played that many times as fast.
    pub fn shrink(self, nanos: u64) -> u64 {
        let scaled =
            u128::from(nanos) * u128::from(self.denominator.get()) / u128::from(self.numerator.get());
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }
}

impl FromStr for Factor {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().trim_end_matches(['x', 'X']);
        decimal(number)
            .filter(|_| number.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
            .and_then(|(n, d)| {
                Some(Self { numerator: NonZeroU64::new(n)?, denominator: NonZeroU64::new(d)? })
            })
            .ok_or_else(|| ParseQuantityError { text: text.to_owned(), what: "factor", forms: FACTOR_FORMS })
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", self.as_f64())
    }
}

/// A share of a whole, such as 25%: parts of a million, never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// The whole.
    pub const ALL: Self = Self(1_000_000);

    /// `parts` of a million; `None` for nothing and for more than everything.
    pub const fn from_ppm(parts: u32) -> Option<Self> {
        if parts == 0 || parts > Self::ALL.0 { None } else { Some(Self(parts)) }
    }

    /// Parts of a million.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// The same as a number between 0 and 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ALL.0)
    }

    /// Whether the point of the unit interval that `hash` stands for lies in
    /// the share.
    pub const fn includes(self, hash: u64) -> bool {
        // The high half of a 64 by 64 bit product scales without a remainder's
        // bias.
        let millionth = (hash as u128 * Self::ALL.0 as u128) >> 64;
        millionth < self.0 as u128
    }
}

impl FromStr for Share {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseQuantityError { text: text.to_owned(), what: "share", forms: SHARE_FORMS };
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || whole.len() > 3 || part.len() > 4 {
            return Err(wrong());
        }
        // A percent is ten thousand parts of a million: four decimal places.
        let ppm = format!("{whole}{part:0<4}").parse().map_err(|_| wrong())?;
        Self::from_ppm(ppm).ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        if part == 0 {
            return write!(f, "{whole}%");
        }
        let part = format!("{part:04}");
        write!(f, "{whole}.{}%", part.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests;

//! How many of the answers a fault takes.
//!
//! A share is a whole number of parts per million, so that it prints as it was
//! typed and takes the same answers on every machine.

use super::PlanError;
use std::fmt;
use std::str::FromStr;

/// How many of the answers a fault takes, in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share(u32);

impl Share {
    /// Every answer.
    pub const ALL: Self = Self(1_000_000);

    /// `parts` of a million; `None` for nothing and for more than everything.
    pub const fn from_ppm(parts: u32) -> Option<Self> {
        if parts == 0 || parts > Self::ALL.0 { None } else { Some(Self(parts)) }
    }

    /// Whether the point of the unit interval that `hash` stands for lies in
    /// the share.
    pub(super) const fn takes(self, hash: u64) -> bool {
        // The high half of a 64 by 64 bit product scales without a remainder's
        // bias.
        let millionth = (hash as u128 * Self::ALL.0 as u128) >> 64;
        millionth < self.0 as u128
    }
}

impl FromStr for Share {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let wrong = || PlanError::Share(text.to_owned());
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

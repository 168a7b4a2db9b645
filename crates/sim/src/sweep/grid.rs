//! What is swept: the values of each axis, as they are typed.

use crate::scenario::Scenario;
use downpour_core::units::{Factor, Share, parse_duration};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Values that a range stands for.
const STEPS: u64 = 8;

/// The most values of an axis.
const VALUES_MAX: usize = 24;

/// The values of each axis: `load=0.5x..1.2x,drop=80%,duration=5s:9s:10s`.
///
/// A range stands for eight values, evenly spaced. An axis that is left out has
/// the scenario's own value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// How many times the scenario's load.
    pub loads: Vec<Factor>,
    /// How much capacity is lost.
    pub drops: Vec<Share>,
    /// For how long; ascending.
    pub lengths: Vec<Duration>,
}

/// Text that was to be a grid and is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GridError {
    /// No such axis.
    #[error("{0:?} is not an axis; write one or more of load=0.5x..1x,drop=50%:80%,duration=5s..15s")]
    Axis(String),
    /// A value that is none.
    #[error("{axis}: {what}; separate values with colons, or give a range such as {range}")]
    Value {
        /// Of this axis.
        axis: &'static str,
        /// What is wrong with it.
        what: String,
        /// What a range looks like.
        range: &'static str,
    },
    /// An axis was given twice.
    #[error("{0} is given twice")]
    Duplicate(&'static str),
    /// Too many.
    #[error("{0}: at most {VALUES_MAX} values")]
    TooMany(&'static str),
}

impl Grid {
    /// What was left out, from the scenario.
    #[must_use]
    pub fn filled_in(mut self, scenario: &Scenario) -> Self {
        let drop = scenario.service.drops.first();
        if self.loads.is_empty() {
            self.loads.push(Factor::ONE);
        }
        if self.drops.is_empty() {
            self.drops.push(drop.map_or(Share::ALL, |drop| drop.share));
        }
        if self.lengths.is_empty() {
            let own = drop.and_then(|drop| drop.window.end()?.checked_sub(drop.window.start()));
            self.lengths.push(own.unwrap_or(Duration::from_secs(10)));
        }
        self
    }
}

impl FromStr for Grid {
    type Err = GridError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut grid = Self::default();
        for part in text.split(',') {
            let (axis, values) = part.split_once('=').ok_or_else(|| GridError::Axis(part.to_owned()))?;
            match axis.trim() {
                "load" => fill(&mut grid.loads, &LOAD, values)?,
                "drop" => fill(&mut grid.drops, &DROP, values)?,
                "duration" => fill(&mut grid.lengths, &LENGTH, values)?,
                _ => return Err(GridError::Axis(axis.to_owned())),
            }
        }
        grid.lengths.sort_unstable();
        grid.lengths.dedup();
        Ok(grid)
    }
}

/// How the values of an axis are read, and counted in whole units, so that the
/// steps between two of them can be.
struct Axis<T> {
    name: &'static str,
    range: &'static str,
    read: fn(&str) -> Result<T, String>,
    units: fn(&T) -> u64,
    of_units: fn(u64) -> Option<T>,
}

/// In thousandths.
const LOAD: Axis<Factor> = Axis {
    name: "load",
    range: "0.5x..1.2x",
    read: |text| text.parse().map_err(error_text),
    units: |factor| factor.stretch(1_000),
    of_units: |thousandths| format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000).parse().ok(),
};

/// In parts of a million.
const DROP: Axis<Share> = Axis {
    name: "drop",
    range: "50%..90%",
    read: |text| text.parse().map_err(error_text),
    units: |share| u64::from(share.ppm()),
    of_units: |ppm| Share::from_ppm(u32::try_from(ppm).ok()?),
};

/// In milliseconds.
const LENGTH: Axis<Duration> = Axis {
    name: "duration",
    range: "5s..15s",
    read: |text| match parse_duration(text).map_err(error_text)? {
        Duration::ZERO => Err("it must be greater than 0".to_owned()),
        length => Ok(length),
    },
    units: |length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
    of_units: |millis| Some(Duration::from_millis(millis)).filter(|length| !length.is_zero()),
};

fn error_text(error: impl fmt::Display) -> String {
    error.to_string()
}

fn fill<T>(values: &mut Vec<T>, axis: &Axis<T>, text: &str) -> Result<(), GridError> {
    if !values.is_empty() {
        return Err(GridError::Duplicate(axis.name));
    }
    let wrong = |what| GridError::Value { axis: axis.name, what, range: axis.range };
    for value in text.split(':') {
        match value.split_once("..") {
            None => values.push((axis.read)(value).map_err(wrong)?),
            Some((from, to)) => {
                let (from, to) = ((axis.read)(from).map_err(wrong)?, (axis.read)(to).map_err(wrong)?);
                let (from, to) = ((axis.units)(&from), (axis.units)(&to));
                if from >= to {
                    return Err(wrong(format!("{value:?} must ascend")));
                }
                values.extend(even(from, to).filter_map(axis.of_units));
            }
        }
        if values.len() > VALUES_MAX {
            return Err(GridError::TooMany(axis.name));
        }
    }
    Ok(())
}

/// Both ends, and what lies evenly between them, without repetitions.
fn even(from: u64, to: u64) -> impl Iterator<Item = u64> {
    let at = move |step: u64| {
        let way = u128::from(to - from) * u128::from(step) / u128::from(STEPS - 1);
        from + u64::try_from(way).unwrap_or(0)
    };
    (0..STEPS)
        .map(at)
        .scan(None, |last, value| Some((last.replace(value) != Some(value)).then_some(value)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, told: &str) {
        let grid = text.parse::<Grid>().map_or_else(
            |error| error.to_string(),
            |grid| {
                format!(
                    "{:?} {:?} {:?}",
                    grid.loads.iter().map(|load| load.as_f64()).collect::<Vec<_>>(),
                    grid.drops.iter().map(ToString::to_string).collect::<Vec<_>>(),
                    grid.lengths
                )
            },
        );
        assert!(grid.contains(told), "{text}: {grid}");
    }

    #[test]
    fn axes_as_they_are_typed() {
        check("load=0.7x:1x,drop=80%,duration=10s:9s", "[0.7, 1.0] [\"80%\"] [9s, 10s]");
        check("duration=5s..12s", "[] [] [5s, 6s, 7s, 8s, 9s, 10s, 11s, 12s]");
        check("load=0.5..1.2", "[0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2]");
        check("duration=1ms..3ms:5ms", "[1ms, 2ms, 3ms, 5ms]");
        check("", "\"\" is not an axis; write one or more of load=");
        check("lod=1x", "\"lod\" is not an axis");
        check("load=fast", "load: \"fast\" is not a factor; write it like");
        check("drop=80", "such as 50%..90%");
        check("duration=0s", "duration: it must be greater than 0");
        check("duration=9s..5s", "duration: \"9s..5s\" must ascend");
        check("load=1x,load=2x", "load is given twice");
        check("drop=1%..9%:10%..20%:30%..40%:50%..60%", "drop: at most 24 values");
    }

    #[test]
    fn what_is_left_out_is_the_scenarios_own() {
        let scenario = Scenario::built_in("metastable").unwrap();
        let grid = "load=2x".parse::<Grid>().unwrap().filled_in(&scenario);
        assert_eq!(grid.drops, ["80%".parse().unwrap()]);
        assert_eq!((grid.lengths, grid.loads.len()), (vec![Duration::from_secs(10)], 1));
    }
}

//! Numbers as a chart's data holds them: short, and exact to a tenth.

use serde::{Serialize, Serializer};

/// A number in tenths; written whole where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChartNumber {
    tenths: u128,
}

impl ChartNumber {
    pub(super) fn whole(value: u64) -> Self {
        Self { tenths: u128::from(value) * 10 }
    }

    /// `sum ÷ parts`, to a tenth.
    pub(super) fn mean(sum: u64, parts: u64) -> Self {
        let parts = u128::from(parts.max(1));
        Self { tenths: (u128::from(sum) * 10 + parts / 2) / parts }
    }
}

impl Serialize for ChartNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match u64::try_from(self.tenths / 10) {
            Ok(whole) if self.tenths.is_multiple_of(10) => serializer.serialize_u64(whole),
            Ok(whole) => serializer.serialize_f64(with_tenth(whole, self.tenths % 10)),
            Err(_) => serializer.serialize_u64(u64::MAX),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a height in a chart")]
fn with_tenth(whole: u64, tenth: u128) -> f64 {
    (whole as f64 * 10.0 + tenth as f64) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_short() {
        let written = |number| serde_json::to_string(&number).unwrap();
        assert_eq!(written(ChartNumber::whole(4_700)), "4700");
        assert_eq!(written(ChartNumber::mean(4_700, 2)), "2350");
        assert_eq!(written(ChartNumber::mean(10, 3)), "3.3");
        assert_eq!(written(ChartNumber::mean(5, 0)), "5");
        assert_eq!(written(ChartNumber::whole(u64::MAX)), u64::MAX.to_string());
    }
}

//! `latency.hlog` read back, a line at a time.
//!
//! Histograms are sized by what their header claims, so a header is looked at
//! before anything is made of it: only the shape that every run writes is
//! taken. A foreign or torn line is refused with the reason.

use crate::tally::Histogram;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::io::Read;

/// The longest line: a histogram whose every counter is used.
pub(in crate::report) const LINE_BYTES: u64 = 1 << 20;

/// Bytes before the counters: cookie, length, offset, digits, bounds, ratio.
const HEADER: usize = 40;

/// A histogram cannot be longer, whatever its counters hold.
const MOST_BYTES: u64 = 1 << 18;

/// The times of one clock in one second.
#[derive(Debug)]
pub struct ClockSecond<'l> {
    /// The clock's name.
    pub tag: &'l str,
    /// The second of the run.
    pub second: u64,
    counters: hdrhistogram::Histogram<u32>,
}

impl ClockSecond<'_> {
    /// Times in microseconds, ascending, and how many samples each had.
    pub fn times(&self) -> impl Iterator<Item = (u64, u32)> {
        self.counters.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }
}

/// Reads one line after the other.
pub struct HistogramLines {
    /// What every histogram of a run looks like.
    shape: Histogram<u32>,
    deserializer: Deserializer,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
}

impl std::fmt::Debug for HistogramLines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistogramLines").finish_non_exhaustive()
    }
}

impl Default for HistogramLines {
    fn default() -> Self {
        let (shape, deserializer) = (Histogram::new(), Deserializer::new());
        Self { shape, deserializer, packed: Vec::new(), unpacked: Vec::new() }
    }
}

impl HistogramLines {
    /// What a line holds; nothing for a comment, a header or a line without a
    /// clock's name. The error says what is wrong with it.
    pub fn read<'l>(&mut self, line: &'l [u8]) -> Result<Option<ClockSecond<'l>>, &'static str> {
        let entry = match IntervalLogIterator::new(line).next() {
            None => return Ok(None),
            Some(entry) => entry.map_err(|_| "not a line of an interval log")?,
        };
        let LogEntry::Interval(interval) = entry else { return Ok(None) };
        let Some(tag) = interval.tag() else { return Ok(None) };
        self.packed.clear();
        STANDARD
            .decode_vec(interval.encoded_histogram(), &mut self.packed)
            .map_err(|_| "its histogram is not in base64")?;
        let counters = self.counters()?;
        Ok(Some(ClockSecond { tag: tag.as_str(), second: interval.start_timestamp().as_secs(), counters }))
    }

    fn counters(&mut self) -> Result<hdrhistogram::Histogram<u32>, &'static str> {
        const BROKEN: &str = "its histogram is broken";
        // Cookie and length of what is packed.
        let packed = self.packed.get(8..).ok_or(BROKEN)?;
        self.unpacked.clear();
        ZlibDecoder::new(packed).take(MOST_BYTES).read_to_end(&mut self.unpacked).map_err(|_| BROKEN)?;
        let header = self.unpacked.first_chunk::<HEADER>().ok_or(BROKEN)?;
        let shape = self.shape.counters();
        let expected = [
            (12, 4, u64::from(shape.sigfig())),
            (16, 8, shape.low()),
            (24, 8, shape.high()),
            (4, 4, (self.unpacked.len() - HEADER) as u64),
        ];
        for (at, length, value) in expected {
            let found = header.iter().skip(at).take(length).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            if found != value {
                return Err("its histogram has another range than a run's");
            }
        }
        self.deserializer.deserialize(&mut self.unpacked.as_slice()).map_err(|_| BROKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::IntervalLog;
    use super::*;
    use crate::tally::{Fate, Interval};
    use crate::units::{Offset, Stamp};

    fn log() -> Vec<u8> {
        let mut out = Vec::new();
        let mut log = IntervalLog::begin(&mut out, Stamp::from_nanos(1_700_000_000_000_000_000)).unwrap();
        for second in [0, 7] {
            let mut interval = Interval::new(second);
            for micros in [900, 900, 5_000] {
                let done = Offset::from_nanos(micros * 1_000);
                interval.arrival(Fate::Passed, Offset::ZERO, done);
            }
            log.write(&interval).unwrap();
        }
        out
    }

    #[test]
    fn what_was_written_is_read() {
        let (log, mut lines, mut found) = (log(), HistogramLines::default(), Vec::new());
        for line in log.split_inclusive(|&byte| byte == b'\n') {
            found.extend(
                lines
                    .read(line)
                    .unwrap()
                    .map(|clock| (clock.tag.to_owned(), clock.second, clock.times().collect::<Vec<_>>())),
            );
        }
        let times = vec![(900, 2), (5_003, 1)];
        assert_eq!(found, [("latency".to_owned(), 0, times.clone()), ("latency".to_owned(), 7, times)]);
    }

    #[test]
    fn foreign_and_torn_lines_are_refused() {
        let mut lines = HistogramLines::default();
        let mut check = |line: &[u8], expected: Result<bool, &str>| {
            assert_eq!(lines.read(line).map(|found| found.is_some()), expected);
        };
        check(b"#[Anything]\n", Ok(false));
        check(b"noise\n", Err("not a line of an interval log"));
        check(b"Tag=latency,1.000,1.000,0.1,AAA\n", Err("its histogram is not in base64"));
        check(b"Tag=latency,1.000,1.000,0.1,HISTFAAA\n", Err("its histogram is broken"));
        let log = log();
        let line = log.split_inclusive(|&byte| byte == b'\n').next_back().unwrap();
        check(line, Ok(true));
        check(&line[..line.len() - 25], Err("not a line of an interval log"));
        check(&[&line[..line.len() - 25], b"\n"].concat(), Err("its histogram is broken"));
        let mut wide = hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX / 2, 5).unwrap();
        wide.record(1).unwrap();
        let mut bytes = Vec::new();
        let mut packing = hdrhistogram::serialization::V2DeflateSerializer::new();
        hdrhistogram::serialization::Serializer::serialize(&mut packing, &wide, &mut bytes).unwrap();
        let line = format!("Tag=latency,1.000,1.000,0.1,{}\n", STANDARD.encode(bytes));
        check(line.as_bytes(), Err("its histogram has another range than a run's"));
    }
}

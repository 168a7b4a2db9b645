//! Reads `latency.hlog` back, a line at a time, as far as it goes.
//!
//! The file may have been written by anyone, and a histogram is sized by what
//! its header claims: only the shape that every run writes is taken, and what
//! unpacks to more than that can hold is refused before anything is made of it.

use crate::read::UnreadableLine;
use crate::threshold::TimeMetric;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use downpour_metrics::Histogram;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::io::{self, BufRead, Read};

/// The longest line: a histogram whose every counter is used.
const LINE_BYTES: u64 = 1 << 20;

/// Bytes before the counters: cookie, length, offset, digits, bounds, ratio.
const HEADER: usize = 40;

/// A histogram cannot be longer, whatever its counters hold.
const MAX_BYTES: u64 = 1 << 18;

/// The times of one clock in one second.
#[derive(Debug)]
pub(crate) struct MetricSecond {
    /// Which clock.
    pub(crate) metric: TimeMetric,
    /// The second of the run.
    pub(crate) second: u64,
    counters: hdrhistogram::Histogram<u32>,
}

impl MetricSecond {
    /// Times in microseconds, ascending, and how many samples each had.
    pub(crate) fn times(&self) -> impl Iterator<Item = (u64, u32)> {
        self.counters.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }
}

/// Reads an interval log up to its end, or to where it makes no sense any more;
/// clocks that are not `wanted` are passed over.
pub(crate) fn seconds(
    mut input: impl BufRead,
    wanted: &[TimeMetric],
    mut each: impl FnMut(&MetricSecond),
) -> io::Result<Option<UnreadableLine>> {
    let (mut lines, mut line, mut number) = (HlogLineReader::default(), Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        let stopped = |why: &str| Ok(Some(UnreadableLine { line: number, why: why.to_owned() }));
        Read::take(&mut input, LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.last() != Some(&b'\n') {
            let long = line.len() as u64 == LINE_BYTES;
            return stopped(if long {
                "too long"
            } else {
                "incomplete: the run was killed while writing it"
            });
        }
        match lines.read(&line, wanted) {
            Ok(second) => second.iter().for_each(&mut each),
            Err(why) => return stopped(why),
        }
    }
}

/// The sum of one clock's histograms in an interval log, as far as it goes.
pub(crate) fn metric_histogram(
    input: impl BufRead,
    clock: TimeMetric,
) -> io::Result<(hdrhistogram::Histogram<u64>, Option<UnreadableLine>)> {
    let mut sum = none();
    let stopped = seconds(input, &[clock], |second| {
        second.times().for_each(|(micros, count)| sum.saturating_record_n(micros, count.into()));
    })?;
    Ok((sum, stopped))
}

/// A clock without samples.
pub(crate) fn none() -> hdrhistogram::Histogram<u64> {
    Histogram::new().counters().clone()
}

/// Reads one line after the other.
struct HlogLineReader {
    /// What every histogram of a run looks like.
    shape: Histogram<u32>,
    deserializer: Deserializer,
    compressed: Vec<u8>,
    decompressed: Vec<u8>,
}

impl Default for HlogLineReader {
    fn default() -> Self {
        let (shape, deserializer) = (Histogram::new(), Deserializer::new());
        Self { shape, deserializer, compressed: Vec::new(), decompressed: Vec::new() }
    }
}

impl HlogLineReader {
    /// What a line holds; nothing for a comment, a header or a line of another
    /// clock. The error says what is wrong with it.
    fn read(&mut self, line: &[u8], wanted: &[TimeMetric]) -> Result<Option<MetricSecond>, &'static str> {
        let entry = match IntervalLogIterator::new(line).next() {
            None => return Ok(None),
            Some(entry) => entry.map_err(|_| "not a line of an interval log")?,
        };
        let LogEntry::Interval(interval) = entry else { return Ok(None) };
        let Some(tag) = interval.tag() else { return Ok(None) };
        let Some(&clock) = wanted.iter().find(|clock| clock.name() == tag.as_str()) else { return Ok(None) };
        self.compressed.clear();
        STANDARD
            .decode_vec(interval.encoded_histogram(), &mut self.compressed)
            .map_err(|_| "its histogram is not in base64")?;
        let counters = self.counters()?;
        Ok(Some(MetricSecond { metric: clock, second: interval.start_timestamp().as_secs(), counters }))
    }

    fn counters(&mut self) -> Result<hdrhistogram::Histogram<u32>, &'static str> {
        const BROKEN: &str = "its histogram is broken";
        // Cookie and length of what is packed.
        let packed = self.compressed.get(8..).ok_or(BROKEN)?;
        self.decompressed.clear();
        ZlibDecoder::new(packed).take(MAX_BYTES).read_to_end(&mut self.decompressed).map_err(|_| BROKEN)?;
        let header = self.decompressed.first_chunk::<HEADER>().ok_or(BROKEN)?;
        let shape = self.shape.counters();
        let expected = [
            (12, 4, u64::from(shape.sigfig())),
            (16, 8, shape.low()),
            (24, 8, shape.high()),
            (4, 4, (self.decompressed.len() - HEADER) as u64),
        ];
        for (at, length, value) in expected {
            let found = header.iter().skip(at).take(length).fold(0, |sum, &byte| sum << 8 | u64::from(byte));
            if found != value {
                return Err("its histogram has another range than a run's");
            }
        }
        self.deserializer.deserialize(&mut self.decompressed.as_slice()).map_err(|_| BROKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::super::IntervalLog;
    use super::*;
    use downpour_core::units::{Offset, Stamp};
    use downpour_metrics::{ArrivalOutcome, Interval};

    fn log() -> Vec<u8> {
        let mut out = Vec::new();
        let mut log = IntervalLog::begin(&mut out, Stamp::from_nanos(1_700_000_000_000_000_000)).unwrap();
        for second in [0, 7] {
            let mut interval = Interval::new(second);
            for micros in [900, 900, 5_000] {
                let done = Offset::from_nanos(micros * 1_000);
                interval.arrival(ArrivalOutcome::Passed, Offset::ZERO, done);
            }
            log.write(&interval).unwrap();
        }
        out
    }

    #[test]
    fn what_was_written_is_read() {
        let (log, mut found) = (log(), Vec::new());
        let stopped = seconds(&log[..], &TimeMetric::ALL, |second| {
            found.push((second.metric, second.second, second.times().collect::<Vec<_>>()));
        });
        assert_eq!(stopped.unwrap(), None);
        let times = vec![(900, 2), (5_003, 1)];
        assert_eq!(found, [(TimeMetric::Latency, 0, times.clone()), (TimeMetric::Latency, 7, times)]);
        let (sum, stopped) = metric_histogram(&log[..], TimeMetric::Latency).unwrap();
        assert_eq!((sum.len(), sum.max(), stopped), (6, 5_003, None));
        assert_eq!(metric_histogram(&log[..], TimeMetric::Service).unwrap().0.len(), 0);
    }

    #[test]
    fn foreign_and_torn_lines_are_refused() {
        let mut lines = HlogLineReader::default();
        let mut check = |line: &[u8], expected: Result<bool, &str>| {
            assert_eq!(lines.read(line, &TimeMetric::ALL).map(|found| found.is_some()), expected);
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
        let mut compression = hdrhistogram::serialization::V2DeflateSerializer::new();
        hdrhistogram::serialization::Serializer::serialize(&mut compression, &wide, &mut bytes).unwrap();
        let line = format!("Tag=latency,1.000,1.000,0.1,{}\n", STANDARD.encode(bytes));
        check(line.as_bytes(), Err("its histogram has another range than a run's"));
    }
}

//! Reads `latency.hlog` back, line by line, and adds up each clock.
//!
//! The file may have been written by anyone: a histogram of another shape than
//! ours, or one that unpacks to more than its shape can hold, is refused before
//! anything is allocated for it.

use crate::report::read::Stopped;
use crate::report::threshold::Clock;
use crate::tally::Histogram;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::ZlibDecoder;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use std::io::{self, BufRead, Read};

/// The longest line. A second's histogram of a clock takes some kilobytes.
const LINE_BYTES: u64 = 1 << 20;

/// Bytes before the counters: a cookie, the length of what follows, an offset,
/// the digits, the lowest and the highest value, a ratio.
const HEAD_BYTES: usize = 40;

/// Most bytes of a counter, as it is packed.
const COUNTER_BYTES: usize = 9;

/// The sum of one clock's histograms in an interval log, as far as it goes.
pub(in crate::report) fn clock(
    mut input: impl BufRead,
    clock: Clock,
) -> io::Result<(hdrhistogram::Histogram<u64>, Option<Stopped>)> {
    let mut sum = none();
    let (mut line, mut number, mut deserializer) = (Vec::new(), 0, Deserializer::new());
    loop {
        line.clear();
        number += 1;
        Read::take(&mut input, LINE_BYTES).read_until(b'\n', &mut line)?;
        let stopped = |why: &str| Some(Stopped { line: number, why: why.to_owned() });
        if line.is_empty() {
            return Ok((sum, None));
        }
        if line.last() != Some(&b'\n') {
            let long = line.len() as u64 == LINE_BYTES;
            return Ok((
                sum,
                stopped(if long { "too long" } else { "torn: the run was killed as it was written" }),
            ));
        }
        let encoded = match told_by(&line, clock) {
            Told::Histogram(encoded) => encoded,
            Told::Another => continue,
            Told::Nothing => return Ok((sum, stopped("not a line of an interval log"))),
        };
        match decoded(&encoded, sum.distinct_values(), &mut deserializer) {
            Some(second) if sum.add(&second).is_ok() => {}
            Some(_) | None => return Ok((sum, stopped("not a histogram of this program"))),
        }
    }
}

/// A clock without samples.
pub(in crate::report) fn none() -> hdrhistogram::Histogram<u64> {
    Histogram::new().counters().clone()
}

/// What a line holds.
enum Told {
    /// A histogram of the clock that was asked for, packed.
    Histogram(String),
    /// Something that belongs there, and is of no use here.
    Another,
    /// Nothing that belongs into such a file.
    Nothing,
}

fn told_by(line: &[u8], clock: Clock) -> Told {
    // Legends and stamps are of no use here.
    if matches!(line.first(), Some(b'#' | b'"' | b'\n')) {
        return Told::Another;
    }
    match IntervalLogIterator::new(line).next() {
        Some(Ok(LogEntry::Interval(interval))) => {
            if interval.tag().is_some_and(|tag| tag.as_str() == clock.name()) {
                Told::Histogram(interval.encoded_histogram().to_owned())
            } else {
                Told::Another
            }
        }
        Some(Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_))) => Told::Another,
        Some(Err(_)) | None => Told::Nothing,
    }
}

fn decoded(
    encoded: &str,
    counters: usize,
    deserializer: &mut Deserializer,
) -> Option<hdrhistogram::Histogram<u64>> {
    let packed = STANDARD.decode(encoded).ok()?;
    let mut head = [0; HEAD_BYTES];
    ZlibDecoder::new(packed.get(8..)?).read_exact(&mut head).ok()?;
    let ours = Histogram::<u64>::new();
    let shape = ours.counters();
    let word = |at: usize| Some(u32::from_be_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let value = |at: usize| Some(u64::from_be_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let fits = usize::try_from(word(4)?).ok()? <= counters.saturating_mul(COUNTER_BYTES)
        && word(12)? == u32::from(shape.sigfig())
        && value(16)? == shape.low()
        && value(24)? == shape.high();
    if !fits {
        return None;
    }
    deserializer.deserialize(&mut packed.as_slice()).ok()
}

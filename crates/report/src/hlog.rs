//! `latency.hlog`: the histograms of every second, in the interval log format
//! that `HdrHistogram`'s tools read.
//!
//! One line per second and clock, told apart by tag: `latency`,
//! `latency_failed`, `service`, `lateness`. Values are in microseconds, the
//! `max` column in milliseconds, as the Java tools write it. Logs of several
//! machines can be concatenated and merged exactly.

pub(super) mod read;

use super::threshold::TimeMetric;
use downpour_core::units::Stamp;
use downpour_metrics::Interval;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{
    IntervalLogWriter, IntervalLogWriterBuilder, IntervalLogWriterError, Tag,
};
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

/// Microseconds in the unit of the `max` column.
const MAX_DIVISOR: f64 = 1_000.0;

const A_SECOND: Duration = Duration::from_secs(1);

/// Writes intervals as they come.
pub struct IntervalLog<W> {
    out: W,
    builder: IntervalLogWriterBuilder,
    serializer: V2DeflateSerializer,
    /// What `builder` writes before the first interval; the crate's writer
    /// borrows its output for as long as it lives, so each interval has one of
    /// its own and its header is left out.
    header: usize,
    buffer: Vec<u8>,
}

impl<W> std::fmt::Debug for IntervalLog<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntervalLog").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<W: Write> IntervalLog<W> {
    /// Begins a log of a run that started at `started`; the stamps in it are
    /// seconds since then.
    pub fn begin(out: W, started: Stamp) -> io::Result<Self> {
        let started = UNIX_EPOCH + Duration::from_nanos(u64::try_from(started.as_nanos()).unwrap_or(0));
        let mut builder = IntervalLogWriterBuilder::new();
        builder
            .add_comment("[Values in microseconds, Interval_Max in milliseconds]")
            .with_start_time(started)
            .with_base_time(started)
            .with_max_value_divisor(MAX_DIVISOR);
        let (serializer, buffer) = (V2DeflateSerializer::new(), Vec::new());
        let mut log = Self { out, builder, serializer, header: 0, buffer };
        log.header = log.fill(|_| Ok(()))?;
        log.out.write_all(&log.buffer)?;
        log.out.flush()?;
        Ok(log)
    }

    /// Appends the clocks of one second that have samples, and flushes.
    pub fn write(&mut self, interval: &Interval) -> io::Result<()> {
        let (times, start) = (interval.times(), Duration::from_secs(interval.second()));
        self.fill(|writer| {
            for clock in TimeMetric::ALL {
                let histogram = match clock {
                    TimeMetric::Latency => &times.latency,
                    TimeMetric::LatencyFailed => &times.latency_failed,
                    TimeMetric::Service => &times.service,
                    TimeMetric::Lateness => &times.lateness,
                };
                if histogram.is_empty() {
                    continue;
                }
                let (counters, tag) = (histogram.counters(), Tag::new(clock.name()));
                writer.write_histogram(counters, start, A_SECOND, tag).map_err(into_io)?;
            }
            Ok(())
        })?;
        let lines = self.buffer.get(self.header..).unwrap_or_default();
        self.out.write_all(lines)?;
        self.out.flush()
    }

    fn fill(
        &mut self,
        write: impl FnOnce(&mut IntervalLogWriter<'_, '_, Vec<u8>, V2DeflateSerializer>) -> io::Result<()>,
    ) -> io::Result<usize> {
        self.buffer.clear();
        write(&mut self.builder.begin_log_with(&mut self.buffer, &mut self.serializer)?)?;
        Ok(self.buffer.len())
    }
}

fn into_io<E: std::fmt::Debug>(error: IntervalLogWriterError<E>) -> io::Error {
    match error {
        IntervalLogWriterError::IoError(error) => error,
        IntervalLogWriterError::SerializeError(error) => io::Error::other(format!("{error:?}")),
    }
}

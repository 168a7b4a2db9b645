//! Makes a log of download traffic that never happened.
//!
//! Real logs hold people's addresses and cannot be shared; these can, since
//! every value in them is made up from a seed: the same flags give the same
//! bytes. The traffic has the features that matter to a replay: builds that ask
//! for dozens of crates within a second, a few crates that everybody needs and
//! a long tail, versions with `+`, lines slightly out of order. Lines are
//! written as they are made, in memory that does not grow with their number.
//!
//! ```text
//! cargo run --release --example make-log -- --format fastly --lines 1m -o day.log
//! ```

mod catalogue;
mod lines;
mod traffic;

use clap::Parser;
use downpour_core::units::{Rate, parse_count};
use lines::{Format, LineWriter};
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use traffic::{Download, Traffic};

/// Make a log of synthetic download traffic.
#[derive(Debug, Parser)]
struct Args {
    /// Set the format of the lines.
    #[arg(long, value_enum, default_value_t = Format::CloudfrontV1)]
    format: Format,

    /// Set the number of requests.
    #[arg(long, default_value = "10k", value_parser = parse_count)]
    lines: u64,

    /// Set the random seed; the same seed gives the same log.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Set the approximate rate of requests in the log.
    #[arg(long, default_value = "1500/s")]
    rate: Rate,

    /// Set the host that writes the log.
    #[arg(long, value_enum, default_value_t = HostKind::Cdn)]
    host_kind: HostKind,

    /// Set the time of the first request.
    #[arg(long, default_value = "2026-03-05T14:00:00Z")]
    start: jiff::Timestamp,

    /// Set the output file; the default is standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum HostKind {
    /// `crates.io`, which redirects.
    Api,
    /// `static.crates.io`, which has the files.
    Cdn,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    match &args.output {
        Some(path) => write_log(&args, BufWriter::with_capacity(1 << 16, File::create(path)?)),
        None => write_log(&args, BufWriter::with_capacity(1 << 16, io::stdout().lock())),
    }
}

fn write_log(args: &Args, mut out: impl Write) -> io::Result<()> {
    let mut writer = LineWriter::new(args.format, args.host_kind);
    let mut line = Vec::with_capacity(1_024);
    writer.header(&mut line);
    out.write_all(&line)?;
    // What has been asked and is not logged yet, the next line on top. Holds
    // about as many as are asked for in a few seconds.
    let mut waiting: BinaryHeap<Waiting> = BinaryHeap::new();
    let mut traffic = Traffic::new(args.seed, args.rate, args.start.as_nanosecond());
    let mut written = 0;
    let mut made: u64 = 0;
    while written < args.lines {
        let horizon = traffic.next_session_at();
        // Sessions to come cannot be logged before they begin.
        while let Some(next) = waiting.peek()
            && next.logged_at < horizon
            && written < args.lines
        {
            line.clear();
            writer.line(&next.download, &mut line);
            out.write_all(&line)?;
            waiting.pop();
            written += 1;
        }
        for download in traffic.next_session() {
            let logged_at = args.format.logged_at(&download);
            waiting.push(Waiting { logged_at, number: made, download });
            made += 1;
        }
    }
    out.flush()
}

/// A request on its way to the log; the earliest is the greatest.
struct Waiting {
    logged_at: i128,
    number: u64,
    download: Download,
}

impl Waiting {
    const fn key(&self) -> (i128, u64) {
        (self.logged_at, self.number)
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.key().cmp(&self.key())
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

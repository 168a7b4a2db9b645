//! A replay within another program: a log against a deployment, and a decision
//! by the report.
//!
//! ```sh
//! cargo run --example embed -- access.log http://127.0.0.1:8080
//! ```

use downpour::Replay;
use downpour_trace::{ReadOptions, Source};
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(log), Some(target)) = (arguments.next(), arguments.next()) else {
        return Err("usage: embed LOG TARGET".into());
    };
    let source = Source::open(&[log], ReadOptions::default())?;
    let report = Replay::builder(source, target).rate("50/s".parse()?).requests(500).run()?;
    let mut out = io::stdout();
    write!(out, "{}", downpour_report::summary(&report))?;
    for fault in &report.faults {
        writeln!(out, "{}: {} downloads, first seen in second {:?}", fault.id, fault.count, fault.first_s)?;
    }
    Ok(ExitCode::from(report.exit().code()))
}

//! A sweep for people, 80 columns wide, and for programs.

use super::{Sweep, SweepBoundary, SweepCell};
use downpour_core::units::approximate;
use serde::Serialize;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Lengths in a row of the table; more go on below.
const COLUMNS: usize = 6;

/// The name of the form that programs read, and its version.
const SCHEMA: &str = "downpour.sweep/1";

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.scenario;
        let (load, capacity) = (about.downloads_per_s, about.capacity_per_s);
        let hidden = capacity / f64::from(about.attempts_max);
        writeln!(f, "Sweep of {}", about.name)?;
        writeln!(f, "  load        {load:>8.1}/s  at 1x, {:.0} % of the capacity", 100.0 * load / capacity)?;
        writeln!(f, "  capacity    {capacity:>8.1}/s")?;
        let attempts = about.attempts_max;
        writeln!(
            f,
            "  safe load   {hidden:>8.1}/s  or less never stays stuck: capacity / {attempts} attempts"
        )?;
        writeln!(f)?;
        writeln!(f, "Seconds to recover after a loss of capacity, by the length of the loss;")?;
        writeln!(f, "STUCK: no recovery within {}", length(about.recovery_limit))?;
        let lengths = self.grid.lengths.len();
        for from in (0..lengths).step_by(COLUMNS) {
            self.block(from..(from + COLUMNS).min(lengths), f)?;
        }
        Ok(())
    }
}

impl Sweep {
    /// The table of some of the lengths; the last one tells the boundaries too.
    fn block(&self, columns: Range<usize>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = &self.grid.lengths;
        let is_last = columns.end == lengths.len();
        write!(f, "\n{:>7}{:>8}", "load", "drop")?;
        for &of in &lengths[columns.clone()] {
            write!(f, "{:>8}", length(of))?;
        }
        writeln!(f, "{}", if is_last { "   stuck from" } else { "" })?;
        for (boundary, cells) in self.boundaries.iter().zip(self.cells.chunks(lengths.len())) {
            write!(f, "{:>7}{:>8}", boundary.load.to_string(), boundary.drop.to_string())?;
            for cell in &cells[columns.clone()] {
                write!(f, "{:>8}", recovery_text(cell))?;
            }
            if is_last {
                let stuck_from = boundary.stuck_from.map_or_else(|| "-".to_owned(), length);
                write!(f, "{stuck_from:>13}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn recovery_text(cell: &SweepCell) -> String {
    cell.storm.time_to_recover_s.map_or_else(|| "STUCK".to_owned(), |after| after.to_string())
}

/// To the millisecond.
fn length(of: Duration) -> String {
    let millis = u64::try_from((of + Duration::from_micros(500)).as_millis()).unwrap_or(u64::MAX);
    format!("{}s", approximate(millis) / 1e3)
}

impl Sweep {
    /// The sweep as JSON.
    ///
    /// # Panics
    ///
    /// Never: it has text keys and finite numbers.
    pub fn to_json(&self) -> String {
        let about = &self.scenario;
        let table = SweepJson {
            schema: SCHEMA,
            scenario: &about.name,
            downloads_per_s: about.downloads_per_s,
            capacity_per_s: about.capacity_per_s,
            attempts_max: about.attempts_max,
            recovery_limit_s: about.recovery_limit.as_secs_f64(),
            cells: self.cells.iter().map(CellLine::from).collect(),
            boundaries: self.boundaries.iter().map(BoundaryLine::from).collect(),
        };
        serde_json::to_string_pretty(&table).expect("it has text keys and finite numbers")
    }
}

#[derive(Serialize)]
struct SweepJson<'s> {
    schema: &'static str,
    scenario: &'s str,
    downloads_per_s: f64,
    capacity_per_s: f64,
    attempts_max: u32,
    recovery_limit_s: f64,
    cells: Vec<CellLine>,
    boundaries: Vec<BoundaryLine>,
}

#[derive(Serialize)]
struct CellLine {
    load: f64,
    drop_share: f64,
    duration_s: f64,
    stuck: bool,
    time_to_recover_s: Option<u64>,
    amplification_during_fault: f64,
    goodput_during_fault_per_s: f64,
    failed_attempts: u64,
}

impl From<&SweepCell> for CellLine {
    fn from(cell: &SweepCell) -> Self {
        Self {
            load: cell.point.load.as_f64(),
            drop_share: f64::from(cell.point.drop.ppm()) / 1e6,
            duration_s: cell.point.length.as_secs_f64(),
            stuck: !cell.has_recovered(),
            time_to_recover_s: cell.storm.time_to_recover_s,
            amplification_during_fault: cell.storm.amplification_during_fault,
            goodput_during_fault_per_s: cell.storm.goodput_during_fault_per_s,
            failed_attempts: cell.storm.failed_attempts,
        }
    }
}

#[derive(Serialize)]
struct BoundaryLine {
    load: f64,
    drop_share: f64,
    stuck_from_s: Option<f64>,
}

impl From<&SweepBoundary> for BoundaryLine {
    fn from(boundary: &SweepBoundary) -> Self {
        Self {
            load: boundary.load.as_f64(),
            drop_share: f64::from(boundary.drop.ppm()) / 1e6,
            stuck_from_s: boundary.stuck_from.map(|length| length.as_secs_f64()),
        }
    }
}

//! `report.html`: the run as one file that opens anywhere, offline.
//!
//! The verdict, the reasons and all numbers are plain HTML; charts are drawn by
//! a script that stands in the file, from data that stands in the file. The page
//! may not load or send anything: its content security policy names the few
//! scripts and styles by their digests, so that not even a text that slipped
//! through the escaping could run. Texts of logs and servers are escaped and
//! shortened. Pure: equal runs give equal bytes.

mod attempts;
mod charts;
mod facts;
mod numbers;
mod overlay;
mod rows;
mod sections;
mod static_chart;

use super::text::{accounting, asked, format, headline};
use super::{RunKind, RunReport, Timeline, Verdict};
use askama::Template;
use attempts::AttemptsChart;
pub(super) use charts::{Chart, Charts};
use facts::{Fact, facts};
pub(super) use overlay::overlay;
use rows::{CountRow, FaultRow, Figure, HostRow, LoadRow, MetricRow, ThresholdRow, TierRow};
use sections::{ClientRow, TransitionRow};
use static_chart::StaticChart;
use std::fmt::Write;

pub(super) const STYLE: &str = include_str!("html/style.css");
pub(super) const CHART_STYLE: &str = include_str!("html/vendor/uPlot.min.css");
pub(super) const CHART_SCRIPT: &str = include_str!("html/vendor/uPlot.iife.min.js");
pub(super) const SCRIPT: &str = include_str!("html/charts.js");
pub(super) const CHART_LICENCE: &str = include_str!("html/vendor/LICENSE");

/// What may run and what may style, as SHA-256 of the four texts above. A test
/// holds them together.
pub(super) const STYLE_DIGESTS: &str = "'sha256-32MMao1vjur/JktQ9zzlsRT2Rv/ZoLt08EmwoAE1+gQ=' 'sha256-Z6uuh3HRgmeWOol85iV3ZaK2J0bKnBCWmvkFlN51Yzc='";
pub(super) const SCRIPT_DIGESTS: &str = "'sha256-GcjUxq2Ikpp59K5J1vcWFWbf0Lo9FcxJXpdPeH63jx8=' 'sha256-ThjxS+2u0bTa62gu0ksCdjqh/cD3QClL+Vf0WcqY950='";

/// Reasons and notes shown of each kind.
const REASONS_SHOWN: usize = 20;

/// The longest sentence shown.
const SENTENCE: usize = 600;

/// The longest equation shown.
const EQUATION: usize = 1_500;

/// A run as one HTML page. `notes` say what is missing of it.
#[expect(clippy::missing_panics_doc, reason = "a template of texts has nothing that could fail")]
pub fn html(report: &RunReport, timeline: &Timeline, notes: &[String]) -> String {
    let page = RunPage::of(report, timeline, notes);
    let mut text = page.render().expect("a template of texts has nothing that could fail");
    text.push('\n');
    text
}

/// The fields of `html/report.html`.
#[derive(Template)]
#[template(path = "report.html", config = "src/html/askama.toml")]
struct RunPage<'a> {
    report: &'a RunReport,
    style: &'static str,
    chart_style: &'static str,
    chart_script: &'static str,
    script: &'static str,
    licence: &'static str,
    style_digests: &'static str,
    script_digests: &'static str,
    /// A class of the style sheet.
    tone: &'static str,
    word: String,
    sentence: String,
    /// What was not checked at all.
    left_out: Vec<String>,
    reasons: Vec<(String, String)>,
    told: Vec<String>,
    notes: Vec<String>,
    asked: String,
    figures: Vec<Figure>,
    thresholds: Vec<ThresholdRow>,
    storm: Vec<Fact>,
    transitions: Vec<TransitionRow>,
    load: Vec<LoadRow>,
    clocks: Vec<MetricRow>,
    faults: Vec<FaultRow>,
    more_faults: usize,
    warned: Vec<FaultRow>,
    hosts: Vec<HostRow>,
    tiers: Vec<TierRow>,
    statuses: Vec<CountRow>,
    unanswered: Vec<CountRow>,
    books: Vec<(&'static str, String)>,
    plan: Vec<Fact>,
    generator: Vec<Fact>,
    connections: Vec<Fact>,
    tries: Option<AttemptsChart>,
    /// A check begins with what it found; times say nothing of it.
    is_check: bool,
    mix: Vec<ClientRow>,
    still: Option<StaticChart>,
    charts: Charts,
    data: String,
}

impl<'a> RunPage<'a> {
    fn of(report: &'a RunReport, timeline: &Timeline, notes: &[String]) -> Self {
        let verdict = headline::verdict(report);
        let (word, sentence) = verdict.split_once(": ").unwrap_or((&verdict, ""));
        let (left_out, told_notes): (Vec<_>, Vec<_>) =
            report.warnings.iter().take(REASONS_SHOWN).partition(|warning| headline::is_left_out(warning));
        let details =
            |reasons: Vec<&super::Reason>| reasons.into_iter().map(|r| shown(&r.detail, SENTENCE)).collect();
        let mut all_notes: Vec<String> = details(told_notes);
        all_notes.extend(notes.iter().map(|note| shown(note, SENTENCE)));
        all_notes.extend((report.warmup.seconds > 0.0).then(|| shown(&headline::warmup(report), SENTENCE)));
        let reasons = report.invalid_reasons.iter().take(REASONS_SHOWN);
        let charts = Charts::of(report, timeline);
        let data =
            script_safe(&serde_json::to_string(&charts).expect("charts have text keys and finite numbers"));
        let is_check = report.plan.command == RunKind::Check;
        let books = accounting::equations(report).into_iter();
        Self {
            report,
            style: STYLE,
            chart_style: CHART_STYLE,
            chart_script: CHART_SCRIPT,
            script: SCRIPT,
            licence: CHART_LICENCE,
            style_digests: STYLE_DIGESTS,
            script_digests: SCRIPT_DIGESTS,
            tone: tone(report.verdict),
            word: word.to_owned(),
            sentence: sentence.to_owned(),
            left_out: details(left_out),
            reasons: reasons
                .map(|r| {
                    (
                        shown(&headline::invalid_reason_sentence(report, r), SENTENCE),
                        shown(&r.remedy, SENTENCE),
                    )
                })
                .collect(),
            told: headline::outcomes(report)
                .take(headline::FAULTS_LISTED)
                .map(|fault| shown(&headline::fault_sentence(report, fault), SENTENCE))
                .collect(),
            notes: all_notes,
            asked: shown(&asked(report), SENTENCE),
            figures: rows::figures(report),
            thresholds: rows::thresholds(report),
            storm: sections::storm(report),
            transitions: sections::transitions(report),
            load: rows::load(report),
            clocks: rows::metric_rows(report),
            faults: rows::faults(report),
            more_faults: report.faults.len().saturating_sub(rows::FAULTS_SHOWN),
            warned: rows::warned(report),
            hosts: rows::hosts(report),
            tiers: rows::tiers(report),
            statuses: rows::statuses(report),
            unanswered: rows::unanswered(report),
            books: books.map(|(name, equation)| (name, shown(&equation, EQUATION))).collect(),
            plan: facts(&report.plan),
            generator: facts(&report.generator),
            connections: facts(&report.connections),
            tries: AttemptsChart::of(report),
            is_check,
            mix: sections::mix(report),
            still: if is_check { None } else { StaticChart::of(timeline) },
            charts,
            data,
        }
    }

    /// When the run started, from the plan.
    fn started(&self) -> String {
        shown(&self.report.plan.started_at, 40)
    }

    fn target(&self) -> String {
        shown(&self.report.plan.target, 200)
    }

    fn version(&self) -> String {
        shown(&self.report.plan.version, 40)
    }

    fn chart(&self, id: &str) -> Option<&Chart> {
        self.charts.get(id)
    }
}

pub(super) const fn tone(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "good",
        Verdict::Failed | Verdict::Invalid => "wrong",
        Verdict::Interrupted => "open",
    }
}

/// A text from outside: at most so many characters of it, the middle left out,
/// and all that a reader could mistake for something else spelled out, such as
/// letters that look like others and marks that turn the line around.
pub(super) fn shown(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in format::shortened(text, most).chars() {
        match c {
            ' '..='~' | 'µ' | '\u{a0}' => out.push(c),
            _ => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a string takes what is written"),
        }
    }
    out
}

/// JSON that can stand in a script element: no text in it can end the element,
/// open a comment, or break a line where a script may not.
pub(super) fn script_safe(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                write!(safe, "\\u{:04x}", u32::from(c)).expect("a string takes what is written");
            }
            _ => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_outside_is_short_and_plain() {
        assert_eq!(
            shown("cr\u{430}tes.io\u{202e}\u{1b}[2J\n", 40),
            "cr\\u{430}tes.io\\u{202e}\\u{1b}[2J\\u{a}"
        );
        assert_eq!(shown(&"x".repeat(1_000_000), 20).len(), 20);
        assert_eq!(shown("5.00 µs", 20), "5.00 µs");
    }

    #[test]
    fn no_text_ends_a_script() {
        let json = script_safe("{\"a\":\"</script><!--\u{2028}&\"}");
        assert_eq!(json, "{\"a\":\"\\u003c/script\\u003e\\u003c!--\\u2028\\u0026\"}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["a"], "</script><!--\u{2028}&");
    }
}

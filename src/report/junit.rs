//! A check as XML in the way of JUnit, for pipelines that show test cases.
//!
//! A case for each kind of fault that was looked for, whether it was met or
//! not, named by its stable id so that its history can be followed; and one for
//! whether the run came to its end and measured what it should; and one for
//! each threshold. What Jenkins and GitLab read and what the common XML schemas
//! of JUnit accept. Pure, and everything from outside is made printable and
//! escaped.

use super::text::format::{safe, share, shortened};
use super::text::thresholds;
use super::{AbortLine, CHECK, ExampleLine, FaultLine, Reason, RunReport, ThresholdLine, Verdict};
use crate::fault::Fault;
use crate::report::Plan;
use crate::units::grouped;
use crate::verify::{Depth, Tier};
use std::fmt::{self, Write};

/// The name of the case that all was checked.
const COMPLETE: &str = "complete";

/// The name of the case that no redirect led astray, where retries hid it.
const MISLED: &str = "misled";

/// Kinds of fault told, and examples of each.
const FAULTS: usize = 100;
const EXAMPLES: usize = 20;

/// Warnings and reasons told.
const REASONS: usize = 50;

/// The longest text from outside.
const LONGEST: usize = 1_000;

/// What cannot be wrong where no rule says what is right.
const BY_RULES: [Fault; 8] = [
    Fault::StatusTransition,
    Fault::LocationGluedHost,
    Fault::LocationWrongHost,
    Fault::LocationPort,
    Fault::LocationRelative,
    Fault::LocationAbsolute,
    Fault::LocationEncoding,
    Fault::LocationMismatch,
];

/// What a connection to the target's host shows.
const BY_CONNECTING: [Fault; 5] = [
    Fault::TargetRefused,
    Fault::TargetUnreachable,
    Fault::TargetConnectTimeout,
    Fault::TargetTlsHandshake,
    Fault::TargetTlsCertificate,
];

/// The result as JUnit XML.
pub fn junit(report: &RunReport) -> String {
    let mut xml = String::new();
    // A string takes whatever is written to it.
    write(report, &mut xml).unwrap_or_default();
    xml
}

fn write(report: &RunReport, xml: &mut String) -> fmt::Result {
    let met = |id: &str| report.faults.iter().find(|line| line.id == id);
    // What retries hid of every download is no failure of its own: `misled` is.
    let of_failed = report.faults.iter().filter(|line| line.count > 0);
    let passed = Fault::ALL.iter().filter(|fault| is_looked_for(**fault, &report.plan));
    let passed: Vec<_> = passed.map(|fault| fault.id()).filter(|id| met(id).is_none()).collect();
    let faults: Vec<_> = of_failed.take(FAULTS).collect();
    // Not one download failed, and yet the run did.
    let is_misled = report.verdict == Verdict::Failed && faults.is_empty();
    let broken_off = matches!(report.verdict, Verdict::Invalid | Verdict::Cut);
    let started = report.plan.started_at.trim_end_matches('Z');
    let started = if started.is_empty() { "1970-01-01T00:00:00" } else { started };
    writeln!(xml, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(xml, "<testsuites>")?;
    writeln!(
        xml,
        r#"  <testsuite package="downpour" id="0" name="{}" hostname="localhost" timestamp="{}" tests="{}" failures="{}" errors="{}" skipped="0" time="{:.3}">"#,
        escaped(&format!("downpour {}", report.plan.command)),
        escaped(started),
        1 + usize::from(is_misled)
            + passed.len()
            + faults.len()
            + report.thresholds.len()
            + report.plan.abort_on.len(),
        usize::from(is_misled)
            + faults.len()
            + report.broken_thresholds()
            + usize::from(ended_itself(report).is_some()),
        u8::from(broken_off),
        report.generator.wall_s,
    )?;
    properties(report, xml)?;
    complete(report, broken_off, xml)?;
    for line in &report.thresholds {
        threshold(line, xml)?;
    }
    for expression in &report.plan.abort_on {
        abort(report, expression, xml)?;
    }
    if is_misled {
        misled(report, xml)?;
    }
    for fault in faults {
        failed(report, fault, xml)?;
    }
    for id in passed {
        writeln!(xml, "    {}/>", opening(report, id))?;
    }
    writeln!(xml, "    <system-out>{}</system-out>", escaped(&super::text::headline::verdict(report)))?;
    let warned: Vec<_> =
        report.warnings.iter().take(REASONS).map(|warning| escaped(&warning.detail)).collect();
    writeln!(xml, "    <system-err>{}</system-err>", warned.join("\n"))?;
    writeln!(xml, "  </testsuite>\n</testsuites>")
}

fn properties(report: &RunReport, xml: &mut String) -> fmt::Result {
    let plan = &report.plan;
    let inputs: Vec<_> = plan.inputs.iter().map(|input| input.name.as_str()).collect();
    let rules = plan.rules.as_deref().unwrap_or("none");
    let asked = grouped(report.arrivals.offered);
    writeln!(xml, "    <properties>")?;
    for (name, value) in [
        ("target", plan.target.as_str()),
        ("traces", &inputs.join(" ")),
        ("rules", rules),
        ("verify", &plan.verify),
        ("requests", &asked),
        ("version", &plan.version),
    ] {
        writeln!(xml, r#"      <property name="{name}" value="{}"/>"#, escaped(value))?;
    }
    writeln!(xml, "    </properties>")
}

fn opening(report: &RunReport, id: &str) -> String {
    let family = id.split_once('.').map_or("run", |(family, _)| family);
    let class = escaped(&format!("downpour.{}.{family}", report.plan.command));
    format!(r#"<testcase classname="{class}" name="{}" time="0""#, escaped(id))
}

fn complete(report: &RunReport, broken_off: bool, xml: &mut String) -> fmt::Result {
    if !broken_off {
        return writeln!(xml, "    {}/>", opening(report, COMPLETE));
    }
    let told = |reason: &Reason| escaped(&format!("{}; remedy: {}", reason.detail, reason.remedy));
    let reasons: Vec<_> = report.invalid_reasons.iter().take(REASONS).map(told).collect();
    writeln!(xml, "    {}>", opening(report, COMPLETE))?;
    writeln!(
        xml,
        r#"      <error message="{}" type="{}">{}</error>"#,
        escaped(&super::text::headline::verdict(report)),
        if report.verdict == Verdict::Cut { "cut" } else { "invalid" },
        reasons.join("\n"),
    )?;
    writeln!(xml, "    </testcase>")
}

fn threshold(line: &ThresholdLine, xml: &mut String) -> fmt::Result {
    let name = escaped(&line.expression);
    write!(xml, r#"    <testcase classname="downpour.threshold" name="{name}" time="0">"#)?;
    let told = [thresholds::value(line), thresholds::room(line)].into_iter().chain(thresholds::window(line));
    let told: Vec<_> = told.filter(|told| !told.is_empty()).collect();
    let told = escaped(&told.join(", "));
    if line.passed {
        writeln!(xml, "<system-out>{told}</system-out></testcase>")
    } else {
        writeln!(xml, r#"<failure message="{name}: {told}" type="threshold">{told}</failure></testcase>"#)
    }
}

/// What ended the run, if it was one of those that may.
fn ended_itself(report: &RunReport) -> Option<&AbortLine> {
    report.aborted.as_ref().filter(|why| report.plan.abort_on.contains(&why.expression))
}

/// Whether the run was ended early by this `--abort-on`.
fn abort(report: &RunReport, expression: &str, xml: &mut String) -> fmt::Result {
    let name = escaped(&format!("abort-on: {expression}"));
    write!(xml, r#"    <testcase classname="downpour.abort" name="{name}" time="0""#)?;
    match ended_itself(report).filter(|why| why.expression == expression) {
        None => writeln!(xml, "/>"),
        Some(why) => {
            let told = escaped(&thresholds::aborted(report, why));
            writeln!(xml, r#"><failure message="{told}" type="abort">{told}</failure></testcase>"#)
        }
    }
}

fn misled(report: &RunReport, xml: &mut String) -> fmt::Result {
    let told = escaped(&super::text::headline::verdict(report));
    writeln!(xml, "    {}>", opening(report, MISLED))?;
    write!(xml, r#"      <failure message="{told}" type="{MISLED}">"#)?;
    for fault in report.faults.iter().take(FAULTS) {
        writeln!(xml, "{}", escaped(&super::text::headline::told(report, fault)))?;
        examples(fault, xml)?;
    }
    writeln!(xml, "</failure>")?;
    writeln!(xml, "    </testcase>")
}

fn failed(report: &RunReport, fault: &FaultLine, xml: &mut String) -> fmt::Result {
    let offered = report.arrivals.offered;
    let what = if report.plan.command == CHECK { "distinct requests" } else { "downloads" };
    let of_all = format!(
        "{} of {} {what} ({}): {}",
        grouped(fault.count),
        grouped(offered),
        share(fault.count, offered),
        fault.meaning
    );
    writeln!(xml, "    {}>", opening(report, &fault.id))?;
    write!(xml, r#"      <failure message="{}" type="{}">"#, escaped(&of_all), escaped(&fault.id))?;
    if let Some(known) = Fault::from_id(&fault.id) {
        writeln!(xml, "a client such as cargo: {}", escaped(known.reaction()))?;
    }
    examples(fault, xml)?;
    writeln!(xml, "</failure>\n    </testcase>")
}

fn examples(fault: &FaultLine, xml: &mut String) -> fmt::Result {
    for ExampleLine { path, location, detail, .. } in fault.examples.iter().take(EXAMPLES) {
        writeln!(xml, "{}", escaped(path))?;
        if let Some(location) = location {
            writeln!(xml, "  -&gt; {}", escaped(location))?;
        }
        if !detail.is_empty() {
            writeln!(xml, "  {}", escaped(detail))?;
        }
    }
    Ok(())
}

/// Whether a fault would have been found under this plan.
fn is_looked_for(fault: Fault, plan: &Plan) -> bool {
    let depth: Depth = plan.verify.parse().unwrap_or(Depth::Off);
    let needs_rules = BY_RULES.contains(&fault) || fault.family() == "headers";
    if needs_rules && plan.rules.is_none() {
        return false;
    }
    match fault.family() {
        "connect" | "http" | "timeout" | "status" => true,
        "tls" => {
            plan.tls.as_deref() == Some("verified") || fault == Fault::TlsHandshake && plan.tls.is_some()
        }
        "http2" => plan.streams.is_some(),
        "headers" => depth.covers(Tier::Headers),
        "location" => {
            let listed = fault != Fault::LocationNotInCatalog || plan.catalog.is_some();
            depth.covers(Tier::Policy) && listed
        }
        "dns" => depth.covers(Tier::Dns),
        "json" => plan.verify_json.is_some(),
        "target" if BY_CONNECTING.contains(&fault) => depth.covers(Tier::Connect),
        "target" if fault == Fault::TargetDigest => depth.covers(Tier::Digest) && plan.catalog.is_some(),
        "target" => depth.covers(Tier::Fetch),
        _ => false,
    }
}

/// Text as XML may hold it, in an attribute, too; shortened where it is long.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in shortened(&safe(text), LONGEST).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::events::Event;
    use quick_xml::{Reader, XmlVersion};

    fn plan(verify: &str) -> Plan {
        Plan { command: "check".to_owned(), verify: verify.to_owned(), ..Plan::default() }
    }

    #[track_caller]
    fn check(plan: &Plan, looked_for: &[Fault], not: &[Fault]) {
        for fault in looked_for {
            assert!(is_looked_for(*fault, plan), "{fault}");
        }
        for fault in not {
            assert!(!is_looked_for(*fault, plan), "{fault}");
        }
    }

    #[test]
    fn a_case_is_what_would_have_been_found() {
        use Fault::{
            DnsNxdomain, GeneratorPorts, HeadersVary, Http2Reset, JsonMismatch, LocationLoop,
            LocationMismatch, LocationNotInCatalog, StatusServerError, TargetDigest, TargetForbidden,
            TargetRefused, TlsName,
        };
        check(&plan("off"), &[StatusServerError], &[LocationLoop, DnsNxdomain, TlsName, GeneratorPorts]);
        check(&plan("dns"), &[LocationLoop, DnsNxdomain], &[TargetRefused, LocationMismatch, HeadersVary]);
        check(&plan("connect"), &[TargetRefused], &[TargetForbidden, Http2Reset]);
        let ruled = Plan { rules: Some("crates-io".to_owned()), ..plan("digest") };
        check(
            &ruled,
            &[LocationMismatch, HeadersVary, TargetForbidden],
            &[LocationNotInCatalog, TargetDigest],
        );
        let listed = Plan { catalog: Some("index".to_owned()), ..ruled };
        check(&listed, &[LocationNotInCatalog, TargetDigest], &[JsonMismatch]);
        let asked = Plan { verify_json: Some("100%".to_owned()), ..listed };
        check(&asked, &[JsonMismatch], &[]);
    }

    /// A report with hostile texts wherever one can come from outside.
    fn hostile(verdict: Verdict) -> RunReport {
        let text = "\"]]>&<x a='1'>\u{1b}[2J\u{0}\u{202e}\n--><!DOCTYPE x>".to_owned();
        let example =
            ExampleLine { path: text.clone(), location: Some(text.clone()), detail: text.clone(), at_s: 0.0 };
        let line = |id: &str| FaultLine {
            id: id.to_owned(),
            meaning: text.clone(),
            count: 2,
            examples: vec![example.clone()],
            ..FaultLine::default()
        };
        let reason = Reason { id: "cut".to_owned(), detail: text.clone(), remedy: text.clone() };
        RunReport {
            verdict,
            invalid_reasons: vec![reason.clone()],
            warnings: vec![reason],
            thresholds: vec![ThresholdLine { expression: text.clone(), ..ThresholdLine::default() }],
            plan: Plan { target: text.clone(), rules: Some(text.clone()), ..plan("get") },
            faults: vec![line("dns.nxdomain"), line(&text)],
            ..RunReport::default()
        }
    }

    /// Names of elements with how many there are, and all text in them.
    fn read(xml: &str) -> (Vec<(String, usize)>, String) {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let (mut names, mut text) = (std::collections::BTreeMap::<String, usize>::new(), String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return (names.into_iter().collect(), text),
                Event::Start(element) | Event::Empty(element) => {
                    *names.entry(element.name().as_ref().to_owned()).or_default() += 1;
                    for attribute in element.attributes() {
                        let value = attribute.unwrap().normalized_value(XmlVersion::Explicit1_0);
                        text.push_str(&value.unwrap());
                    }
                }
                Event::Text(words) => text.push_str(&words),
                Event::DocType(_) | Event::Comment(_) | Event::CData(_) | Event::PI(_) => {
                    panic!("a text became markup: {xml}")
                }
                Event::End(_) | Event::Decl(_) | Event::GeneralRef(_) => {}
            }
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let report = hostile(Verdict::Invalid);
        let (names, text) = read(&junit(&report));
        let count = |name: &str| names.iter().find(|(known, _)| known == name).map_or(0, |(_, count)| *count);
        assert_eq!((count("failure"), count("error"), count("x")), (3, 1, 0), "{names:?}");
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
        assert!(!text.contains('\u{202e}'));
        assert_eq!(count("testcase"), junit(&report).matches("<testcase ").count());
        assert!(count("testcase") > 40);
        let passed = RunReport { faults: Vec::new(), thresholds: Vec::new(), ..hostile(Verdict::Passed) };
        let xml = junit(&passed);
        assert!(xml.contains(r#" failures="0" errors="0" "#) && !xml.contains("<failure"), "{xml}");
    }
}

//! A check as XML in the way of JUnit, for pipelines that show test cases.
//!
//! A case for each kind of fault, whether it was met or not, named by its
//! stable id so that its history can be followed; one that could not be found,
//! because its check was off or was never reached, is skipped. And one for
//! whether the run came to its end and measured what it should; and one for
//! each threshold. What Jenkins and GitLab read and what the common XML schemas
//! of JUnit accept. Pure, and everything from outside is made printable and
//! escaped.

use super::text::format::{safe, share, shortened};
use super::text::thresholds;
use super::{
    AbortLine, ExampleLine, FaultLine, Reason, RulesReport, RunKind, RunReport, ThresholdLine, Verdict,
    WarningLine,
};
use crate::Plan;
use downpour_core::fault::Fault;
use downpour_core::units::grouped;
use downpour_verify::Tier;
use std::fmt::{self, Write};

/// The name of the case that all was checked.
const COMPLETE: &str = "complete";

/// The name of the case that no redirect led astray, where retries hid it.
const MASKED_BAD_REDIRECTS: &str = "redirects_hidden_by_retries";

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
    let met = |fault: &Fault| report.faults.iter().any(|line| line.id == fault.id());
    // What retries hid of every download is no failure of its own: `redirects_hidden_by_retries` is.
    let of_failed = report.faults.iter().filter(|line| line.arrivals() > 0);
    let unmet = Fault::ALL.iter().copied().filter(|fault| !fault.is_generator_fault() && !met(fault));
    let (passed, skipped): (Vec<_>, Vec<_>) =
        unmet.map(|fault| (fault, why_skipped(fault, report))).partition(|(_, why)| why.is_none());
    let faults: Vec<_> = of_failed.take(FAULTS).collect();
    // Not one download failed, and yet the run did.
    let is_misled = report.verdict == Verdict::Failed && faults.is_empty();
    let broken_off = matches!(report.verdict, Verdict::Invalid | Verdict::Interrupted)
        || report.verdict == Verdict::Failed && !report.invalid_reasons.is_empty();
    let started = report.plan.started_at.trim_end_matches('Z');
    let started = if started.is_empty() { "1970-01-01T00:00:00" } else { started };
    writeln!(xml, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(xml, "<testsuites>")?;
    writeln!(
        xml,
        r#"  <testsuite package="downpour" id="0" name="{}" hostname="localhost" timestamp="{}" tests="{}" failures="{}" errors="{}" skipped="{}" time="{:.3}">"#,
        escaped(&format!("downpour {}", report.plan.command.name())),
        escaped(started),
        1 + usize::from(is_misled)
            + passed.len()
            + skipped.len()
            + faults.len()
            + report.thresholds.len()
            + report.plan.abort_on.len(),
        usize::from(is_misled)
            + faults.len()
            + report.broken_thresholds()
            + usize::from(ended_itself(report).is_some()),
        u8::from(broken_off),
        skipped.len(),
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
        masked_bad_redirects(report, xml)?;
    }
    for fault in faults {
        failed(report, fault, xml)?;
    }
    for (fault, _) in passed {
        match report.warned.iter().find(|line| line.id == fault.id()) {
            Some(line) => warned(report, line, xml)?,
            None => writeln!(xml, "    {}/>", opening(report, fault.id()))?,
        }
    }
    for (fault, why) in skipped {
        let why = escaped(why.unwrap_or_default());
        writeln!(xml, r#"    {}><skipped message="{why}"/></testcase>"#, opening(report, fault.id()))?;
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
    let judged = report.rules.as_ref().map_or(0, RulesReport::with_a_rule);
    let judged = grouped(judged);
    writeln!(xml, "    <properties>")?;
    for (name, value) in [
        ("target", plan.target.as_str()),
        ("traces", &inputs.join(" ")),
        ("rules", rules),
        ("verify", plan.verify.name()),
        ("requests", &asked),
        ("judged_by_rules", &judged),
        ("version", &plan.version),
    ] {
        writeln!(xml, r#"      <property name="{name}" value="{}"/>"#, escaped(value))?;
    }
    writeln!(xml, "    </properties>")
}

fn opening(report: &RunReport, id: &str) -> String {
    let family = id.split_once('.').map_or("run", |(family, _)| family);
    let class = escaped(&format!("downpour.{}.{family}", report.plan.command.name()));
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
        if report.verdict == Verdict::Interrupted { "interrupted" } else { "invalid" },
        reasons.join("\n"),
    )?;
    writeln!(xml, "    </testcase>")
}

fn threshold(line: &ThresholdLine, xml: &mut String) -> fmt::Result {
    let name = escaped(&line.expression);
    write!(xml, r#"    <testcase classname="downpour.threshold" name="{name}" time="0">"#)?;
    let told = [thresholds::value(line), thresholds::room(line)].into_iter().chain(thresholds::window(line));
    let told = told.chain(thresholds::few(line));
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

fn masked_bad_redirects(report: &RunReport, xml: &mut String) -> fmt::Result {
    let told = escaped(&super::text::headline::verdict(report));
    writeln!(xml, "    {}>", opening(report, MASKED_BAD_REDIRECTS))?;
    write!(xml, r#"      <failure message="{told}" type="{MASKED_BAD_REDIRECTS}">"#)?;
    for fault in report.faults.iter().take(FAULTS) {
        writeln!(xml, "{}", escaped(&super::text::headline::fault_sentence(report, fault)))?;
        examples(&fault.examples, xml)?;
    }
    writeln!(xml, "</failure>")?;
    writeln!(xml, "    </testcase>")
}

fn failed(report: &RunReport, fault: &FaultLine, xml: &mut String) -> fmt::Result {
    let offered = report.arrivals.offered;
    let what = if report.plan.command == RunKind::Check { "distinct requests" } else { "downloads" };
    let of_all = format!(
        "{} of {} {what} ({}): {}",
        grouped(fault.arrivals()),
        grouped(offered),
        share(fault.arrivals(), offered),
        fault.meaning
    );
    writeln!(xml, "    {}>", opening(report, &fault.id))?;
    write!(xml, r#"      <failure message="{}" type="{}">"#, escaped(&of_all), escaped(&fault.id))?;
    if let Some(known) = Fault::from_id(&fault.id) {
        writeln!(xml, "a client such as cargo: {}", escaped(known.client_reaction()))?;
    }
    examples(&fault.examples, xml)?;
    writeln!(xml, "</failure>\n    </testcase>")
}

/// A case that passes, and says what was found without failing anything.
fn warned(report: &RunReport, line: &WarningLine, xml: &mut String) -> fmt::Result {
    writeln!(xml, "    {}>", opening(report, &line.id))?;
    let (answers, meaning) = (grouped(line.answers), escaped(&line.meaning));
    writeln!(xml, "      <system-out>warning, {answers} answers: {meaning}")?;
    examples(&line.examples, xml)?;
    writeln!(xml, "</system-out>\n    </testcase>")
}

fn examples(examples: &[ExampleLine], xml: &mut String) -> fmt::Result {
    for ExampleLine { path, location, detail, .. } in examples.iter().take(EXAMPLES) {
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

/// Why a fault could not be found in this run; nothing where it could.
fn why_skipped(fault: Fault, report: &RunReport) -> Option<&'static str> {
    off(fault, &report.plan).or_else(|| not_reached(fault, report))
}

/// Why a fault is not looked for under this plan.
fn off(fault: Fault, plan: &Plan) -> Option<&'static str> {
    let depth = plan.verify;
    let needs_rules = BY_RULES.contains(&fault) || fault.family() == "headers";
    let covers = |tier| if depth.covers(tier) { None } else { Some("off: needs a deeper --verify") };
    if needs_rules && plan.rules.is_none() {
        return Some("off: needs --rules");
    }
    match fault.family() {
        "tls"
            if plan.tls.as_deref() != Some("verified")
                && !(fault == Fault::TlsHandshake && plan.tls.is_some()) =>
        {
            Some("off: the candidate's certificate is not verified")
        }
        "http2" if plan.streams.is_none() => Some("off: HTTP/2 is not used"),
        "client" if plan.client.is_none() => Some("off: no --client was given"),
        "json" if plan.verify_json.is_none() => Some("off: --verify-json was not given"),
        "location" if fault == Fault::LocationNotInCatalog && plan.catalog.is_none() => {
            Some("off: no --catalog was given")
        }
        "target" if fault == Fault::TargetDigest && plan.catalog.is_none() => {
            Some("off: no --catalog was given")
        }
        "headers" => covers(Tier::Headers),
        "location" => covers(Tier::Policy),
        "dns" => covers(Tier::Dns),
        "target" => covers(tier_of(fault)),
        _ => None,
    }
}

/// Why a check that was on happened for no redirect at all.
fn not_reached(fault: Fault, report: &RunReport) -> Option<&'static str> {
    let tier = match fault.family() {
        "dns" => Tier::Dns,
        "json" => Tier::Json,
        "target" => tier_of(fault),
        "location" => Tier::Headers,
        _ => return None,
    };
    let line = report.targets.tiers.get(tier.name());
    if report.targets.redirects == 0 {
        return Some("not reached: no answer was a redirect");
    }
    let checked = line.map_or(report.targets.redirects, |line| line.checked);
    (checked == 0).then_some("not reached: no redirect was checked to this depth")
}

fn tier_of(fault: Fault) -> Tier {
    if BY_CONNECTING.contains(&fault) {
        Tier::Connect
    } else if fault == Fault::TargetDigest {
        Tier::Digest
    } else {
        Tier::Fetch
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
        Plan { command: RunKind::Check, verify: verify.parse().unwrap(), ..Plan::default() }
    }

    #[track_caller]
    fn check(plan: &Plan, looked_for: &[Fault], not: &[Fault]) {
        for fault in looked_for {
            assert_eq!(off(*fault, plan), None, "{fault}");
        }
        for fault in not {
            assert!(off(*fault, plan).is_some(), "{fault}");
        }
    }

    #[test]
    fn a_case_is_what_would_have_been_found() {
        use Fault::{
            DnsNxdomain, HeadersVary, Http2Reset, JsonMismatch, LocationLoop, LocationMismatch,
            LocationNotInCatalog, StatusServerError, TargetDigest, TargetForbidden, TargetRefused, TlsName,
        };
        check(&plan("off"), &[StatusServerError], &[LocationLoop, DnsNxdomain, TlsName]);
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
        let reason = Reason { id: "unfinished".to_owned(), detail: text.clone(), remedy: text.clone() };
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

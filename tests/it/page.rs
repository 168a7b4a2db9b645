//! `report.html`: what is in it, what cannot get into it, how large it gets.

use super::report::{check_golden, incident, plan, report_with};
use downpour_report::read;
use downpour_report::{
    ExampleLine, FaultLine, HostLine, IntervalLine, IntervalTimes, Reason, RunReport, SCHEMA, Timeline, html,
};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

fn vendored(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/report/src/html").join(name);
    fs::read_to_string(path).unwrap()
}

fn timeline(lines: impl IntoIterator<Item = IntervalLine>) -> Timeline {
    let mut timeline = Timeline::default();
    lines.into_iter().for_each(|line| timeline.add(&line));
    timeline
}

fn incident_page() -> String {
    let (intervals, totals) = incident();
    html(&report_with(plan(), &totals), &timeline(intervals.iter().map(IntervalLine::from)), &[])
}

/// The incident's report, read back.
fn report() -> RunReport {
    read::run(include_bytes!("../golden/incident-run.json")).unwrap()
}

/// An hour at 4,700 a second with a broken ten minutes, ever changing.
fn hour() -> (RunReport, Vec<IntervalLine>) {
    let second = |t_s: u64| {
        let broken = (1_200..1_800).contains(&t_s);
        let wave = t_s * 7_919 % 997;
        let failed = if broken { 2_000 + wave } else { 0 };
        let times = |scale: u64| IntervalTimes {
            count: 4_700,
            p50: 800 * scale + wave,
            p90: 2_100 * scale + wave * 3,
            p99: 9_000 * scale + wave * 17,
            max: 70_000 * scale + wave * 1_013,
        };
        let named = |names: &[&str]| {
            let each = names.iter().zip(1..);
            each.map(|(name, n)| ((*name).to_owned(), failed / n)).collect()
        };
        IntervalLine {
            t_s,
            offered: 4_700 + wave % 300,
            sent: 4_690 + wave % 310,
            completed: 4_690 + wave % 310,
            passed: 4_700 + wave % 300 - failed,
            failed,
            in_flight: wave % 60,
            waiting: wave % 7,
            connections_open: 64,
            statuses: [
                ("302".to_owned(), 4_000 + wave),
                ("503".to_owned(), wave),
                ("429".to_owned(), wave / 3),
            ]
            .into(),
            faults: named(&[
                "dns.nxdomain",
                "status.5xx",
                "timeout.total",
                "http.reset",
                "connect.refused",
                "location.mismatch",
                "http.closed",
            ]),
            latency_us: times(1),
            latency_failed_us: if broken { times(3) } else { IntervalTimes::default() },
            service_us: times(1),
            lateness_us: IntervalTimes {
                count: 4_700,
                p50: 20 + wave / 9,
                p90: 60 + wave / 5,
                p99: 90 + wave,
                max: 400 + wave * 3,
            },
            ..IntervalLine::default()
        }
    };
    (report(), (0..3_600).map(second).collect())
}

/// The content security policy of a page.
fn policy(page: &str) -> &str {
    let (_, from) = page.split_once("http-equiv=\"Content-Security-Policy\" content=\"").unwrap();
    from.split_once('"').unwrap().0
}

#[test]
fn the_page_of_the_incident_says_what_happened() {
    let page = incident_page();
    // Not what changes with each touch of a style; another test holds that.
    let mut shown = page.replace(policy(&page), "(policy)");
    for name in
        ["vendor/uPlot.min.css", "style.css", "vendor/uPlot.iife.min.js", "charts.js", "vendor/LICENSE"]
    {
        let text = vendored(name);
        assert!(shown.contains(&text), "{name} is not in the page as it is");
        shown = shown.replace(&text, &format!("({name})"));
    }
    // These tables hold whatever the plan and the machine do.
    let (before, tables) = shown.split_once("<section id=\"plan\"").unwrap();
    let shown = format!("{before}(plan and machine){}", tables.split_once("</main>").unwrap().1);
    check_golden("incident-report.html", &shown);
    let body = shown.split_once("<body>").unwrap().1;
    for needed in ["FAILED", "47,000 of 94,000", "static.crates.iocrates", "NXDOMAIN", "from second 5 to 15"]
    {
        let at = body.find(needed).unwrap_or_else(|| panic!("{needed} is not in the page"));
        assert!(at < 2_000, "{needed} is not among the first things said");
    }
}

#[test]
fn only_our_own_scripts_and_styles_may_run() {
    let page = html(&report(), &Timeline::default(), &[]);
    let policy = policy(&page);
    let digest = |name: &str| format!("'sha256-{}'", base64(&Sha256::digest(vendored(name))));
    let digests = |a, b| format!("{} {}", digest(a), digest(b));
    let styles = digests("vendor/uPlot.min.css", "style.css");
    let scripts = digests("vendor/uPlot.iife.min.js", "charts.js");
    let expected = format!(
        "default-src 'none'; style-src {styles}; script-src {scripts}; base-uri 'none'; form-action 'none'"
    );
    assert_eq!(
        policy, expected,
        "STYLE_DIGESTS and SCRIPT_DIGESTS of crates/report/src/html.rs are out of date"
    );
    let outside = ["src=", "@import", "url(", "<link", "<iframe", "<img", "style=\"", "onload", "onclick"];
    let own = page.replace(&vendored("vendor/uPlot.iife.min.js"), "");
    for word in outside {
        assert!(!own.contains(word), "the page holds {word}");
    }
}

#[test]
fn the_chart_library_is_the_one_that_was_published() {
    let told = vendored("vendor/README.md");
    for name in ["uPlot.iife.min.js", "uPlot.min.css"] {
        let digest = Sha256::digest(vendored(&format!("vendor/{name}")));
        let hex = digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        assert!(told.contains(&format!("{hex}  {name}")), "{name} has the checksum {hex}");
    }
    assert!(vendored("vendor/LICENSE").starts_with("The MIT License"));
}

/// RFC 4648 §4, enough for a digest.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[bits >> (18 - 6 * place) & 63];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[test]
fn an_hour_is_small_and_always_the_same() {
    let (report, lines) = hour();
    let page = html(&report, &timeline(lines.clone()), &[]);
    assert!(page.len() < 300_000, "{} bytes", page.len());
    assert!(page == html(&report, &timeline(lines.into_iter().rev()), &[]), "the order of seconds shows");
}

/// The data of the page's charts.
fn data(page: &str) -> serde_json::Value {
    let text = page.split("<script type=\"application/json\" id=\"data\">").nth(1).unwrap();
    serde_json::from_str(text.split("</script>").next().unwrap()).unwrap()
}

#[test]
fn charts_hold_each_point_once() {
    let (report, lines) = hour();
    let data = data(&html(&report, &timeline(lines), &[]));
    assert_eq!((&data["step_s"], &data["points"]), (&8.into(), &450.into()));
    let charts = data["charts"].as_array().unwrap();
    let ids: Vec<_> = charts.iter().map(|chart| chart["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rate", "latency", "lateness", "faults", "statuses", "in_flight", "percentiles"]);
    for chart in charts {
        let points = chart.get("percentiles").map_or(450, |xs| xs.as_array().unwrap().len());
        for line in chart["lines"].as_array().unwrap() {
            assert_eq!(
                line["values"].as_array().unwrap().len(),
                points,
                "{}: {}",
                chart["id"],
                line["label"]
            );
        }
    }
    let faults: Vec<_> =
        charts[3]["lines"].as_array().unwrap().iter().map(|line| line["label"].as_str().unwrap()).collect();
    assert_eq!((faults.len(), faults[0], faults[6]), (7, "dns.nxdomain", "all others"));
    assert_eq!(charts[3]["lines"][0]["values"][0], 0);
}

#[test]
fn hostile_texts_stay_texts() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{2028}\u{202e}\u{1b}"
        .repeat(2_000);
    let mut report = report();
    let text = || hostile.clone();
    let example = ExampleLine { at_s: 1e300, path: text(), location: Some(text()), detail: text() };
    let fault = FaultLine {
        id: text(),
        meaning: text(),
        count: u64::MAX,
        found: 0,
        attempts: u64::MAX,
        saved_by_retries: u64::MAX,
        first_s: -1e300,
        last_s: 1e300,
        examples: vec![example; 50],
    };
    report.faults = vec![fault; 500];
    report.targets.hosts = vec![HostLine { host: text(), redirects: u64::MAX, fault: Some(text()) }; 500];
    report.statuses = (0..5_000_u64).map(|n| (format!("{n}{hostile}"), u64::MAX)).take(200).collect();
    report.attempts.faults = report.statuses.clone();
    report.lines.rejected = report.statuses.clone();
    report.warnings = vec![Reason { id: text(), detail: text(), remedy: text() }; 100];
    report.invalid_reasons = report.warnings.clone();
    (report.plan.target, report.plan.started_at) = (text(), text());
    report.plan.headers = vec![text(); 100];
    let statuses = [(text(), 1), ("a\u{2029}".to_owned(), 2)].into();
    let faults = [(text(), u64::MAX)].into();
    let line = IntervalLine {
        t_s: u64::MAX,
        offered: u64::MAX,
        passed: u64::MAX,
        recovered: 1,
        statuses,
        faults,
        ..IntervalLine::default()
    };
    let page = html(&report, &timeline([line]), &[text()]);
    assert!(page.len() < 450_000, "{} bytes", page.len());
    let sound = html(&RunReport::default(), &Timeline::default(), &[]);
    for tag in ["<script", "</script", "<!--", "-->"] {
        assert_eq!(page.matches(tag).count(), sound.matches(tag).count(), "{tag}");
    }
    assert!(
        !page.contains("<img")
            && !page.contains('\u{202e}')
            && !page.contains('\u{1b}')
            && !page.contains('\u{2028}')
    );
    assert!(data(&page)["charts"].is_array());
}

#[test]
fn a_run_of_nothing_has_a_page() {
    let report = RunReport { schema: SCHEMA.to_owned(), ..RunReport::default() };
    let page = html(&report, &Timeline::default(), &["intervals.ndjson: gone".to_owned()]);
    assert!(page.contains("INTERRUPTED") && page.contains("Note: intervals.ndjson: gone"));
    assert_eq!(data(&page)["charts"].as_array().unwrap().len(), 0);
}

//! The shape of the load: rates that change, random arrivals, samples, copies.

use super::accounting::Report;
use super::{Call, Serving, every};

/// A replay of a hundred downloads of as many versions, ten milliseconds apart.
fn replay(candidate: &Serving, flags: &[&str]) -> Call {
    Call::replay("trace", candidate).file("trace", every(10, 100)).with(flags)
}

#[track_caller]
fn passed(call: &Call) -> Report {
    let report = call.report(0);
    assert_eq!(report.number("/arrivals/passed"), report.offered());
    report
}

#[test]
fn stages_offer_the_integral_of_their_rates() {
    let candidate = Serving::healthy();
    let check = |flags: &[&str], count: u64| {
        let report = passed(&replay(&candidate, &["--loop"]).with(flags));
        assert_eq!(report.offered(), count, "{flags:?}");
        assert_eq!(report.text("/plan/arrivals"), "uniform");
    };
    check(&["--stage", "200ms:500/s"], 50);
    check(&["--stage", "0s:500/s", "--stage", "200ms:500/s"], 100);
    check(&["--stage", "200ms:500/s", "--stage", "200ms:500/s", "--stage", "100ms:0"], 175);
    check(&["--stage", "200ms:500/s", "-n", "20"], 20);
    let report = passed(&replay(&candidate, &["--stage", "100ms:1k/s", "--stage", "50ms:0"]));
    assert_eq!(report.list("/plan/stages"), ["100ms:1000/s", "50ms:0/s"]);
    assert_eq!(report.text("/plan/rate"), "stages 100ms:1000/s 50ms:0/s");
}

#[test]
fn random_arrivals_hang_on_the_seed_and_not_on_the_threads() {
    let candidate = Serving::healthy();
    let offered = |rate: [&str; 2], seed: &str, threads: &str| {
        let flags = ["--loop", "--arrivals", "poisson", "--seed", seed, "--threads", threads];
        let window: &[&str] = if rate[0] == "--rate" { &["-d", "400ms"] } else { &[] };
        let report = passed(&replay(&candidate, &flags).with(&rate).with(window));
        assert_eq!(report.text("/plan/arrivals"), "poisson");
        report.offered()
    };
    for rate in [["--rate", "500"], ["--stage", "400ms:1k/s"]] {
        let of_seeds = ["1", "2", "3"].map(|seed| offered(rate, seed, "1"));
        assert_eq!(offered(rate, "2", "2"), of_seeds[1]);
        assert!(of_seeds.iter().any(|other| *other != of_seeds[0]), "{of_seeds:?}");
        // Two hundred are expected, give or take fourteen.
        assert!(of_seeds.iter().all(|count| (100..300).contains(count)), "{of_seeds:?}");
    }
}

#[test]
fn a_sample_leaves_targets_out_and_says_so() {
    let candidate = Serving::healthy();
    let call = replay(&candidate, &["--rate", "1k", "--sample", "25%", "--seed", "3"]);
    let report = passed(&call);
    let sampled_out = report.number("/records/sampled_out");
    assert_eq!(report.offered() + sampled_out, 100);
    assert!((50..100).contains(&sampled_out), "{sampled_out}");
    assert_eq!(report.text("/warnings/0/id"), "sample");
    assert_eq!((report.text("/plan/sample"), report.text("/plan/sample_by")), ("25%", "target"));
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    assert!(summary.contains("only a sample was replayed, 25% of the targets"), "{summary}");

    // The same targets in every pass, whatever the pace and the threads.
    let passes = ["--speed", "4x", "--loop", "-d", "500ms", "--sample", "25%", "--seed", "3"];
    let twice = passed(&replay(&candidate, &passes).with(&["--sample-by", "target", "--threads", "2"]));
    assert_eq!(twice.offered(), 2 * report.offered());
    // A sample of targets that are all left out offers nothing.
    let one = Call::replay("trace", &candidate).file("trace", every(10, 1));
    let nothing = one.with(&["--rate", "10", "--sample", "0.0001%"]).report(5);
    assert_eq!((nothing.offered(), nothing.number("/records/sampled_out")), (0, 1));
}

/// A hundred requests, each client's `of_each` one after the other; the last
/// `nameless` do not tell who asked.
fn asked_by_clients(of_each: usize, nameless: usize) -> String {
    let trace = every(1, 100);
    let lines = trace.lines().enumerate().map(|(number, line)| match number {
        known if known < 100 - nameless => {
            line.replacen('{', &format!(r#"{{"client":"192.0.2.{}","#, number / of_each), 1) + "\n"
        }
        _ => format!("{line}\n"),
    });
    lines.collect()
}

#[test]
fn a_sample_of_clients_keeps_them_whole() {
    let candidate = Serving::healthy();
    let sample = ["--rate", "1k", "--sample", "40%", "--sample-by", "client", "--seed", "3"];
    let replay = |trace: String| Call::replay("trace", &candidate).file("trace", trace).with(&sample);
    let call = replay(asked_by_clients(10, 0));
    let report = passed(&call);
    let offered = report.offered();
    assert!(offered.is_multiple_of(10) && (10..100).contains(&offered), "{offered}");
    assert_eq!(report.text("/plan/sample_by"), "client");
    assert_eq!(report.list("/warnings").len(), 1);
    let summary = std::fs::read_to_string(call.path("run/summary.txt")).unwrap();
    let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(summary.contains("40% of the clients") && summary.contains("sample 40% of clients"), "{summary}");
    assert!(!summary.contains("192.0.2"), "{summary}");

    // All of one client: all or nothing.
    let call = replay(asked_by_clients(100, 0));
    let whole = call.run();
    let of_one = Report::read(&whole.out);
    assert!(matches!(of_one.offered(), 0 | 100));
    // Where some lines tell nobody, their target decides, and that is said.
    let some = passed(&replay(asked_by_clients(10, 25)));
    let told = some.list("/warnings").iter().find(|warning| warning["id"] == "sample_without_client");
    assert!(told.unwrap()["detail"].as_str().unwrap().starts_with("25 requests"), "{told:?}");
}

#[test]
fn copies_of_the_trace_balance() {
    let candidate = Serving::healthy();
    let amplified = |flags: &[&str]| {
        let report = passed(&replay(&candidate, &["--speed", "4x"]).with(flags));
        (report.offered(), report.number("/records/amplified"))
    };
    let twice = replay(&candidate, &["--amplify", "2"]);
    passed(&twice);
    let summary = std::fs::read_to_string(twice.path("run/summary.txt")).unwrap();
    assert!(summary.replace('\u{a0}', " ").contains("100 accepted + 100 amplified = "), "{summary}");

    assert_eq!(amplified(&["--amplify", "1"]), (100, 0));
    assert_eq!(amplified(&["--amplify", "3", "--threads", "2"]), (300, 200));
    assert_eq!(amplified(&["--amplify", "3", "-n", "150"]).0, 150);
    let (offered, copies) = amplified(&["--amplify", "1.5x", "--seed", "4"]);
    assert_eq!(offered, 100 + copies);
    assert!((20..80).contains(&copies), "{copies}");
    // Copies of what a sample keeps.
    let (offered, copies) = amplified(&["--amplify", "2", "--sample", "50%"]);
    assert_eq!(offered, 2 * copies);
    // Within a window, the last copies lie beyond it.
    let (offered, copies) = amplified(&["--amplify", "2", "--loop", "-d", "500ms"]);
    assert!(offered == 200 + copies && (1..=200).contains(&copies), "{offered} with {copies}");
}

#[test]
fn shapes_that_contradict_each_other_are_refused() {
    let candidate = Serving::healthy();
    let refused = |flags: &[&str], parts: &[&str]| replay(&candidate, flags).refused(2, parts);
    for other in [["--rate", "10"], ["--speed", "2x"], ["-d", "10s"]] {
        refused(&["--stage", "1s:10/s", other[0], other[1]], &["--stage", "cannot be used with"]);
    }
    refused(&["--stage", "1s:0"], &["--stage", "send no request"]);
    refused(&["--stage", "10/s"], &["30s:1k/s"]);
    refused(&["--arrivals", "poisson"], &["add --rate or --stage"]);
    refused(&["--arrivals", "uniform", "--speed", "2x"], &["add --rate or --stage"]);
    refused(&["--arrivals", "recorded", "--rate", "10"], &["keeps the gaps"]);
    refused(&["--arrivals", "uniform", "--rate", "max"], &["--rate max"]);
    refused(&["--amplify", "2", "--rate", "10"], &["raise the rate"]);
    refused(&["--amplify", "0.5"], &["--sample"]);
    refused(&["--sample", "110%"], &["is not a share"]);
    refused(&["--sample-by", "target"], &["--sample <SHARE>"]);
    refused(&["--sample", "10%", "--sample-by", "client"], &["client addresses", "--sample-by target"]);
}

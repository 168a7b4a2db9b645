//! Whether the books of a run directory balance, by the published names alone.
//!
//! Read as plain JSON and not through the program's own types: a key that is
//! missing or renamed fails here, as it would for a user's script.

use serde_json::Value;
use std::fs;
use std::path::Path;

/// A `run.json`.
pub(super) struct Report(Value);

/// Keys that mean the same in `run.json` and in the lines of `intervals.ndjson`.
const OUTCOMES: [&str; 6] = ["offered", "passed", "recovered", "failed", "shed", "unfinished"];

impl Report {
    /// The one in this run directory.
    pub(super) fn read(directory: &Path) -> Self {
        Self::parse(&fs::read_to_string(directory.join("run.json")).unwrap())
    }

    pub(super) fn parse(text: &str) -> Self {
        let report = Self(serde_json::from_str(text).unwrap());
        assert_eq!(report.text("/schema"), "downpour.run/1");
        report
    }

    #[track_caller]
    pub(super) fn at(&self, key: &str) -> &Value {
        self.0.pointer(key).unwrap_or_else(|| panic!("run.json has no {key}"))
    }

    /// A number, by its path such as `/arrivals/offered`.
    #[track_caller]
    pub(super) fn number(&self, key: &str) -> u64 {
        self.at(key).as_u64().unwrap_or_else(|| panic!("{key} is no count"))
    }

    /// A number with a fraction.
    #[track_caller]
    pub(super) fn amount(&self, key: &str) -> f64 {
        self.at(key).as_f64().unwrap_or_else(|| panic!("{key} is no number"))
    }

    /// The same of a map that leaves out what did not happen.
    pub(super) fn times(&self, map: &str, key: &str) -> u64 {
        self.at(map).get(key).map_or(0, |count| count.as_u64().unwrap())
    }

    /// All of such a map.
    pub(super) fn map(&self, key: &str) -> impl Iterator<Item = (&str, u64)> {
        let map = self.at(key).as_object().unwrap();
        map.iter().map(|(key, count)| (key.as_str(), count.as_u64().unwrap()))
    }

    #[track_caller]
    /// The keys of an object.
    pub(super) fn keys(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.pointer(key).unwrap().as_object().unwrap().keys().map(String::as_str)
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.at(key).as_str().unwrap_or_else(|| panic!("{key} is no text"))
    }

    #[track_caller]
    pub(super) fn list(&self, key: &str) -> &[Value] {
        self.at(key).as_array().unwrap_or_else(|| panic!("{key} is no list"))
    }

    pub(super) fn verdict(&self) -> &str {
        self.text("/verdict")
    }

    pub(super) fn offered(&self) -> u64 {
        self.number("/arrivals/offered")
    }

    /// Ids and counts of the faults that are outcomes, the most frequent first.
    pub(super) fn faults(&self) -> Vec<(&str, u64)> {
        self.counted("/faults", "count")
    }

    /// Ids and counts of all faults that were found.
    pub(super) fn found(&self) -> Vec<(&str, u64)> {
        self.counted("/faults", "found")
    }

    /// Ids and counts of what was found and fails nothing.
    pub(super) fn warned(&self) -> Vec<(&str, u64)> {
        self.counted("/warned", "answers")
    }

    /// One of the counts of all faults.
    fn faults_by(&self, key: &str) -> Vec<(&str, u64)> {
        let count = |line: &'_ Value| -> u64 { line[key].as_u64().unwrap() };
        self.list("/faults").iter().map(|line| (line["id"].as_str().unwrap(), count(line))).collect()
    }

    fn counted(&self, list: &str, key: &str) -> Vec<(&str, u64)> {
        let line = |line: &'_ Value| -> u64 { line[key].as_u64().unwrap() };
        let lines = self.list(list).iter().map(|of| (of["id"].as_str().unwrap(), line(of)));
        lines.filter(|(_, count)| *count > 0).collect()
    }

    #[track_caller]
    fn sum(&self, key: &str) -> u64 {
        sum(self.at(key))
    }

    /// Everything that holds for a run that came to an end, whatever its
    /// verdict: the equations, and that the files tell the same.
    #[track_caller]
    pub(super) fn check_everything(&self, directory: &Path) {
        self.check_lines();
        self.check_events();
        self.check_intervals(directory);
        self.check_failures(directory);
        for (file, beginning) in [("latency.hlog", "#["), ("summary.txt", "")] {
            let text = fs::read_to_string(directory.join(file)).unwrap();
            assert!(text.starts_with(beginning) && text.lines().count() > 3, "{file}: {text}");
        }
        let summary = fs::read_to_string(directory.join("summary.txt")).unwrap();
        let broad = summary.lines().find(|line| line.chars().count() > 80);
        assert_eq!(broad, None, "the summary keeps to 80 columns");
    }

    /// Lines and records.
    #[track_caller]
    pub(super) fn check_lines(&self) {
        let accepted = self.number("/lines/accepted");
        assert_eq!(
            self.number("/lines/read"),
            accepted + self.sum("/lines/skipped") + self.sum("/lines/rejected")
        );
        assert_eq!(self.number("/records/accepted"), accepted);
        let left_out: u64 = ["sampled_out", "out_of_window", "late"]
            .map(|key| self.number(&format!("/records/{key}")))
            .iter()
            .sum();
        let offered = self.number("/records/offered");
        let amplified = self.number("/records/amplified");
        assert_eq!(accepted + amplified, offered + self.sum("/records/filtered") + left_out);
        assert_eq!(offered, self.offered() + self.number("/warmup/arrivals/offered"));
    }

    /// Arrivals, attempts and redirects: these hold for a checkpoint, too.
    #[track_caller]
    pub(super) fn check_events(&self) {
        let fates = |book: &str| OUTCOMES.map(|key| self.number(&format!("{book}/arrivals/{key}")));
        let balance = |[offered, fates @ ..]: [u64; 6]| offered == fates.iter().sum::<u64>();
        assert!(balance(fates("")) && balance(fates("/warmup")), "arrivals");
        self.check_attempts("");
        self.check_attempts("/warmup");
        let [offered, passed, recovered, failed, shed, _cut] = fates("");
        assert_eq!(self.faults().iter().map(|(_, count)| count).sum::<u64>(), failed, "faults");
        let saved = self.faults_by("saved_by_retries").iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(saved, recovered, "downloads saved by retries, by fault");
        assert_eq!(self.number("/latency_us/count"), passed + recovered, "good latencies");
        assert_eq!(self.number("/latency_failed_us/count"), failed, "failed latencies");

        let completed = self.number("/attempts/completed");
        assert_eq!(completed, self.sum("/statuses"), "statuses");
        let pairs: u64 = self.list("/transitions").iter().map(|line| line["count"].as_u64().unwrap()).sum();
        let left_out =
            ["recorded_none", "other"].map(|key| self.number(&format!("/transitions_left_out/{key}")));
        assert_eq!(completed, pairs + left_out.iter().sum::<u64>(), "transitions");
        let by_status = self.sum("/transitions_left_out/recorded_none_by_status");
        assert_eq!(by_status, left_out[0], "recorded statuses that no server sent");
        assert!(self.number("/attempts/first") <= offered - shed, "one first attempt an arrival");

        if self.0.pointer("/rules").is_some() {
            let listed: u64 =
                self.list("/rules/judged").iter().map(|line| line["count"].as_u64().unwrap()).sum();
            let others = ["others_judged", "without"].map(|key| self.number(&format!("/rules/{key}")));
            assert_eq!(completed, listed + others.iter().sum::<u64>(), "rules");
        }

        let redirects = self.number("/targets/redirects");
        assert_eq!(
            redirects,
            self.number("/targets/checked") + self.number("/targets/broken") + self.sum("/targets/unchecked"),
            "redirects"
        );
        for (tier, line) in self.at("/targets/tiers").as_object().unwrap() {
            let seen = line["checked"].as_u64().unwrap()
                + line["broken"].as_u64().unwrap()
                + sum(&line["unchecked"]);
            assert_eq!(redirects, seen, "redirects at the tier {tier}");
        }
        let by_host: u64 =
            self.list("/targets/hosts").iter().map(|host| host["redirects"].as_u64().unwrap()).sum();
        let elsewhere = ["other_hosts", "to_candidate", "no_host"];
        let elsewhere: u64 = elsewhere.iter().map(|key| self.number(&format!("/targets/{key}"))).sum();
        assert_eq!(redirects, by_host + elsewhere, "redirects by host");
    }

    #[track_caller]
    fn check_attempts(&self, book: &str) {
        let of = |key: &str| self.number(&format!("{book}/attempts/{key}"));
        assert_eq!(of("total"), of("first") + of("retries"), "attempts");
        let faults = self.sum(&format!("{book}/attempts/faults"));
        assert_eq!(of("total"), of("completed") + faults + of("unfinished"), "attempts");
        assert!(of("sent") <= of("total"), "nothing is sent without an attempt");
    }

    /// The intervals add up to the run.
    #[track_caller]
    fn check_intervals(&self, directory: &Path) {
        let intervals = intervals(directory);
        let seconds: Vec<u64> = intervals.iter().map(|line| line["t_s"].as_u64().unwrap()).collect();
        assert!(seconds.is_sorted_by(|a, b| a < b), "{seconds:?}");
        let total = |key: &str| intervals.iter().map(|line| line[key].as_u64().unwrap()).sum::<u64>();
        for key in OUTCOMES {
            assert_eq!(total(key), self.number(&format!("/arrivals/{key}")), "{key} of the intervals");
        }
        assert_eq!(total("completed"), self.number("/attempts/completed"));
        assert_eq!(total("retries"), self.number("/attempts/retries"));
        assert_eq!(total("redirects"), self.number("/targets/redirects"));
        let inner = |key: &str| intervals.iter().map(|line| sum(&line[key])).sum::<u64>();
        assert_eq!(inner("statuses"), self.sum("/statuses"));
        assert_eq!(inner("faults"), total("failed"));
        let wrong = self.faults_by("attempts").iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(inner("wrong_attempts"), wrong, "wrong attempts of the intervals");
    }

    /// Each fault has examples, and nothing else has.
    #[track_caller]
    fn check_failures(&self, directory: &Path) {
        let text = fs::read_to_string(directory.join("failures.ndjson")).unwrap();
        let examples: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let failed = self.faults_by("found");
        for ((id, attempts), (_, failed)) in self.faults_by("attempts").into_iter().zip(failed) {
            let count = attempts.max(failed);
            let shown = examples.iter().filter(|example| example["fault"] == id).count() as u64;
            assert!((1..=count).contains(&shown), "{shown} examples of {count} {id}");
        }
        let ids: Vec<&str> = self.faults_by("count").iter().map(|(id, _)| *id).collect();
        assert!(examples.iter().all(|example| ids.contains(&example["fault"].as_str().unwrap())));
    }
}

/// The lines of `intervals.ndjson` that are whole.
pub(super) fn intervals(directory: &Path) -> Vec<Value> {
    let text = fs::read_to_string(directory.join("intervals.ndjson")).unwrap();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sum(map: &Value) -> u64 {
    map.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

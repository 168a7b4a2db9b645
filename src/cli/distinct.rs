//! Each thing asked once: requests without their repetitions.
//!
//! What was seen is remembered by a keyed hash of 64 bits, so that nobody who
//! writes a log can choose two requests that pass for one; with as many as are
//! remembered, the chance that any two do is one in three million. Beyond that
//! bound requests are asked without being remembered: a check would rather ask
//! twice than leave something out.

use downpour_load::played::Requests;
use downpour_trace::live::Search;
use downpour_trace::reasons::Filter;
use downpour_trace::source::ReadOutcome;
use downpour_trace::{TraceAccounting, TraceRequest};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most requests that are remembered: 36 MiB, and half as much again while the
/// table grows to that.
const MAX_REMEMBERED: usize = 3_600_000;

/// How far the finding has come, for whoever tells of it.
#[derive(Debug, Default)]
pub(super) struct DistinctProgress {
    /// Requests handed out.
    distinct: AtomicU64,
    /// Those of them that may be repetitions: they are beyond the bound.
    possible_repeats: AtomicU64,
    /// Whether the trace has been read to its end.
    whole: AtomicBool,
}

impl DistinctProgress {
    pub(super) fn distinct(&self) -> u64 {
        self.distinct.load(Ordering::Relaxed)
    }

    pub(super) fn possible_repeats(&self) -> u64 {
        self.possible_repeats.load(Ordering::Relaxed)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.whole.load(Ordering::Relaxed)
    }
}

/// The requests of a trace, each method and target once, at its first place.
pub(super) struct DistinctRequests {
    requests: Box<dyn Requests>,
    key: RandomState,
    seen_hashes: HashSet<u64>,
    capacity: usize,
    duplicates: u64,
    progress: Arc<DistinctProgress>,
}

impl DistinctRequests {
    pub(super) fn of(requests: Box<dyn Requests>, found: Arc<DistinctProgress>) -> Self {
        Self {
            requests,
            key: RandomState::new(),
            seen_hashes: HashSet::new(),
            capacity: MAX_REMEMBERED,
            duplicates: 0,
            progress: found,
        }
    }

    fn is_new(&mut self, request: &TraceRequest) -> bool {
        let hash = self.key.hash_one((request.method as u8, &request.target));
        if self.seen_hashes.contains(&hash) {
            return false;
        }
        if self.seen_hashes.len() < self.capacity {
            self.seen_hashes.insert(hash);
        } else {
            self.progress.possible_repeats.fetch_add(1, Ordering::Relaxed);
        }
        true
    }
}

impl Requests for DistinctRequests {
    fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
        let mut search = Search::default();
        loop {
            match self.requests.next_or_idle()? {
                ReadOutcome::Request(request) if self.is_new(&request) => {
                    self.progress.distinct.fetch_add(1, Ordering::Relaxed);
                    return Ok(ReadOutcome::Request(request));
                }
                ReadOutcome::Request(_) => {
                    self.duplicates += 1;
                    if search.is_long() {
                        return Ok(ReadOutcome::Idle);
                    }
                }
                ReadOutcome::Idle => return Ok(ReadOutcome::Idle),
                ReadOutcome::End => {
                    self.progress.whole.store(true, Ordering::Relaxed);
                    return Ok(ReadOutcome::End);
                }
            }
        }
    }

    /// Goes through the trace again; what was seen in the first pass stays so.
    fn rewind(&mut self) -> Result<(), String> {
        self.requests.rewind()
    }

    fn stop(&mut self) {
        self.requests.stop();
    }

    fn accounting(&self) -> TraceAccounting {
        let mut books = self.requests.accounting();
        if self.duplicates > 0 {
            *books.filtered.entry(Filter::Duplicate.id()).or_default() += self.duplicates;
        }
        books
    }

    fn notices(&self) -> Vec<String> {
        self.requests.notices()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::requests::TraceRequests;
    use downpour_core::agent::ClientKind;
    use downpour_trace::Method;
    use downpour_trace::source::RequestOrder;
    use downpour_trace::{ReadOptions, Source};

    /// What is handed out of `list`, and the books and findings about it.
    fn read(list: &'static str, most: usize) -> (Vec<String>, TraceAccounting, Arc<DistinctProgress>) {
        let options = ReadOptions { order: RequestOrder::AsRead, ..ReadOptions::default() };
        let source = Source::over(vec![("list".to_owned(), list.into())], options).unwrap();
        let found = Arc::new(DistinctProgress::default());
        let requests = Box::new(TraceRequests::begin(source, Vec::new()).unwrap());
        let mut distinct =
            DistinctRequests { capacity: most, ..DistinctRequests::of(requests, Arc::clone(&found)) };
        let mut targets = Vec::new();
        while let Some(request) = distinct.next().unwrap() {
            targets.push(String::from_utf8(request.target.to_vec()).unwrap());
        }
        (targets, distinct.accounting(), found)
    }

    #[test]
    fn a_method_and_a_target_are_asked_once() {
        let (targets, books, found) = read("/a\n/b\n/a\n/a?x\n/b\n", 10);
        assert_eq!(targets, ["/a", "/b", "/a?x"]);
        assert_eq!((books.accepted, books.filtered["duplicate"]), (5, 2));
        assert_eq!((found.distinct(), found.possible_repeats(), found.is_whole()), (3, 0, true));
        let trace = "{\"target\":\"/a\",\"method\":\"HEAD\"}\n{\"target\":\"/a\"}\n{\"target\":\"/a\"}\n";
        assert_eq!(read(trace, 10).0, ["/a", "/a"]);
    }

    /// The same request without end.
    struct Same;

    impl Requests for Same {
        fn next_or_idle(&mut self) -> Result<ReadOutcome, String> {
            let (kind, target) = (ClientKind::NONE, "/".into());
            Ok(ReadOutcome::Request(TraceRequest {
                at: None,
                method: Method::Get,
                target,
                status: None,
                client: None,
                kind,
            }))
        }

        fn rewind(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn stop(&mut self) {}

        fn accounting(&self) -> TraceAccounting {
            TraceAccounting::default()
        }

        fn notices(&self) -> Vec<String> {
            Vec::new()
        }
    }

    #[test]
    fn duplicates_without_end_are_no_reason_to_wait_for_ever() {
        let mut distinct = DistinctRequests::of(Box::new(Same), Arc::default());
        assert!(matches!(distinct.next_or_idle(), Ok(ReadOutcome::Request(_))));
        assert_eq!(distinct.next_or_idle(), Ok(ReadOutcome::Idle));
    }

    #[test]
    fn beyond_the_bound_it_is_rather_asked_twice_than_not_at_all() {
        let (targets, books, found) = read("/a\n/b\n/c\n/c\n/a\n/b\n", 2);
        assert_eq!(targets, ["/a", "/b", "/c", "/c"]);
        assert_eq!((books.filtered["duplicate"], found.possible_repeats()), (2, 2));
    }
}

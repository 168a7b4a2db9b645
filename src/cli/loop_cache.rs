//! A short trace that is played again and again is kept, not read again.
//!
//! A pass over a few requests costs less than opening their file. What was kept
//! is booked as if it had been read anew, so the books mean the same either way.

use downpour_trace::{TraceAccounting, TraceRequest};

/// The most requests that are kept, and the most bytes of their targets.
const MAX_REQUESTS: usize = 20_000;
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The first pass over a trace, if it is short enough.
#[derive(Debug, Default)]
pub(super) struct LoopCache {
    requests: Vec<TraceRequest>,
    bytes: usize,
    too_long: bool,
    /// What the books said of the one pass, once it was over.
    pass: Option<TraceAccounting>,
    /// Passes played from here, the present one among them.
    passes: u64,
    next: usize,
    /// Requests of the last pass that nobody took.
    unplayed: u64,
}

impl LoopCache {
    /// A request of the first pass was handed out.
    pub(super) fn keep(&mut self, request: &TraceRequest) {
        self.bytes += request.target.len();
        self.too_long |= self.requests.len() >= MAX_REQUESTS || self.bytes > MAX_BYTES;
        if self.too_long {
            self.requests = Vec::new();
        } else {
            self.requests.push(request.clone());
        }
    }

    /// Begins another pass from memory, if the whole of one is here; `books`
    /// are those of the pass that has just ended.
    pub(super) fn rewind(&mut self, books: &TraceAccounting) -> bool {
        if self.too_long {
            return false;
        }
        self.pass.get_or_insert_with(|| books.clone());
        self.passes += 1;
        self.next = 0;
        true
    }

    /// Whether a pass is played from here.
    pub(super) fn is_playing(&self) -> bool {
        self.passes > 0
    }

    /// The next request of this pass.
    pub(super) fn next(&mut self) -> Option<TraceRequest> {
        let request = self.requests.get(self.next)?.clone();
        self.next += 1;
        Some(request)
    }

    /// Nothing more will be taken.
    pub(super) fn stop(&mut self) {
        if self.is_playing() {
            self.unplayed = u64::try_from(self.requests.len() - self.next).unwrap_or(u64::MAX);
        }
    }

    /// Adds what was played from here to the books of what was read.
    pub(super) fn add_to(&self, books: &mut TraceAccounting) {
        let Some(pass) = &self.pass else { return };
        let times = self.passes;
        books.read += pass.read * times;
        books.accepted += pass.accepted * times;
        books.late += pass.late * times;
        books.undelivered += self.unplayed;
        let tables = [
            (&mut books.skipped, &pass.skipped),
            (&mut books.rejected, &pass.rejected),
            (&mut books.filtered, &pass.filtered),
            (&mut books.notes, &pass.notes),
            (&mut books.lost.by_reason, &pass.lost.by_reason),
        ];
        for (all, of_pass) in tables {
            for (reason, count) in of_pass {
                *all.entry(*reason).or_default() += count * times;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use downpour_trace::Source;

    #[test]
    fn what_is_played_from_memory_is_booked_as_read() {
        let list = "# a list\n/a\n/b\nnot a path\n";
        let inputs = || vec![("list".to_owned(), Bytes::from_static(list.as_bytes()))];
        let mut source = Source::over(inputs(), downpour_trace::ReadOptions::default()).unwrap();
        let mut memory = LoopCache::default();
        let mut handed_out = 0;
        while let Some(request) = source.next().unwrap() {
            memory.keep(&request);
            handed_out += 1;
        }
        assert!(memory.rewind(source.accounting()));
        while memory.next().is_some() {
            handed_out += 1;
        }
        assert!(memory.rewind(source.accounting()));
        assert_eq!(memory.next().unwrap().target, "/a");
        handed_out += 1;
        memory.stop();
        source.stop();
        let mut books = source.accounting().clone();
        memory.add_to(&mut books);
        assert_eq!((books.read, books.accepted, books.undelivered), (12, 6, 1));
        assert_eq!((books.skipped["comment"], handed_out), (3, 5));
        assert!(books.is_balanced(handed_out));
    }

    #[test]
    fn a_long_trace_is_not_kept() {
        let request = Source::over(
            vec![("list".to_owned(), Bytes::from_static(b"/a\n"))],
            downpour_trace::ReadOptions::default(),
        )
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
        let mut memory = LoopCache::default();
        for _ in 0..=MAX_REQUESTS {
            memory.keep(&request);
        }
        assert!(!memory.rewind(&TraceAccounting::default()));
        assert!(memory.requests.is_empty());
    }
}

//! The loop of the lookup thread: takes names in, one lookup a name, and sees
//! that everybody who asked is answered.
//!
//! Bounded on all sides: at most so many tasks and so many who wait, and
//! while either bound is reached nothing more is taken from the queue, which
//! then fills up and refuses.

use super::count;
use super::resolve::ResolverClient;
use crate::hosts::HostAnswer;
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};

/// Lookups and deliveries under way at a time.
const TASKS_MAX: usize = 256;

/// Requests taken up and not yet answered.
const WAITING_MAX: usize = 16_384;

/// One worker's wish to know of one host.
#[derive(Debug)]
pub(super) struct QueuedLookup {
    pub(super) host: Arc<str>,
    pub(super) reply: mpsc::Sender<HostAnswer>,
}

/// What a task has done.
enum LookupTaskDone {
    Resolved(HostAnswer),
    /// To so many.
    Delivered(usize),
}

/// Serves `requests` until `stop` is dropped.
pub(super) async fn serve(
    asker: Arc<ResolverClient>,
    mut requests: mpsc::Receiver<QueuedLookup>,
    mut stop: oneshot::Receiver<Infallible>,
) {
    let mut desk =
        LookupQueue { resolver: asker, in_progress: HashMap::new(), tasks: JoinSet::new(), waiting: 0 };
    loop {
        let has_room = desk.waiting < WAITING_MAX && desk.tasks.len() < TASKS_MAX;
        tokio::select! {
            biased;
            _ = &mut stop => return,
            Some(done) = desk.tasks.join_next() => desk.finish(done),
            Some(request) = requests.recv(), if has_room => desk.accept(request),
        }
    }
}

struct LookupQueue {
    resolver: Arc<ResolverClient>,
    in_progress: HashMap<Arc<str>, Vec<mpsc::Sender<HostAnswer>>>,
    tasks: JoinSet<LookupTaskDone>,
    /// How many are in `asking` or being delivered to.
    waiting: usize,
}

impl LookupQueue {
    fn accept(&mut self, request: QueuedLookup) {
        let QueuedLookup { host, reply } = request;
        self.waiting += 1;
        count(&self.resolver.counts.lookups);
        if let Some(waiting) = self.in_progress.get_mut(&host) {
            count(&self.resolver.counts.shared);
            waiting.push(reply);
            return;
        }
        self.in_progress.insert(Arc::clone(&host), vec![reply]);
        let asker = Arc::clone(&self.resolver);
        self.tasks.spawn(async move { LookupTaskDone::Resolved(asker.resolve(host).await) });
    }

    fn finish(&mut self, done: Result<LookupTaskDone, JoinError>) {
        match done {
            Ok(LookupTaskDone::Resolved(answer)) => {
                let waiting = self.in_progress.remove(&answer.host).unwrap_or_default();
                self.tasks.spawn(deliver(answer, waiting));
            }
            Ok(LookupTaskDone::Delivered(to)) => self.waiting -= to,
            Err(error) => {
                if let Ok(panicked) = error.try_into_panic() {
                    panic::resume_unwind(panicked);
                }
            }
        }
    }
}

/// Answers all, first those who have room. One who is gone needs no answer.
async fn deliver(answer: HostAnswer, waiting: Vec<mpsc::Sender<HostAnswer>>) -> LookupTaskDone {
    let to = waiting.len();
    let full = waiting
        .into_iter()
        .filter(|reply| matches!(reply.try_send(answer.clone()), Err(TrySendError::Full(_))));
    for reply in full.collect::<Vec<_>>() {
        reply.send(answer.clone()).await.ok();
    }
    LookupTaskDone::Delivered(to)
}

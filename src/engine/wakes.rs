//! Wake-ups that a task gives itself.
//!
//! A connection and the exchange on it live in one task, and talk over hyper's
//! channels: each word between them wakes the task that is running already, and
//! the runtime would poll it once more for nothing. [`Wakes`] lets such a task
//! go round within its own poll instead, and passes on only the wake-ups that
//! come from outside.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The wake-ups of one task.
#[derive(Debug)]
pub(super) struct Wakes {
    inner: Arc<WakeState>,
    waker: Waker,
    /// Whose waker `inner` holds. That keeps it from being anybody else's.
    task: Cell<*const ()>,
}

#[derive(Debug, Default)]
struct WakeState {
    /// The task is running, so there is nobody to wake.
    running: AtomicBool,
    /// Something is to be looked at again.
    poll_again: AtomicBool,
    /// The task that polled last: a connection may change hands between two
    /// exchanges.
    task: Mutex<Option<Waker>>,
}

impl Wakes {
    pub(super) fn new() -> Self {
        let inner = Arc::new(WakeState::default());
        let waker = Waker::from(Arc::clone(&inner));
        Self { inner, waker, task: Cell::new(ptr::null()) }
    }

    /// Does something that may wake the parts polled in [`Wakes::poll`]; it is
    /// for the caller to poll them next.
    pub(super) fn suppress_self_wakes<T>(&self, act: impl FnOnce() -> T) -> T {
        self.inner.running.store(true, SeqCst);
        let done = act();
        self.inner.running.store(false, SeqCst);
        done
    }

    /// Polls `step` until it is ready or nothing in it asks for another look.
    pub(super) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        mut step: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let inner = &self.inner;
        if self.task.replace(cx.waker().data()) != cx.waker().data() {
            inner.belongs_to(cx.waker());
        }
        inner.running.store(true, SeqCst);
        let polled = loop {
            inner.poll_again.store(false, SeqCst);
            let polled = step(&mut Context::from_waker(&self.waker));
            if polled.is_ready() || !inner.poll_again.load(SeqCst) {
                break polled;
            }
        };
        inner.running.store(false, SeqCst);
        // A word that came from another thread in between was not passed on.
        if polled.is_pending() && inner.poll_again.load(SeqCst) {
            cx.waker().wake_by_ref();
        }
        polled
    }
}

impl WakeState {
    fn belongs_to(&self, waker: &Waker) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}

impl Wake for WakeState {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.poll_again.store(true, SeqCst);
        if self.running.load(SeqCst) {
            return;
        }
        if let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner) {
            task.wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct CountingWaker(AtomicU32);

    impl Wake for CountingWaker {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_task_that_wakes_itself_goes_round_and_one_woken_from_outside_is_told() {
        let counted = Arc::new(CountingWaker::default());
        let waker = Waker::from(Arc::clone(&counted));
        let mut cx = Context::from_waker(&waker);
        let wakes = Wakes::new();
        let (mut steps, mut kept) = (0, None);
        let polled = wakes.poll(&mut cx, |cx| {
            steps += 1;
            kept = Some(cx.waker().clone());
            if steps < 3 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert_eq!((polled, steps), (Poll::Pending, 3));
        assert_eq!(counted.0.load(SeqCst), 0, "the task was woken while it ran");
        let kept = kept.unwrap();
        wakes.suppress_self_wakes(|| kept.wake_by_ref());
        assert_eq!(counted.0.load(SeqCst), 0);
        kept.wake_by_ref();
        assert_eq!(counted.0.load(SeqCst), 1);
        // From another task's hands.
        let next = Arc::new(CountingWaker::default());
        let waker = Waker::from(Arc::clone(&next));
        assert!(wakes.poll(&mut Context::from_waker(&waker), |_| Poll::<()>::Pending).is_pending());
        kept.wake();
        assert_eq!((counted.0.load(SeqCst), next.0.load(SeqCst)), (1, 1));
    }
}

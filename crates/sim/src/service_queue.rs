//! The modelled service at work: a queue, its servers, and what they can do.
//!
//! First come, first served, so that the fate of a request is known when it
//! comes: nobody who comes later changes it, and when capacity is lost was
//! planned. So there is one computation for each request and no event.

use crate::scenario::{Abandoned, CapacityDrop, Service, ServiceTime};
use downpour_core::seed::random_key;
use downpour_core::units::{Offset, approximate};
use downpour_load::schedule::process::exponential;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// There was no room for it in the queue.
    Refused,
    /// Its client no longer waited when its turn came, and it was dropped.
    Dropped,
    /// It is served, and done then.
    Served(Offset),
}

/// The service at work.
#[derive(Debug)]
pub(super) struct ServiceQueue {
    servers: Option<NonZeroU32>,
    /// When each server that has ever worked is free again.
    free: BinaryHeap<Reverse<Offset>>,
    queue: usize,
    /// When each request that waits leaves the queue: ascending.
    leaving: VecDeque<Offset>,
    abandoned: Abandoned,
    capacity: CapacityTimeline,
    time: ServiceTime,
    sigma: f64,
    random: ChaCha8Rng,
}

/// Keeps these random numbers apart from others of the same seed.
const SERVICE: &[u8; 8] = b"service.";

impl ServiceQueue {
    pub(super) fn new(service: &Service, seed: u64) -> Self {
        Self {
            servers: service.servers,
            free: BinaryHeap::new(),
            queue: service.queue,
            leaving: VecDeque::new(),
            abandoned: service.abandoned,
            capacity: CapacityTimeline::new(&service.drops),
            time: service.service_time,
            sigma: service.service_time.sigma(),
            random: ChaCha8Rng::from_seed(random_key(seed, *SERVICE)),
        }
    }

    /// A request comes in, not before any that came in already; its client
    /// waits until `deadline`.
    pub(super) fn admit(&mut self, at: Offset, deadline: Offset) -> Admission {
        let Some(servers) = self.servers else {
            let work = self.draw();
            return Admission::Served(self.capacity.done(at, work));
        };
        let all_have_worked = self.free.len() >= servers.get() as usize;
        let first_free = self.free.peek().map_or(Offset::ZERO, |Reverse(free)| *free);
        let begin = if all_have_worked { first_free.max(at) } else { at };
        if begin > at {
            if self.waiting(at) >= self.queue {
                return Admission::Refused;
            }
            let is_dropped = self.abandoned == Abandoned::Dropped && begin >= deadline;
            self.leaving.push_back(if is_dropped { deadline } else { begin });
            if is_dropped {
                return Admission::Dropped;
            }
        }
        if all_have_worked {
            self.free.pop();
        }
        let work = self.draw();
        let done = self.capacity.done(begin, work);
        self.free.push(Reverse(done));
        Admission::Served(done)
    }

    /// Requests that wait for a server.
    pub(super) fn waiting(&mut self, now: Offset) -> usize {
        while self.leaving.front().is_some_and(|leaves| *leaves <= now) {
            self.leaving.pop_front();
        }
        self.leaving.len()
    }

    /// How long the next request takes at full capacity, in nanoseconds.
    fn draw(&mut self) -> u64 {
        match self.time {
            ServiceTime::Constant(length) => nanos(length),
            ServiceTime::Exponential(mean) => {
                let drawn = exponential(&mut self.random);
                let mean = u128::from(nanos(mean));
                let part = (mean * u128::from(drawn.part)) >> 64;
                u64::try_from(mean * u128::from(drawn.whole) + part).unwrap_or(u64::MAX)
            }
            ServiceTime::Lognormal { p50, .. } => {
                let length = p50.as_secs_f64() * (self.sigma * self.normal()).exp();
                Duration::try_from_secs_f64(length).map_or(u64::MAX, nanos)
            }
        }
    }

    /// A normally distributed draw, by Marsaglia's polar method.
    fn normal(&mut self) -> f64 {
        loop {
            let [x, y] = [0; 2].map(|_| approximate(self.random.next_u64() >> 11) / 2_f64.powi(52) - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }
}

fn nanos(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

/// How much of its capacity a service has, over time.
#[derive(Debug)]
struct CapacityTimeline(Vec<CapacityLoss>);

/// A span in which some of it is lost.
#[derive(Clone, Copy, Debug)]
struct CapacityLoss {
    from: u64,
    to: u64,
    /// What is left, in parts of a million.
    left: u128,
}

/// All of it.
const WHOLE: u128 = 1_000_000;

impl CapacityTimeline {
    /// Where drops overlap the largest counts.
    fn new(drops: &[CapacityDrop]) -> Self {
        let bounds = |drop: &CapacityDrop| (nanos(drop.window.start()), drop.window.end().map_or(0, nanos));
        let mut ends: Vec<u64> = drops.iter().map(bounds).flat_map(|(from, to)| [from, to]).collect();
        ends.sort_unstable();
        ends.dedup();
        let lost = |from: u64| {
            let over = drops.iter().filter(|drop| {
                let (begin, end) = bounds(drop);
                begin <= from && from < end
            });
            over.map(|drop| u128::from(drop.share.ppm())).max()
        };
        let spans = ends.windows(2).filter_map(|pair| {
            Some(CapacityLoss { from: pair[0], to: pair[1], left: WHOLE.saturating_sub(lost(pair[0])?) })
        });
        Self(spans.collect())
    }

    /// When work of so many nanoseconds at full capacity is done that begins
    /// then.
    fn done(&self, begin: Offset, work: u64) -> Offset {
        let (mut at, mut work) = (begin.as_nanos(), work);
        for span in self.0.iter().filter(|span| span.to > begin.as_nanos()) {
            let before = span.from.saturating_sub(at);
            if work <= before {
                break;
            }
            work -= before;
            at += before;
            // What is done by the end of the span.
            let room = u128::from(span.to - at) * span.left / WHOLE;
            if u128::from(work) <= room {
                let taken = u128::from(work) * WHOLE / span.left;
                return Offset::from_nanos(at + u64::try_from(taken).unwrap_or(u64::MAX));
            }
            work -= u64::try_from(room).unwrap_or(work);
            at = span.to;
        }
        Offset::from_nanos(at.saturating_add(work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Offset {
        Offset::from(Duration::from_millis(millis))
    }

    fn service(servers: u32, queue: usize) -> Service {
        let service_time = ServiceTime::Constant(Duration::from_millis(10));
        Service { servers: NonZeroU32::new(servers), service_time, queue, ..Service::default() }
    }

    /// When requests that come together are done, in milliseconds.
    #[track_caller]
    fn check(service: &Service, at: u64, patience: u64, expected: &[Result<u64, Admission>]) {
        let mut desk = ServiceQueue::new(service, 1);
        for (number, expected) in expected.iter().enumerate() {
            let expected = expected.map_or_else(|other| other, |millis| Admission::Served(ms(millis)));
            assert_eq!(desk.admit(ms(at), ms(at + patience)), expected, "request {number}");
        }
    }

    const LONG: u64 = 1_000;

    #[test]
    fn whoever_comes_first_is_served_first() {
        check(&service(1, 9), 5, LONG, &[Ok(15), Ok(25), Ok(35)]);
        check(&service(2, 9), 5, LONG, &[Ok(15), Ok(15), Ok(25), Ok(25)]);
        check(&Service { servers: None, ..service(1, 0) }, 5, LONG, &[Ok(15); 5]);
    }

    #[test]
    fn a_full_queue_refuses() {
        let refused = Err(Admission::Refused);
        check(&service(1, 0), 5, LONG, &[Ok(15), refused, refused]);
        check(&service(1, 1), 5, LONG, &[Ok(15), Ok(25), refused]);
        let mut desk = ServiceQueue::new(&service(1, 1), 1);
        for (at, done) in [(0, 10), (1, 20), (10, 30)] {
            assert_eq!(desk.admit(ms(at), ms(LONG)), Admission::Served(ms(done)));
        }
        assert_eq!((desk.waiting(ms(19)), desk.waiting(ms(20))), (1, 0));
    }

    #[test]
    fn those_who_no_longer_wait_are_served_all_the_same_or_dropped() {
        check(&service(1, 9), 0, 15, &[Ok(10), Ok(20), Ok(30)]);
        let dropping = Service { abandoned: Abandoned::Dropped, ..service(1, 2) };
        let mut desk = ServiceQueue::new(&dropping, 1);
        let expected = [Admission::Served(ms(10)), Admission::Served(ms(20)), Admission::Dropped];
        assert_eq!([0; 3].map(|at| desk.admit(ms(at), ms(15))), expected);
        // Its place in the queue is free from then on.
        assert_eq!((desk.waiting(ms(14)), desk.waiting(ms(15))), (1, 0));
        assert_eq!(desk.admit(ms(16), ms(99)), Admission::Served(ms(30)));
    }

    #[test]
    fn a_loss_of_capacity_makes_work_take_longer() {
        let dropped = |drops: &[&str]| {
            let drops = drops.iter().map(|drop| drop.parse().unwrap()).collect();
            Service { drops, servers: None, ..service(1, 0) }
        };
        let drop = dropped(&["80%@1s..2s"]);
        for (at, done) in
            [(0, 10), (990, 1_000), (995, 1_025), (1_000, 1_050), (1_990, 2_008), (2_000, 2_010)]
        {
            check(&drop, at, LONG, &[Ok(done)]);
        }
        check(&dropped(&["100%@1s..2s"]), 995, LONG, &[Ok(2_005)]);
        let twice = dropped(&["50%@1s..3s", "90%@1010ms..1020ms"]);
        check(&twice, 1_000, LONG, &[Ok(1_028)]);
    }

    #[test]
    fn random_times_have_the_mean_and_the_tail_they_should() {
        for text in ["exponential 10ms", "lognormal 5ms..50ms"] {
            let time: ServiceTime = text.parse().unwrap();
            let mut desk = ServiceQueue::new(&Service { service_time: time, ..service(1, 0) }, 7);
            let mut drawn: Vec<u64> = (0..100_000).map(|_| desk.draw()).collect();
            drawn.sort_unstable();
            let mean = approximate(drawn.iter().sum::<u64>()) / 1e5 / approximate(nanos(time.mean()));
            assert!((mean - 1.0).abs() < 0.02, "{text}: {mean}");
            let p99 = Duration::from_nanos(drawn[99_000]).as_secs_f64() * 1e3;
            let expected = if time.sigma() > 0.0 { 50.0 } else { 10.0 * 100_f64.ln() };
            assert!((p99 / expected - 1.0).abs() < 0.04, "{text}: {p99} ms");
        }
    }
}

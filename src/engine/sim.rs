//! The whole worker over in-memory pipes on a paused clock: real HTTP, exact
//! counts, whole milliseconds, no waiting.
//!
//! A scripted origin answers each path as the path says. Time passes only when
//! nothing is left to do, so a latency here is what was computed, not measured.

mod endless;
mod generator_health;
mod retries;
mod warmup;

use super::Pacing;
use super::clock::RunClock;
use super::connect::{Connect, Opened, Protocol};
use super::cpu_meter::CpuClock;
use super::ledger::{HOST_ANSWERS, Ledger};
use super::limits::{AnswerLimits, Reuse, ShardLimits};
use super::pacer::Pacer;
use super::request_template::RequestTemplate;
use super::retries::Retries;
use super::shard::Shard;
use super::wire::{Stamped, Stamper};
use super::worker::{LoopMode, Phase, WorkerInputs, WorkerSummary, run_worker};
use downpour_core::agent::ClientKind;
use downpour_core::fault::Fault;
use downpour_core::units::{Offset, Rate};
use downpour_load::client::ClientPlan;
use downpour_load::schedule::Arrival;
use downpour_metrics::{IntervalMerger, Recorder, Totals};
use downpour_trace::Method;
use downpour_trace::client::ClientKey;
use downpour_verify::Depth;
use downpour_verify::address::PrivateAddresses;
use downpour_verify::judge::Judge;
use downpour_verify::rules::Rules;
use http::HeaderMap;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

const REDIRECT: &str = "HTTP/1.1 302 Found\r\nlocation: https://cdn.test/x\r\ncontent-length: 0\r\n\r\n";

fn candidate_origin() -> RequestTemplate {
    RequestTemplate {
        scheme: http::uri::Scheme::HTTP,
        authority: http::uri::Authority::from_static("candidate.test"),
        headers: HeaderMap::new(),
    }
}

/// An origin that does what the path says, `/WHAT-MILLIS`.
#[derive(Debug)]
struct Script {
    opened: Rc<Cell<usize>>,
    /// What was asked for before.
    seen: Rc<RefCell<HashSet<String>>>,
}

impl Connect for Script {
    type Stream = Stamped<DuplexStream>;

    async fn connect(&self, stamper: Stamper) -> Result<Opened<Self::Stream>, Fault> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        self.opened.set(self.opened.get() + 1);
        tokio::task::spawn_local(serve(theirs, Rc::clone(&self.seen)));
        Ok(Opened { stream: stamper.wrap(ours), protocol: Protocol::Http1, handshake: None })
    }
}

/// Nobody listens there.
#[derive(Debug)]
struct Refusing;

impl Connect for Refusing {
    type Stream = DuplexStream;

    async fn connect(&self, _: Stamper) -> Result<Opened<DuplexStream>, Fault> {
        Err(Fault::ConnectRefused)
    }
}

/// A listener that never accepts.
#[derive(Debug)]
struct NeverAccepting;

impl Connect for NeverAccepting {
    type Stream = DuplexStream;

    async fn connect(&self, _: Stamper) -> Result<Opened<DuplexStream>, Fault> {
        std::future::pending().await
    }
}

async fn serve(mut stream: DuplexStream, seen: Rc<RefCell<HashSet<String>>>) {
    while let Some(path) = read_head(&mut stream).await {
        let is_new = seen.borrow_mut().insert(path.clone());
        let path = path.split('?').next().unwrap();
        let (what, millis) = path.trim_start_matches('/').split_once('-').unwrap_or((path, "0"));
        if what == "large" {
            return large(&mut stream, millis.parse().unwrap()).await;
        }
        tokio::time::sleep_until(Instant::now() + Duration::from_millis(millis.parse().unwrap())).await;
        let answer = match what {
            "good" => REDIRECT,
            "quiet" => {
                // Closes after an answer that promised to stay.
                stream.write_all(REDIRECT.as_bytes()).await.unwrap();
                return;
            }
            "flaky" if !is_new => REDIRECT,
            "told" => "HTTP/1.1 503 Unavailable\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n",
            "down" | "flaky" => "HTTP/1.1 503 Unavailable\r\ncontent-length: 0\r\n\r\n",
            "cut" => "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nabc",
            "half" => "HTTP/1.1 302 Fou",
            "noise" => "\u{1}\u{2}\u{3} this is no answer\r\n\r\n",
            "long" => "HTTP/1.1 200 OK\r\ncontent-length: 9000\r\n\r\n",
            "closed" => return,
            "silent" => std::future::pending().await,
            other => panic!("the origin has no script for {other:?}"),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        match what {
            "cut" | "half" => return,
            "long" => drop(stream.write_all(&[b'x'; 9_000]).await),
            _ => {}
        }
    }
}

/// Sends a sound answer but for its head, which is over the limit, in pieces of
/// so many bytes; none for all at once.
async fn large(stream: &mut DuplexStream, piece: usize) {
    let fill = "x".repeat(17 * 1024);
    let answer = REDIRECT.replacen("\r\n", &format!("\r\nx-fill: {fill}\r\n"), 1);
    for piece in answer.as_bytes().chunks(if piece == 0 { answer.len() } else { piece }) {
        if stream.write_all(piece).await.is_err() {
            return;
        }
        // The reader takes this piece before the next one is there.
        tokio::task::yield_now().await;
    }
    std::future::pending::<()>().await;
}

/// Reads one request's head; `None` when the client has hung up.
async fn read_head(stream: &mut DuplexStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    head.split(' ').nth(1).map(str::to_owned)
}

/// What is run, and how it is limited.
struct TestRun {
    rate: u64,
    paths: Vec<String>,
    connections: usize,
    in_flight: usize,
    max_body: u64,
    timeout_ms: u64,
    grace_ms: u64,
    stop: Option<(u64, Phase)>,
    loop_mode: LoopMode,
    warmup_ms: u64,
    cpu: CpuClock,
    /// When the reader hands over what, in milliseconds: all at the start, if
    /// nothing is said.
    read_ms: Vec<(u64, usize)>,
    clients: Option<ClientPlan>,
    /// Who asks; nobody knows, if nothing is said.
    client: Option<ClientKey>,
    /// What kinds of clients they are, in turn; nobody knows, if nothing is
    /// said.
    kinds: Vec<ClientKind>,
}

impl TestRun {
    fn of(rate: u64, paths: Vec<String>) -> Self {
        Self {
            rate,
            paths,
            connections: 1_000,
            in_flight: 1_000,
            max_body: 1_000,
            timeout_ms: 30_000,
            grace_ms: 30_000,
            stop: None,
            loop_mode: LoopMode::Open,
            warmup_ms: 0,
            cpu: || Duration::ZERO,
            read_ms: Vec::new(),
            clients: None,
            client: None,
            kinds: Vec::new(),
        }
    }

    fn alike(rate: u64, arrivals: usize, path: &str) -> Self {
        Self::of(rate, vec![path.to_owned(); arrivals])
    }

    fn arrivals(&self) -> Vec<Arrival> {
        let rate = Rate::per_second(self.rate.try_into().unwrap());
        let arrival = |(sequence, path): (u64, &String)| Arrival {
            sequence,
            due: rate.due(sequence),
            recorded_offset: rate.due(sequence),
            method: Method::Get,
            target: path.parse().unwrap(),
            recorded_status: None,
            client: self.client,
            kind: self
                .kinds
                .iter()
                .cycle()
                .nth(usize::try_from(sequence).unwrap())
                .copied()
                .unwrap_or_default(),
        };
        (0..).zip(&self.paths).map(arrival).collect()
    }

    fn limits(&self) -> ShardLimits {
        ShardLimits {
            connections: self.connections,
            in_flight: self.in_flight,
            open_arrivals: match self.loop_mode {
                LoopMode::Closed { open, .. } => open,
                LoopMode::Open => None,
            },
            streams: 100,
            reuse: Reuse::Lifo,
            requests_per_connection: None,
            idle: None,
            first_byte: None,
            timeout: Duration::from_millis(self.timeout_ms),
            connect_timeout: Duration::from_millis(200),
            answer: AnswerLimits { body: self.max_body, head: 16 * 1024 },
        }
    }

    fn play<C: Connect>(self, connector: C) -> (Totals, WorkerSummary) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(self.play_here(connector))
    }

    async fn play_here<C: Connect>(self, connector: C) -> (Totals, WorkerSummary) {
        let (queue, arrivals) = mpsc::channel(1);
        let (command, phase) = watch::channel(Phase::Running);
        let (_answers, host_answers) = mpsc::channel(HOST_ANSWERS);
        let (_found, target_answers) = mpsc::channel(1);
        let (deliveries, delivered) = sync_channel(100_000);
        let candidate = "http://candidate.test".parse().unwrap();
        let judge = Judge::new(Rules::none(), &candidate, Depth::Policy).unwrap();
        let recorder = Recorder::new(Duration::from_millis(self.warmup_ms));
        let ledger = Ledger::new(recorder, (judge, PrivateAddresses::Allow), None)
            .with_retries(self.clients.clone().map(|plan| Retries::new(Arc::new(plan), 1_000)));
        let clock = RunClock::starting_in(Duration::from_millis(10));
        let shard = Rc::new(Shard::new((clock, self.limits()), candidate_origin(), connector, ledger));
        let pacer = Pacer::new(Pacing::Tokio, Duration::ZERO, clock).unwrap();
        let grace = Duration::from_millis(self.grace_ms);
        let mut unread = self.arrivals();
        let first = match self.read_ms.first() {
            None => Some(std::mem::take(&mut unread)),
            Some(_) => None,
        };
        tokio::task::spawn_local(async move {
            for (at_ms, count) in self.read_ms {
                tokio::time::sleep_until(clock.instant(Offset::from(Duration::from_millis(at_ms)))).await;
                let batch = unread.drain(..count).collect();
                queue.send(batch).await.unwrap();
            }
        });
        if let Some((at_ms, wanted)) = self.stop {
            tokio::task::spawn_local(async move {
                tokio::time::sleep_until(clock.instant(Offset::from(Duration::from_millis(at_ms)))).await;
                command.send_replace(wanted);
                std::future::pending::<()>().await;
            });
        } else {
            std::mem::forget(command);
        }
        let (feed, cpu) = (self.loop_mode, self.cpu);
        let lines = WorkerInputs {
            index: 0,
            arrivals,
            first_batch: first,
            phase,
            host_answers,
            target_answers,
            deliveries,
            grace,
            loop_mode: feed,
            cpu,
        };
        let worked = run_worker(shard, pacer, lines).await.unwrap();
        let mut fold = IntervalMerger::new(1);
        for delivery in delivered.try_iter() {
            if let Some(interval) = delivery.interval {
                fold.add(delivery.worker, &interval);
            }
        }
        let (_, totals) = fold.close();
        (totals, worked)
    }
}

fn origin() -> (Script, Rc<Cell<usize>>) {
    let opened = Rc::new(Cell::new(0));
    (Script { opened: Rc::clone(&opened), seen: Rc::default() }, opened)
}

/// Plays a scene of one arrival and tells its fault.
#[track_caller]
fn check_fault(path: &str, expected: Fault) -> Totals {
    let (totals, _) = TestRun { timeout_ms: 50, ..TestRun::alike(10, 1, path) }.play(origin().0);
    let seen: Vec<_> = totals.counts.faults.seen().map(|(fault, _)| fault).collect();
    assert_eq!(seen, [expected], "{path}");
    assert_eq!(totals.counts.arrivals.failed, 1);
    totals
}

#[test]
fn every_arrival_is_sent_when_it_is_due() {
    let (origin, opened) = origin();
    let (totals, worked) = TestRun::alike(1_000, 2_000, "/good-5").play(origin);
    let (counts, times) = (&totals.counts, &totals.times);
    assert_eq!((counts.arrivals.offered, counts.arrivals.passed), (2_000, 2_000));
    assert_eq!((times.lateness.min(), times.lateness.max()), (0, 0));
    assert_eq!((times.latency.min(), times.latency.max()), (5_000, 5_000));
    assert_eq!(worked.last_due.as_micros(), 1_999_000);
    // Five milliseconds of a thousand a second, and one on its way back.
    assert!((5..=6).contains(&opened.get()), "{}", opened.get());
}

#[test]
fn a_freeze_is_seen_by_all_who_would_have_met_it() {
    // From 500 ms to 1,000 ms nobody is answered; what came in at t waits for
    // 1,000 - t milliseconds.
    let script = |n: u64| {
        if (500..1_000).contains(&n) { format!("/good-{}", 1_000 - n) } else { "/good-0".to_owned() }
    };
    let (totals, _) = TestRun::of(1_000, (0..2_000).map(script).collect()).play(origin().0);
    let latency = &totals.times.latency;
    assert_eq!(latency.max(), 500_000);
    // 500 of 2,000 waited: the slowest hundredth waited 480 ms or more.
    let p99 = latency.quantile(0.99);
    assert!((479_000..=481_500).contains(&p99), "{p99}");
    assert_eq!(totals.times.lateness.max(), 0);
}

#[test]
fn a_time_out_counts_from_the_due_time_and_at_the_deadline() {
    let totals = check_fault("/silent-0", Fault::TimeoutTotal);
    assert_eq!(totals.times.latency_failed.max(), 50_000);
}

#[test]
fn what_is_wrong_with_an_answer_is_told_apart() {
    check_fault("/down-0", Fault::StatusServerError);
    check_fault("/cut-0", Fault::HttpTruncated);
    check_fault("/half-0", Fault::HttpTruncated);
    check_fault("/noise-0", Fault::HttpGarbage);
    check_fault("/long-0", Fault::HttpBodyTooLarge);
    check_fault("/closed-0", Fault::HttpClosed);
}

#[test]
fn a_head_is_too_large_however_it_is_cut_into_reads() {
    for piece in [0, 100, 4_096, 16_384] {
        check_fault(&format!("/large-{piece}"), Fault::HttpHeadersTooLarge);
    }
}

#[test]
fn a_connection_that_cannot_be_had_is_a_fault_with_a_latency() {
    let (totals, _) = TestRun::alike(100, 10, "/good-0").play(Refusing);
    assert_eq!(totals.counts.faults.get(Fault::ConnectRefused).count, 10);
    assert_eq!(totals.times.latency_failed.count(), 10);
    let (totals, _) = TestRun::alike(100, 10, "/good-0").play(NeverAccepting);
    assert_eq!(totals.counts.faults.get(Fault::ConnectTimeout).count, 10);
    assert_eq!(totals.times.latency_failed.min(), 200_000);
}

#[test]
fn over_the_limit_arrivals_are_shed_and_the_others_still_on_time() {
    let scene = TestRun { in_flight: 10, timeout_ms: 1_000, ..TestRun::alike(1_000, 100, "/silent-0") };
    let (totals, _) = scene.play(origin().0);
    let arrivals = &totals.counts.arrivals;
    assert_eq!((arrivals.offered, arrivals.shed, arrivals.failed), (100, 90, 10));
    assert_eq!(totals.times.lateness.max(), 0);
}

#[test]
fn those_who_wait_for_a_connection_wait_with_their_clock_running() {
    // One connection, 10 ms an answer, an arrival each 5 ms: the n-th waits
    // 5 ms longer than the one before.
    let scene = TestRun { connections: 1, ..TestRun::alike(200, 100, "/good-10") };
    let (totals, _) = scene.play(origin().0);
    assert_eq!(totals.counts.arrivals.passed, 100);
    assert_eq!(totals.times.latency.max(), (10 + 99 * 5) * 1_000);
    assert_eq!(totals.times.service.max(), 10_000);
}

#[test]
fn waiting_does_not_outlast_the_time_out() {
    let scene = TestRun { connections: 1, timeout_ms: 40, ..TestRun::alike(1_000, 10, "/silent-0") };
    let (totals, _) = scene.play(origin().0);
    assert_eq!(totals.counts.faults.get(Fault::TimeoutTotal).count, 10);
    assert_eq!(totals.times.latency_failed.max(), 40_000);
    assert_eq!(totals.counts.attempts.first, 10);
}

#[test]
fn a_stale_connection_costs_a_replay_and_no_failure() {
    let (origin, opened) = origin();
    let (totals, _) = TestRun::alike(100, 50, "/quiet-0").play(origin);
    assert_eq!(totals.counts.arrivals.passed, 50);
    assert_eq!(opened.get(), 50);
    assert_eq!(totals.counts.attempts.first, 50);
}

#[test]
fn an_interrupted_run_drains_and_balances() {
    let scene = TestRun { stop: Some((500, Phase::Draining)), ..TestRun::alike(1_000, 2_000, "/good-100") };
    let (totals, worked) = scene.play(origin().0);
    let arrivals = &totals.counts.arrivals;
    assert_eq!(arrivals.offered + worked.unreleased, 2_000);
    assert!((499..=501).contains(&arrivals.offered), "{}", arrivals.offered);
    assert_eq!((arrivals.passed, arrivals.unfinished), (arrivals.offered, 0));
}

#[test]
fn a_run_that_is_stopped_cuts_what_is_in_flight() {
    let scene = TestRun { stop: Some((500, Phase::Stopping)), ..TestRun::alike(1_000, 2_000, "/good-100") };
    let (totals, worked) = scene.play(origin().0);
    let arrivals = &totals.counts.arrivals;
    assert_eq!(arrivals.offered + worked.unreleased, 2_000);
    assert_eq!(arrivals.passed + arrivals.unfinished, arrivals.offered);
    assert!((99..=101).contains(&arrivals.unfinished), "{}", arrivals.unfinished);
    assert_eq!(totals.counts.attempts.unfinished, arrivals.unfinished);
}

#[test]
fn in_a_closed_loop_each_connection_takes_the_next() {
    let feed = LoopMode::Closed { until: None, open: None };
    let scene = TestRun { loop_mode: feed, connections: 4, ..TestRun::alike(1, 400, "/good-10") };
    let (origin, opened) = origin();
    let (totals, worked) = scene.play(origin);
    assert_eq!((totals.counts.arrivals.passed, worked.unreleased, opened.get()), (400, 0, 4));
    // 400 arrivals over 4 connections at 10 ms each.
    assert_eq!(worked.last_due.as_micros(), 990_000);
    assert_eq!((totals.times.latency.min(), totals.times.latency.max()), (10_000, 10_000));
}

#[test]
fn a_closed_loop_takes_no_more_than_may_be_open() {
    let feed = LoopMode::Closed { until: None, open: Some(3) };
    let scene = TestRun { loop_mode: feed, connections: 10, ..TestRun::alike(1, 12, "/good-10") };
    let (origin, opened) = origin();
    let (totals, worked) = scene.play(origin);
    assert_eq!((totals.counts.arrivals.passed, worked.unreleased, opened.get()), (12, 0, 3));
    assert_eq!(worked.last_due.as_micros(), 30_000);
}

#[test]
fn a_closed_loop_ends_with_its_time() {
    let feed = LoopMode::Closed { until: Some(Offset::from(Duration::from_millis(95))), open: None };
    let scene = TestRun { loop_mode: feed, connections: 2, ..TestRun::alike(1, 400, "/good-10") };
    let (totals, worked) = scene.play(origin().0);
    let arrivals = &totals.counts.arrivals;
    assert_eq!((arrivals.offered, arrivals.passed), (20, 20));
    assert_eq!(worked.unreleased, 380);
}

#[test]
fn grace_ends() {
    let scene = TestRun { grace_ms: 100, ..TestRun::alike(1_000, 10, "/silent-0") };
    let (totals, _) = scene.play(origin().0);
    assert_eq!((totals.counts.arrivals.unfinished, totals.counts.attempts.unfinished), (10, 10));
    assert!(totals.times.latency.is_empty() && totals.times.latency_failed.is_empty());
}

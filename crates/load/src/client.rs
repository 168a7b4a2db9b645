//! Client models: what a client does when a download fails, as data.
//!
//! The storm after a broken release is made by the rules of its clients: how
//! often they try again, after what, how long they wait, and whether they begin
//! again at the first URL. A [`ClientModel`] holds those rules for one client;
//! the built-in ones stand in `client/presets.toml`, each with its sources.
//! [`ClientModel::next`] is the whole of a retry: from the attempt that ended to
//! a wait, or to the reason for giving up. It is pure. What it remembers of a
//! download is a [`RetryState`] of a few bytes, what of a client a [`Budget`];
//! time is the engine's, and random numbers come in as an argument.
//!
//! Around it: [`sessions`] tell which downloads belong to one run of a client,
//! [`first_attempts`] leaves recorded retries out. Which model a recorded client
//! follows is told by its [kind](downpour_core::agent).

pub mod behavior;
pub mod budget;
pub mod delays;
pub mod file;
pub mod first_attempts;
pub mod retry_conditions;
pub mod sessions;

mod client_mix;
mod list;

#[cfg(test)]
mod tests;

pub use behavior::{ClientBehavior, ClientPlan, NoRetryReason, RetryContext};
pub use budget::{Budget, BudgetRule};
pub use client_mix::ClientMix;
pub use file::ClientModels;

use budget::{Failure, Tokens};
use delays::{Delay, Delays, Jitter};
use downpour_core::agent::AgentPattern;
use downpour_core::fault::Fault;
use downpour_core::seed::random_key;
use downpour_core::units::Factor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use retry_conditions::{RetriedFaults, StatusSet, is_target_fault};
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

/// How one client behaves when a download fails.
///
/// Made by [`ClientModels::parse`] alone, which refuses models that never give
/// up, that wait without bounds, or whose parts contradict each other.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClientModel {
    /// What it is called on the command line, such as `cargo-1.70`.
    pub name: String,
    /// What it describes, in a line.
    pub about: String,
    /// Where its numbers are from: files of the client's source, measurements.
    pub sources: Vec<String>,
    /// The user agents by which it is told in a log, where it is not built in.
    pub agents: Vec<AgentPattern>,
    /// Attempts at one download, the first one included; at most 100.
    pub attempts: NonZeroU8,
    /// How long it waits before each retry.
    pub delays: Delays,
    /// The same after a fault, where no answer came that could be read.
    pub delays_after_fault: Delays,
    /// How the delays are spread.
    pub jitter: Jitter,
    /// What is tried again.
    pub retry_conditions: RetryConditions,
    /// What becomes of a `Retry-After`.
    pub retry_after: RetryAfter,
    /// Where a retry begins.
    pub scope: Scope,
    /// What becomes of the other downloads when one has failed for good.
    pub on_failure: OnFailure,
    /// What limits the retries of all downloads together.
    pub budget: BudgetRule,
    /// How a download begins.
    pub first_method: FirstMethod,
    /// Downloads at a time, where that is known.
    pub streams: Option<NonZeroU16>,
    /// Connections to a host, where that is known.
    pub connections: Option<NonZeroU16>,
    /// Its patience.
    pub timeouts: Timeouts,
    /// Redirects it follows in a row; `None` for no limit, or none known.
    pub redirects: Option<u16>,
    /// What runs the client again when it fails.
    pub outer_loop: OuterLoop,
}

/// What a client tries again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryConditions {
    /// Answers with these statuses.
    pub statuses: StatusSet,
    /// Answers with these, but only after the first attempt.
    pub statuses_once: StatusSet,
    /// Answers with these, if they carry a `Retry-After`.
    pub statuses_with_retry_after: StatusSet,
    /// Attempts that ended with these faults.
    pub faults: RetriedFaults,
}

/// What becomes of a `Retry-After`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfter {
    /// It is not looked at.
    #[default]
    Ignore,
    /// It counts.
    Honor {
        /// How.
        how: RetryAfterMode,
        /// The answers whose `Retry-After` counts.
        statuses: StatusSet,
        /// Waited on top of what was asked for.
        extra: Delay,
        /// The longest that is accepted.
        cap: Duration,
        /// What becomes of a longer one.
        over_cap: OverCap,
    },
}

/// How a `Retry-After` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RetryAfterMode {
    /// In place of the client's own delay.
    Replace,
    /// On top of it.
    Add,
}

/// What becomes of a `Retry-After` longer than is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverCap {
    /// The longest that is accepted is waited.
    #[default]
    Cap,
    /// The download fails.
    GiveUp,
}

/// Where a retry begins: the most important of all rules, because it decides
/// whether a broken target multiplies the load of the service that redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// At the first URL: the candidate is asked again, whatever failed.
    #[default]
    Chain,
    /// At the URL that failed: a broken target is nothing to the candidate.
    Hop,
}

/// What becomes of a session's other downloads when one fails for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// They go on.
    #[default]
    GoOn,
    /// They end with it, waits included.
    Abort,
}

/// How a download begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstMethod {
    /// It is asked for.
    #[default]
    Get,
    /// It is asked about with `HEAD`, and then fetched from where that led.
    Head,
}

/// How long a client waits for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// A connection.
    pub connect: Option<Duration>,
    /// The next bytes of an answer.
    pub read: Option<Duration>,
    /// The whole of an answer.
    pub total: Option<Duration>,
}

/// What runs a client again when it has failed: a loop in a build, a job that
/// is started anew. Each run is a new process, with all its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterLoop {
    /// Runs, the first one included.
    pub runs: NonZeroU8,
    /// The pause between two of them.
    pub pause: Delay,
}

/// How an attempt ended that did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastAttempt {
    end: LastAttemptEnd,
    retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastAttemptEnd {
    Status(u16),
    Fault(Fault),
}

impl LastAttempt {
    /// It was answered with `status`, and judged to have `fault`, if any; the
    /// answer asked to wait for `retry_after`.
    ///
    /// An error is an error to a client whatever else was found in it. Any other
    /// answer fails it by its fault: a redirect to a host that does not exist is
    /// a fine answer with a fault.
    pub const fn answered(status: u16, fault: Option<Fault>, retry_after: Option<Duration>) -> Self {
        let end = match fault {
            Some(fault) if status < 400 => LastAttemptEnd::Fault(fault),
            Some(_) | None => LastAttemptEnd::Status(status),
        };
        Self { end, retry_after }
    }

    /// It was not answered.
    pub const fn unanswered(fault: Fault) -> Self {
        Self { end: LastAttemptEnd::Fault(fault), retry_after: None }
    }

    fn failure(self) -> Failure {
        match self.end {
            LastAttemptEnd::Fault(
                Fault::ConnectTimeout | Fault::TimeoutFirstByte | Fault::TimeoutTotal | Fault::DnsTimeout,
            ) => Failure::Timeout,
            LastAttemptEnd::Fault(_) | LastAttemptEnd::Status(_) => Failure::Other,
        }
    }
}

/// What is remembered of a download between its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryState {
    /// Attempts of this run that have ended.
    ended: u8,
    /// Runs that have ended.
    runs: u8,
    /// The wait before the attempt that is under way.
    previous: Delay,
    /// What that attempt cost.
    paid: Tokens,
}

const _: () = assert!(size_of::<RetryState>() <= 16, "there is one for each download that waits");

impl RetryState {
    const NEW: Self = Self { ended: 0, runs: 0, previous: Delay::ZERO, paid: Tokens::NONE };

    /// How many attempts of the present run have ended.
    pub const fn ended(&self) -> u8 {
        self.ended
    }

    /// How many runs of the client have ended.
    pub const fn runs(&self) -> u8 {
        self.runs
    }

    /// A download that the next run of its client takes up, after so many.
    pub const fn of_run(runs: u8) -> Self {
        Self { runs, ..Self::NEW }
    }
}

/// What a client does after an attempt that did not end well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// It tries again, so long after the end of the last attempt.
    RetryAfter(Duration),
    /// It does not.
    GiveUp(GiveUp),
}

/// Why a client does not try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GiveUp {
    /// What happened is nothing it tries again.
    NotRetried,
    /// That was the last attempt it makes.
    Exhausted,
    /// It was asked to wait longer than it will.
    TooLong,
    /// Its budget has nothing left for a retry.
    Budget,
}

impl GiveUp {
    /// The stable name under which it is counted.
    pub const fn id(self) -> &'static str {
        match self {
            Self::NotRetried => "not_retried",
            Self::Exhausted => "exhausted",
            Self::TooLong => "retry_after",
            Self::Budget => "budget",
        }
    }
}

impl ClientModel {
    /// Begins a download: its first attempt, booked in the client's budget.
    pub const fn begin(&self, budget: &mut Budget) -> RetryState {
        budget.began();
        RetryState::NEW
    }

    /// Books that the attempt under way ended well.
    pub fn succeeded(&self, state: &RetryState, budget: &mut Budget) {
        budget.succeeded((state.ended > 0).then_some(state.paid));
    }

    /// What the client does after the attempt under way ended as `last` says.
    ///
    /// ```
    /// use downpour_load::client::{Budget, ClientModels, LastAttempt, NextStep, retry_rng};
    /// use downpour_core::fault::Fault;
    /// use std::time::Duration;
    ///
    /// let models = ClientModels::built_in();
    /// let cargo = models.find("cargo-1.70").unwrap();
    /// let mut budget = Budget::new(cargo.budget);
    /// let mut state = cargo.begin(&mut budget);
    /// let last = LastAttempt::answered(302, Some(Fault::DnsNxdomain), None);
    /// let mut waits = Vec::new();
    /// loop {
    ///     let mut random = retry_rng(1, 0, &state);
    ///     match cargo.next(&mut state, &mut budget, last, &mut random) {
    ///         NextStep::RetryAfter(wait) => waits.push(wait),
    ///         NextStep::GiveUp(_) => break,
    ///     }
    /// }
    /// assert!(waits[0] >= Duration::from_millis(500) && waits[0] <= Duration::from_millis(1_500));
    /// assert_eq!(waits[1..], [Duration::from_millis(3_500), Duration::from_millis(6_500)]);
    /// ```
    pub fn next(
        &self,
        state: &mut RetryState,
        budget: &mut Budget,
        last: LastAttempt,
        random: &mut impl Rng,
    ) -> NextStep {
        state.ended = state.ended.saturating_add(1);
        match self.wait(state, budget, last, random) {
            Ok(wait) => NextStep::RetryAfter(wait),
            Err(_) if state.runs + 1 < self.outer_loop.runs.get() => {
                *state = RetryState::of_run(state.runs + 1);
                NextStep::RetryAfter(self.outer_loop.pause.as_duration())
            }
            Err(reason) => NextStep::GiveUp(reason),
        }
    }

    /// Whether a retry after `last` asks the candidate, and not only the place
    /// that its redirect named.
    pub fn asks_candidate_again(&self, last: LastAttempt) -> bool {
        match (self.scope, last.end) {
            (Scope::Chain, _) | (Scope::Hop, LastAttemptEnd::Status(_)) => true,
            (Scope::Hop, LastAttemptEnd::Fault(fault)) => !is_target_fault(fault),
        }
    }

    /// The same client in a run that is played `factor` times as fast: all its
    /// waits and all of its patience are divided by it.
    #[must_use]
    pub fn time_scaled(&self, factor: Factor) -> Self {
        let nanos = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let shorter = |length| Duration::from_nanos(factor.shrink(nanos(length)));
        let retry_after = match self.retry_after {
            RetryAfter::Ignore => RetryAfter::Ignore,
            RetryAfter::Honor { how, statuses, extra, cap, over_cap } => RetryAfter::Honor {
                how,
                statuses,
                extra: extra.time_scaled(factor),
                cap: shorter(cap),
                over_cap,
            },
        };
        Self {
            delays: self.delays.time_scaled(factor),
            delays_after_fault: self.delays_after_fault.time_scaled(factor),
            jitter: self.jitter.time_scaled(factor),
            retry_after,
            timeouts: Timeouts {
                connect: self.timeouts.connect.map(shorter),
                read: self.timeouts.read.map(shorter),
                total: self.timeouts.total.map(shorter),
            },
            outer_loop: OuterLoop { pause: self.outer_loop.pause.time_scaled(factor), ..self.outer_loop },
            ..self.clone()
        }
    }

    /// The most attempts at one download, over all runs.
    pub fn attempts_max(&self) -> u32 {
        u32::from(self.attempts.get()) * u32::from(self.outer_loop.runs.get())
    }

    fn wait(
        &self,
        state: &mut RetryState,
        budget: &mut Budget,
        last: LastAttempt,
        random: &mut impl Rng,
    ) -> Result<Duration, GiveUp> {
        if !self.retries(state.ended, last) {
            return Err(GiveUp::NotRetried);
        }
        budget.failed();
        if state.ended >= self.attempts.get() {
            return Err(GiveUp::Exhausted);
        }
        let delays = match last.end {
            LastAttemptEnd::Status(_) => &self.delays,
            LastAttemptEnd::Fault(_) => &self.delays_after_fault,
        };
        let drawn = self.jitter.draw(state.ended, delays.before(state.ended), state.previous, random);
        let wait = self.apply_retry_after(last, drawn.as_duration())?;
        state.paid = budget.pay(last.failure()).ok_or(GiveUp::Budget)?;
        state.previous = drawn;
        Ok(wait)
    }

    fn retries(&self, ended: u8, last: LastAttempt) -> bool {
        let retried = &self.retry_conditions;
        match last.end {
            LastAttemptEnd::Fault(fault) => retried.faults.contains(fault),
            LastAttemptEnd::Status(status) => {
                retried.statuses.contains(status)
                    || (retried.statuses_once.contains(status) && ended == 1)
                    || (retried.statuses_with_retry_after.contains(status) && last.retry_after.is_some())
            }
        }
    }

    /// What a `Retry-After` makes of the client's own delay.
    fn apply_retry_after(&self, last: LastAttempt, own: Duration) -> Result<Duration, GiveUp> {
        let (
            RetryAfter::Honor { how, statuses, extra, cap, over_cap },
            LastAttemptEnd::Status(status),
            Some(asked),
        ) = (self.retry_after, last.end, last.retry_after)
        else {
            return Ok(own);
        };
        if !statuses.contains(status) {
            return Ok(own);
        }
        let asked = asked.saturating_add(extra.as_duration());
        if asked > cap && over_cap == OverCap::GiveUp {
            return Err(GiveUp::TooLong);
        }
        Ok(match how {
            RetryAfterMode::Replace => asked.min(cap),
            RetryAfterMode::Add => own + asked.min(cap),
        })
    }
}

/// Keeps these random numbers apart from others of the same seed.
const RNG_DOMAIN: &[u8; 8] = b"retries\0";

/// The random numbers for one retry of an arrival. They depend on the run's
/// seed, the arrival and the attempt alone, so the number of threads changes
/// nothing.
pub fn retry_rng(seed: u64, arrival: u64, state: &RetryState) -> ChaCha8Rng {
    let mut key = random_key(seed, *RNG_DOMAIN);
    key[8..10].copy_from_slice(&[state.runs, state.ended]);
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(arrival);
    random
}

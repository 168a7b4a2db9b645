//! What a client's table means: its parts, each checked against the others.

use super::{
    ClientFileResult, FileBudget, FileClient, FileDelay, FileDelays, FileFormula, FileJitter, FileOuterLoop,
    FileRetryAfter, FileStatus,
};
use crate::client::budget::{BudgetRule, Refund};
use crate::client::delays::{Delay, Delays, Jitter};
use crate::client::retry_conditions::{
    RetriedFaults, StatusSet, client_can_see, client_faults_of, family_of,
};
use crate::client::{ClientModel, OuterLoop, RetryAfter, RetryConditions, Timeouts};
use downpour_core::agent::AgentPattern;
use downpour_core::fault::Fault;
use downpour_core::toml_file::{Spanned, TomlMistake, error_at};
use std::collections::BTreeSet;
use std::num::NonZeroU8;

/// The longest name, which keeps a list of models within a terminal.
const NAME_MAX: usize = 16;

/// The most user agents of one client.
const AGENTS_MAX: usize = 50;

/// The most attempts, and the most runs.
const TIMES_MAX: u8 = 100;

pub(super) fn model(file: FileClient) -> ClientFileResult<ClientModel> {
    let name = name(&file.name)?;
    let attempts = times("attempts", &file.attempts)?;
    without_contradiction(&file, attempts)?;
    let formula = file.delays.as_ref().and_then(|delays| match delays.get_ref() {
        FileDelays::List(_) => None,
        FileDelays::Formula(formula) => Some(formula),
    });
    let jitter = file.jitter.as_ref().map(|jitter| of_jitter(jitter, formula)).transpose()?;
    let delays = of_delays("delays", file.delays.as_ref(), attempts)?;
    let delays_after_fault = match &file.delays_after_fault {
        None => delays.clone(),
        Some(_) => of_delays("delays-after-fault", file.delays_after_fault.as_ref(), attempts)?,
    };
    let from_file = file.retry_after.as_ref().map(Spanned::get_ref);
    let retried = RetryConditions {
        statuses: statuses("statuses", &file.statuses)?,
        statuses_once: statuses("statuses-once", &file.statuses_once)?,
        statuses_with_retry_after: statuses("retry-after", from_file.map_or(&[], |rule| &rule.retried))?,
        faults: faults(&file.faults)?,
    };
    Ok(ClientModel {
        name,
        about: file.about,
        sources: file.source,
        agents: agents(&file.agents)?,
        attempts,
        delays,
        delays_after_fault,
        jitter: jitter.unwrap_or_default(),
        retry_conditions: retried,
        retry_after: from_file.map_or(Ok(RetryAfter::Ignore), retry_after)?,
        scope: file.scope,
        on_failure: file.on_failure,
        budget: file.budget.as_ref().map_or(Ok(BudgetRule::Unlimited), budget)?,
        first_method: file.first_method,
        streams: file.streams,
        connections: file.connections,
        timeouts: Timeouts {
            connect: file.timeouts.connect.map(|length| length.0),
            read: file.timeouts.read.map(|length| length.0),
            total: file.timeouts.total.map(|length| length.0),
        },
        redirects: file.redirects,
        outer_loop: outer_loop(file.outer_loop.as_ref())?,
    })
}

fn name(name: &Spanned<String>) -> ClientFileResult<String> {
    let text = name.get_ref();
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    if (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(text.clone());
    }
    let remedy = format!("use at most {NAME_MAX} of a-z, 0-9, . and -, as in cargo-1.70");
    Err(error_at(name, format!("name: {text:?} is not a client name; {remedy}")))
}

fn agents(list: &[Spanned<String>]) -> ClientFileResult<Vec<AgentPattern>> {
    if let Some(excess) = list.get(AGENTS_MAX) {
        return Err(error_at(excess, format!("agents: at most {AGENTS_MAX} are allowed")));
    }
    let pattern = |text: &Spanned<String>| {
        let remedy = "write the name of a product, as in \"renovate\", or a pattern, as in \"Wget/1.*\"";
        let what = || error_at(text, format!("agents: {:?} is not a user agent; {remedy}", text.get_ref()));
        AgentPattern::new(text.get_ref()).ok_or_else(what)
    };
    list.iter().map(pattern).collect()
}

fn times(field: &str, count: &Spanned<i64>) -> ClientFileResult<NonZeroU8> {
    let count_of = u8::try_from(*count.get_ref()).ok().filter(|count| *count <= TIMES_MAX);
    count_of.and_then(NonZeroU8::new).ok_or_else(|| {
        error_at(count, format!("{field}: must be 1 to {TIMES_MAX}, but is {}", count.get_ref()))
    })
}

/// A model with one attempt has no use for rules of retrying, and one with
/// several needs them.
fn without_contradiction(file: &FileClient, attempts: NonZeroU8) -> ClientFileResult<()> {
    let rules = [
        file.delays.as_ref().map(|rule| ("delays", rule.span())),
        file.delays_after_fault.as_ref().map(|rule| ("delays-after-fault", rule.span())),
        file.jitter.as_ref().map(|rule| ("jitter", rule.span())),
        file.budget.as_ref().map(|rule| ("budget", rule.span())),
        file.retry_after.as_ref().map(|rule| ("retry-after", rule.span())),
        file.statuses.first().map(|rule| ("statuses", rule.span())),
        file.statuses_once.first().map(|rule| ("statuses-once", rule.span())),
        file.faults.first().map(|rule| ("faults", rule.span())),
    ];
    if attempts == NonZeroU8::MIN {
        return match rules.into_iter().flatten().next() {
            Some((field, span)) => {
                let what = format!(
                    "{field}: a client with attempts = 1 never retries; raise attempts, or remove this"
                );
                Err(TomlMistake { span, what })
            }
            None => Ok(()),
        };
    }
    if file.delays.is_none() {
        let what = "attempts: delays are missing; write delays = [\"1s\", \"2s\"], or [\"0s\"] for none";
        return Err(error_at(&file.attempts, what));
    }
    let only_with_retry_after =
        file.retry_after.as_ref().is_some_and(|rule| !rule.get_ref().retried.is_empty());
    let is_empty = file.statuses.is_empty() && file.statuses_once.is_empty() && file.faults.is_empty();
    if is_empty && !only_with_retry_after {
        let what = "attempts: no failure is retried; add statuses = [\"5xx\"] or faults = [\"dns\"]";
        return Err(error_at(&file.attempts, what));
    }
    Ok(())
}

fn of_delays(
    field: &str,
    delays: Option<&Spanned<FileDelays>>,
    attempts: NonZeroU8,
) -> ClientFileResult<Delays> {
    let Some(delays) = delays else { return Ok(Delays::default()) };
    let retries = attempts.get() - 1;
    let wrong = |what: String| error_at(delays, format!("{field}: {what}"));
    let wait = |text: &String| FileDelay::try_from(text.clone()).map(|wait| wait.0).map_err(wrong);
    match delays.get_ref() {
        FileDelays::List(list) if list.is_empty() => {
            Err(wrong("the list is empty; write [\"0s\"] for a client that does not wait".to_owned()))
        }
        FileDelays::List(list) if list.len() > usize::from(retries) => {
            Err(wrong(format!("there are {} delays for {retries} retries; remove some", list.len())))
        }
        FileDelays::List(list) => Ok(Delays::list(list.iter().map(wait).collect::<ClientFileResult<_>>()?)),
        FileDelays::Formula(formula) => {
            let (base, cap) = (wait(&formula.base)?, wait(&formula.cap)?);
            if !(1.0..=1_000.0).contains(&formula.factor) {
                return Err(wrong(format!("factor {} is out of bounds; use 1 to 1000", formula.factor)));
            }
            if cap < base {
                return Err(wrong(format!("cap {} is below base {}", formula.cap, formula.base)));
            }
            Ok(Delays::growing(base, formula.factor, cap, retries))
        }
    }
}

fn of_jitter(jitter: &Spanned<FileJitter>, formula: Option<&FileFormula>) -> ClientFileResult<Jitter> {
    let delay = |text: &String| FileDelay::try_from(text.clone()).map_or(Delay::ZERO, |wait| wait.0);
    Ok(match *jitter.get_ref() {
        FileJitter::None => Jitter::None,
        FileJitter::FirstOnly(more) => Jitter::FirstOnly(more.0),
        FileJitter::Full => Jitter::Full,
        FileJitter::Equal => Jitter::Equal,
        FileJitter::Bounded(shortest) => Jitter::Bounded(shortest.0),
        FileJitter::Share(share) => Jitter::Share(share.0),
        FileJitter::Additive(more) => Jitter::Additive(more.0),
        FileJitter::Decorrelated => {
            let remedy = "write delays = { base = \"50ms\", factor = 3, cap = \"20s\" }";
            let formula = formula
                .ok_or_else(|| error_at(jitter, format!("jitter: decorrelated needs a formula; {remedy}")))?;
            // A base or a cap that is no length of time is reported with the delays.
            Jitter::Decorrelated {
                base: delay(&formula.base),
                factor: formula.factor,
                cap: delay(&formula.cap),
            }
        }
    })
}

fn statuses(field: &str, list: &[Spanned<FileStatus>]) -> ClientFileResult<StatusSet> {
    let mut set = StatusSet::default();
    for entry in list {
        let wrong = |text: &str| {
            let what = format!("{field}: {text} is not a status; write 100 to 599, or a class as in \"5xx\"");
            error_at(entry, what)
        };
        match entry.get_ref() {
            FileStatus::One(status) if set.insert(*status) => {}
            FileStatus::One(status) => return Err(wrong(&status.to_string())),
            FileStatus::Class(class) => match class.as_bytes() {
                [digit @ b'1'..=b'5', b'x', b'x'] => {
                    let first = u16::from(digit - b'0') * 100;
                    (first..first + 100).for_each(|status| {
                        set.insert(status);
                    });
                }
                _ => return Err(wrong(&format!("{class:?}"))),
            },
        }
    }
    Ok(set)
}

fn faults(list: &[Spanned<String>]) -> ClientFileResult<RetriedFaults> {
    let mut set = RetriedFaults::default();
    for entry in list {
        let text = entry.get_ref();
        let named = Fault::from_id(text);
        if text == "status" || named.is_some_and(|fault| family_of(fault) == "status") {
            let remedy = "name the status itself: statuses = [\"5xx\"]";
            return Err(error_at(entry, format!("faults: {text:?} is not specific enough; {remedy}")));
        }
        match named {
            Some(fault) if client_can_see(fault) => set.insert(fault),
            Some(_) => {
                let what =
                    format!("faults: {text:?} is a fault of the load generator; clients never have it");
                return Err(error_at(entry, what));
            }
            None if client_faults_of(text).next().is_none() => {
                return Err(error_at(entry, unknown_fault(text)));
            }
            None => client_faults_of(text).for_each(|fault| set.insert(fault)),
        }
    }
    Ok(set)
}

fn unknown_fault(text: &str) -> String {
    let families: BTreeSet<_> =
        Fault::ALL.iter().filter(|fault| client_can_see(**fault)).map(|fault| family_of(*fault)).collect();
    let families: Vec<_> = families.into_iter().collect();
    format!(
        "faults: {text:?} is not a fault; use an id such as dns.nxdomain, or one of the families {}",
        families.join(", ")
    )
}

fn retry_after(file: &FileRetryAfter) -> ClientFileResult<RetryAfter> {
    let all = || {
        let mut all = StatusSet::default();
        (100..600).for_each(|status| {
            all.insert(status);
        });
        all
    };
    Ok(RetryAfter::Honor {
        how: file.mode,
        statuses: match &file.statuses {
            Some(list) => statuses("retry-after", list)?,
            None => all(),
        },
        extra: file.extra.map_or(Delay::ZERO, |extra| extra.0),
        cap: file.cap.0,
        over_cap: file.over_cap,
    })
}

fn budget(file: &Spanned<FileBudget>) -> ClientFileResult<BudgetRule> {
    let wrong = |what: &str| Err(error_at(file, format!("budget: {what}")));
    match *file.get_ref() {
        FileBudget::TokenBucket { cost, .. } if cost.0.is_zero() => {
            wrong("cost is 0, so the budget limits nothing; remove the budget")
        }
        FileBudget::TokenBucket { capacity, cost, timeout_cost, gain, refund } => {
            let timeout_cost = timeout_cost.unwrap_or(cost);
            if capacity.0 < cost.0 || capacity.0 < timeout_cost.0 {
                return wrong("the capacity is less than the cost of a retry");
            }
            Ok(BudgetRule::TokenBucket {
                capacity: capacity.0,
                cost: cost.0,
                timeout_cost: timeout_cost.0,
                gain: gain.0,
                refund: if refund { Refund::Cost } else { Refund::Gain },
            })
        }
        FileBudget::Throttle { max_tokens, .. } if max_tokens.0.is_zero() => {
            wrong("max-tokens is 0, so there would be no retry at all; use 10, for example")
        }
        FileBudget::Throttle { max_tokens, ratio } => {
            Ok(BudgetRule::Throttle { max_tokens: max_tokens.0, ratio: ratio.0 })
        }
        FileBudget::Ratio(share) => Ok(BudgetRule::Ratio(share.0)),
    }
}

fn outer_loop(file: Option<&FileOuterLoop>) -> ClientFileResult<OuterLoop> {
    let Some(file) = file else { return Ok(OuterLoop { runs: NonZeroU8::MIN, pause: Delay::ZERO }) };
    Ok(OuterLoop { runs: times("outer-loop", &file.runs)?, pause: file.pause.0 })
}

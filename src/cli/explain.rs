//! `downpour explain`: what an id in a report means, what clients make of it,
//! and what to do.

use super::CliError;
use downpour_core::fault::Fault;
use downpour_core::suggest::did_you_mean;
use downpour_report::advice::advice;
use downpour_report::{REASON_MEANINGS, ReasonMeaning};
use downpour_trace::losses::LossReason;
use downpour_trace::reasons::{Filter, Note, Reject, Skip};
use std::io::{self, Write};

/// Columns of the ids.
const ID_COLUMNS: usize = 28;

/// Explain a fault of a report, a family of faults, or why a line of a log was
/// not replayed.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  downpour explain
  downpour explain dns.nxdomain
  downpour explain dns
  downpour explain bad_field_count")]
pub(crate) struct ExplainArgs {
    /// A fault such as dns.nxdomain, a family such as dns, the reason why a line
    /// was left out or a run is invalid, or a warning [default: list all faults]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Writes what was asked for.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let written = match &args.id {
        None => list(Fault::ALL.iter().copied(), out),
        Some(id) => match Topic::named(id) {
            Some(Topic::Fault(fault)) => explain(fault, out),
            Some(Topic::Family(family)) => {
                // `target` is a family, and why a record was left out, too.
                list(Fault::ALL.iter().copied().filter(|f| f.family() == family), out)
                    .and_then(|()| line(family).map_or(Ok(()), |line| explain_line(&line, out)))
            }
            Some(Topic::LineReason(line)) => explain_line(&line, out),
            Some(Topic::Reason(ReasonMeaning { id, about, meaning })) => {
                writeln!(out, "{id}\n  {about}\n  meaning  {meaning}")
            }
            None => return Err(CliError::Usage(unknown(id))),
        },
    };
    written.map_err(CliError::Print)
}

/// What an id stands for.
enum Topic {
    Fault(Fault),
    Family(&'static str),
    LineReason(LineReason),
    /// Of a run: why it is invalid, or a warning.
    Reason(ReasonMeaning),
}

/// What became of a line of a log, or is told about it.
struct LineReason {
    id: &'static str,
    about: &'static str,
    meaning: &'static str,
}

impl Topic {
    fn named(id: &str) -> Option<Self> {
        let family = || Fault::ALL.iter().map(|fault| fault.family()).find(|family| *family == id);
        Fault::from_id(id)
            .map(Self::Fault)
            .or_else(|| family().map(Self::Family))
            .or_else(|| line(id).map(Self::LineReason))
            .or_else(|| {
                REASON_MEANINGS.iter().find(|reason| reason.id == id).map(|reason| Self::Reason(*reason))
            })
    }
}

fn line(id: &str) -> Option<LineReason> {
    lines().find(|line| line.id == id)
}

/// The reasons of lines.
fn lines() -> impl Iterator<Item = LineReason> {
    let rejected = Reject::ALL.iter().map(|reason| LineReason {
        id: reason.id(),
        about: "rejected because it cannot be read",
        meaning: reason.meaning(),
    });
    let skipped = Skip::ALL.iter().map(|reason| LineReason {
        id: reason.id(),
        about: "skipped because it is not a request",
        meaning: reason.meaning(),
    });
    let filtered = Filter::ALL.iter().map(|reason| LineReason {
        id: reason.id(),
        about: "left out on purpose (filtered)",
        meaning: reason.meaning(),
    });
    let noted = Note::ALL.iter().map(|note| LineReason {
        id: note.id(),
        about: "accepted, with a note",
        meaning: note.meaning(),
    });
    let lost = LossReason::ALL.into_iter().map(|loss| LineReason {
        id: loss.id(),
        about: "lost because it has no place in the order",
        meaning: loss.meaning(),
    });
    rejected.chain(skipped).chain(filtered).chain(noted).chain(lost)
}

fn explain_line(line: &LineReason, out: &mut dyn Write) -> io::Result<()> {
    let LineReason { id, about, meaning } = line;
    writeln!(out, "{id}\n  a line or record of a log, {about}\n  meaning  {meaning}")
}

fn unknown(id: &str) -> String {
    let last = |known: &'static str| known.split_once('.').map_or(known, |(_, name)| name);
    let faults = || Fault::ALL.iter().map(|fault| fault.id());
    let reasons = REASON_MEANINGS.iter().map(|reason| reason.id);
    // Several faults may have the name that stands behind the dot.
    let named: Vec<_> = faults().filter(|known| last(known) == id).collect();
    let meant = match named.as_slice() {
        [] => did_you_mean(id, faults().chain(lines().map(|line| line.id)).chain(reasons)),
        several => format!(" (did you mean {}?)", several.join(" or ")),
    };
    format!("{id:?} is not a fault, family or reason{meant}; downpour explain without an ID lists all faults")
}

fn list(mut faults: impl Iterator<Item = Fault>, out: &mut dyn Write) -> io::Result<()> {
    faults.try_for_each(|fault| writeln!(out, "{fault:<ID_COLUMNS$}{}", short(fault)))
}

fn explain(fault: Fault, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{fault}")?;
    writeln!(out, "  meaning  {}", fault.meaning())?;
    writeln!(out, "  clients  {}", fault.client_reaction())?;
    writeln!(out, "  to do    {}", advice(fault.id()))
}

/// The meaning, as far as it has room.
fn short(fault: Fault) -> String {
    let room = 80 - ID_COLUMNS;
    let meaning = fault.meaning();
    if meaning.chars().count() <= room {
        return meaning.to_owned();
    }
    meaning.chars().take(room - 3).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output_of(id: Option<&str>) -> Result<String, CliError> {
        let mut out = Vec::new();
        run(&ExplainArgs { id: id.map(str::to_owned) }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_fault_is_listed_and_explained() {
        let list = output_of(None).unwrap();
        assert_eq!(list.lines().count(), Fault::ALL.len());
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        for &fault in Fault::ALL {
            let text = output_of(Some(fault.id())).unwrap();
            for part in [fault.meaning(), fault.client_reaction(), advice(fault.id())] {
                assert!(text.contains(part), "{text}");
            }
        }
        assert!(output_of(Some("dns.private_address")).unwrap().contains("--allow-private"));
    }

    #[test]
    fn a_family_is_listed() {
        let dns = output_of(Some("dns")).unwrap();
        assert_eq!(dns.lines().count(), Fault::ALL.iter().filter(|fault| fault.family() == "dns").count());
        assert!(dns.lines().all(|line| line.starts_with("dns.")), "{dns}");
    }

    #[test]
    fn reasons_of_lines_are_explained() {
        for LineReason { id, meaning, .. } in lines() {
            assert!(output_of(Some(id)).unwrap().contains(meaning), "{id}");
        }
        let text = output_of(Some("bad_field_count")).unwrap();
        assert!(text.contains("rejected") && text.contains("too few columns"), "{text}");
    }

    #[test]
    fn reasons_of_runs_are_explained() {
        for ReasonMeaning { id, meaning, .. } in REASON_MEANINGS {
            assert!(output_of(Some(id)).unwrap().contains(meaning), "{id}");
        }
        assert!(output_of(Some("records_lost")).unwrap().contains("a reason why a run is invalid"));
        assert!(output_of(Some("clock_ahead")).unwrap().contains("a wrong clock"));
        let mistake = output_of(Some("record_lost")).unwrap_err().to_string();
        assert!(mistake.contains("did you mean records_lost?"), "{mistake}");
    }

    #[test]
    fn near_names_are_suggested() {
        let mistake = |id: &str| output_of(Some(id)).unwrap_err().to_string();
        assert!(mistake("nxdomain").contains("did you mean dns.nxdomain?"), "{}", mistake("nxdomain"));
        assert!(mistake("dns.nxdomian").contains("did you mean dns.nxdomain?"));
        assert!(mistake("timeout.totl").contains("did you mean timeout.total?"));
        assert!(mistake("bad_feld_count").contains("did you mean bad_field_count?"));
        let several = mistake("refused");
        for id in ["connect.refused", "dns.refused", "target.refused"] {
            assert!(several.contains(id), "{several}");
        }
        let strange = mistake("zzzzzz");
        assert!(!strange.contains("did you mean") && strange.contains("lists all faults"), "{strange}");
    }
}

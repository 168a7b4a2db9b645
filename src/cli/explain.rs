//! `downpour explain`: what an id in a report means, and what clients make of
//! it.

use super::CliError;
use crate::fault::Fault;
use crate::names::did_you_mean;
use std::io::{self, Write};

/// Columns of the ids.
const ID_COLUMNS: usize = 28;

/// Tell what a fault of a report means, and what clients do when they meet it.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  downpour explain
  downpour explain dns.nxdomain")]
pub(crate) struct ExplainArgs {
    /// Its id, such as dns.nxdomain [default: list all]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
}

/// Writes what was asked for.
pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let written = match &args.id {
        None => {
            Fault::ALL.iter().try_for_each(|fault| writeln!(out, "{fault:<ID_COLUMNS$}{}", short(*fault)))
        }
        Some(id) => {
            let fault = Fault::from_id(id).ok_or_else(|| {
                let meant = did_you_mean(id, Fault::ALL.iter().map(|fault| fault.id()));
                CliError::Usage(format!(
                    "{id:?} is no fault{meant}; downpour explain without an id lists them all"
                ))
            })?;
            explain(fault, out)
        }
    };
    written.map_err(CliError::Print)
}

fn explain(fault: Fault, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{fault}")?;
    writeln!(out, "  meaning  {}", fault.meaning())?;
    writeln!(out, "  clients  {}", fault.reaction())
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

    fn told(id: Option<&str>) -> Result<String, CliError> {
        let mut out = Vec::new();
        run(&ExplainArgs { id: id.map(str::to_owned) }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_fault_is_listed_and_explained() {
        let list = told(None).unwrap();
        assert_eq!(list.lines().count(), Fault::ALL.len());
        assert!(list.lines().all(|line| line.chars().count() <= 80), "{list}");
        for &fault in Fault::ALL {
            let text = told(Some(fault.id())).unwrap();
            assert!(text.contains(fault.meaning()) && text.contains(fault.reaction()), "{text}");
        }
        let unknown = told(Some("dns")).unwrap_err();
        assert!(unknown.to_string().starts_with("\"dns\" is no fault"), "{unknown}");
        let near = told(Some("nxdomain")).unwrap_err();
        assert!(near.to_string().contains("(did you mean dns.nxdomain?)"), "{near}");
    }
}

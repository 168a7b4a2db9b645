//! `downpour rules`: the built-in sets, to use or to copy, and one's own checked.

use super::CliError;
use downpour_core::visible;
use downpour_verify::rules::Rules;
use std::io::{self, Write};

/// List the built-in sets of rules, print one, or check a file of your own.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:
  downpour rules oci > mine.toml     copy a built-in set to start with
  downpour rules mine.toml           check a file")]
pub(crate) struct RulesArgs {
    /// A built-in set to print, or a TOML file to check
    #[arg(value_name = "SET")]
    pub(crate) set: Option<String>,
}

/// Writes what was asked for.
pub(crate) fn run(args: &RulesArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let set = args.set.as_deref();
    let written = match (set, set.and_then(Rules::builtin_text)) {
        (None, _) => return list(out),
        (Some(_), Some(text)) => out.write_all(text.as_bytes()),
        (Some(file), None) => {
            let rules = Rules::load(file)?;
            let count = rules.len();
            writeln!(out, "{file}: {count} {}, no mistakes", if count == 1 { "rule" } else { "rules" })
                .and_then(|()| remarks(&rules, out))
        }
    };
    written.map_err(CliError::Print)
}

/// What only warns, and since when something is demanded and why.
fn remarks(rules: &Rules, out: &mut dyn Write) -> io::Result<()> {
    rules.remarks().iter().try_for_each(|remark| writeln!(out, "{:<18}{}", "", visible::line(remark)))
}

fn list(out: &mut dyn Write) -> Result<(), CliError> {
    for name in Rules::builtin_names() {
        let text = Rules::builtin_text(name).unwrap_or_default();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("# ").trim_end_matches('.');
        let rules = Rules::builtin(name)?;
        writeln!(out, "{name:<18}{what}").and_then(|()| remarks(&rules, out)).map_err(CliError::Print)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output_of(set: Option<&str>) -> Result<String, CliError> {
        let mut out = Vec::new();
        run(&RulesArgs { set: set.map(str::to_owned) }, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn sets_are_listed_and_printed() {
        let list = output_of(None).unwrap();
        let sets = list.lines().filter(|line| !line.starts_with(' '));
        assert_eq!(sets.count(), Rules::builtin_names().count());
        assert!(list.starts_with("crates-io         What crates.io answers to downloads\n"), "{list}");
        let vary = "warn: vary must contain accept; since 2026-06-02; ";
        assert!(list.lines().nth(1).is_some_and(|line| line.trim_start().starts_with(vary)), "{list}");
        for name in Rules::builtin_names() {
            let text = output_of(Some(name)).unwrap();
            assert!(!Rules::parse(&text, name).unwrap().is_empty());
        }
    }

    #[test]
    fn files_are_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml");
        std::fs::write(&path, "[[rule]]\nmatch = \"/x\"\nstatus = 302\n").unwrap();
        let name = path.to_str().unwrap();
        assert_eq!(output_of(Some(name)).unwrap(), format!("{name}: 1 rule, no mistakes\n"));
        let warns = "[[rule]]\nmatch = \"/x\"\nstatus = 302\nlevel = \"warn\"\nwhy = \"a trial\"\n";
        std::fs::write(&path, warns).unwrap();
        let said = output_of(Some(name)).unwrap();
        assert!(
            said.ends_with(" no mistakes\n                  warn: all requirements of /x; a trial\n"),
            "{said}"
        );
        std::fs::write(&path, "[[rule]]\nmatch = \"x\"\nstatus = 302\n").unwrap();
        let mistake = output_of(Some(name)).unwrap_err().to_string();
        assert!(mistake.contains("mine.toml:2:9: "), "{mistake}");
        let unknown = output_of(Some("cargo")).unwrap_err().to_string();
        assert!(unknown.contains("known sets: crates-io"), "{unknown}");
        let near = output_of(Some("cratesio")).unwrap_err().to_string();
        assert!(near.contains("(did you mean crates-io?)"), "{near}");
    }
}

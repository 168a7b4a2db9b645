//! The help of the program: its commands, by what they are for.

use super::Cli;
use clap::{Command, CommandFactory};
use std::fmt::Write as _;

/// Groups of commands. What is printed of each command is its own help.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Run", &["replay", "check", "demo", "simulate"]),
    ("Look", &["inspect", "report", "compare", "explain"]),
    ("Practise", &["serve"]),
    ("Reference", &["rules", "clients", "scenarios", "schema", "completions", "man"]),
];

/// The program, with its commands in groups.
pub(super) fn program() -> Command {
    let program = Cli::command();
    let header = program.get_styles().get_header();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\n{header}Options:{header:#}\n\
         {{options}}{{after-help}}",
        groups(&program)
    );
    program.help_template(template)
}

fn groups(program: &Command) -> String {
    let (header, literal) = (program.get_styles().get_header(), program.get_styles().get_literal());
    let longest = program.get_subcommands().map(|command| command.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (group, names) in GROUPS {
        writeln!(text, "\n{header}{group}:{header:#}").unwrap_or_default();
        for command in names.iter().filter_map(|name| program.find_subcommand(name)) {
            let (name, about) = (command.get_name(), command.get_about());
            let about = about.map(ToString::to_string).unwrap_or_default();
            let gap = longest - name.len() + 2;
            writeln!(text, "  {literal}{name}{literal:#}{:gap$}{about}", "").unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn each_command_is_in_one_group() {
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let program = Cli::command();
        let mut all: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        grouped.sort_unstable();
        all.sort_unstable();
        assert_eq!(grouped, all);
    }

    #[test]
    fn old_spellings_are_accepted_and_not_shown() {
        let replay = ["replay", "log", "--target", "http://127.0.0.1:1"];
        let serve = ["serve", "--ca-out", "ca.pem"];
        for (command, old) in [
            (&replay[..], &["--pacing-grain", "1ms"][..]),
            (&replay, &["-R", "10", "-z", "1s"]),
            (&serve, &["--cdn-certificate", "sound"]),
        ] {
            let parsed = Cli::try_parse_from([&["downpour"], command, old].concat());
            assert!(parsed.is_ok(), "{old:?}: {:?}", parsed.err());
        }
        for command in Cli::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            assert!(!help.contains("pacing-grain") && !help.contains("sound"), "{help}");
        }
    }
}

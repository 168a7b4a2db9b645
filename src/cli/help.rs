//! The help of the program: its commands, by what they are for.

use super::Cli;
use clap::error::{ContextKind, ContextValue, ErrorKind};
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

/// An option of another command is not a misspelt one of this: the message says
/// which commands have it.
pub(super) fn name_commands_with_option(error: &mut clap::Error) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidArg) else { return };
    let name = typed.split(['=', ' ']).next().unwrap_or_default().to_owned();
    let program = Cli::command();
    let with_option: Vec<_> = program
        .get_subcommands()
        .filter(|command| command.get_arguments().any(|argument| is_spelt(argument, &name)))
        .map(Command::get_name)
        .collect();
    if with_option.is_empty() {
        return;
    }
    error.remove(ContextKind::SuggestedArg);
    let tip = format!("{name} is an option of: {}", with_option.join(", "));
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

fn is_spelt(argument: &clap::Arg, name: &str) -> bool {
    match (name.strip_prefix("--"), name.strip_prefix('-')) {
        (Some(long), _) => argument.get_long() == Some(long),
        (None, Some(short)) => argument.get_short().is_some_and(|known| short.chars().eq([known])),
        (None, None) => false,
    }
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

    #[test]
    fn an_option_of_another_command_is_named_as_such() {
        let check = |option: &[&str], expected: Option<&str>| {
            let typed = [&["downpour", "check", "--target", "http://127.0.0.1:1", "log"], option].concat();
            let mut error = Cli::try_parse_from(typed).unwrap_err();
            name_commands_with_option(&mut error);
            let text = error.to_string();
            match expected {
                Some(tip) => assert!(text.contains(tip), "{text}"),
                None => assert!(!text.contains("is an option of"), "{text}"),
            }
            assert!(!text.contains("similar argument") || expected.is_none(), "{text}");
        };
        check(&["--rate", "5"], Some("tip: --rate is an option of: demo, replay, simulate"));
        check(&["--rate=5"], Some("tip: --rate is an option of: "));
        check(&["-n", "5"], Some("-n is an option of: replay"));
        check(&["--max-lateness", "5s"], Some("--max-lateness is an option of: "));
        check(&["--hedaer", "5"], None);
    }
}

//! `downpour completions` and `downpour man`: what is made from the help.

use super::{Cli, CliError};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Print the completions of a shell
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  downpour completions bash \\
      > ~/.local/share/bash-completion/completions/downpour
  downpour completions zsh > ~/.zfunc/_downpour
  downpour completions fish > ~/.config/fish/completions/downpour.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell: bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL", value_enum, hide_possible_values = true)]
    shell: Shell,
}

/// Print the man page, or write one for each subcommand
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  downpour man | man -l -
  downpour man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write downpour.1, downpour-replay.1 and so on to this directory
    ///
    /// The directory is created if it does not exist. Without it, the page of the
    /// program is printed.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Why a page was not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot write", path.display())]
pub(crate) struct ManError {
    path: PathBuf,
    source: io::Error,
}

/// Prints the completions.
pub(crate) fn completions(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "downpour", &mut script);
    out.write_all(&script).and_then(|()| out.flush()).map_err(CliError::Print)
}

/// Prints the page of the program, or writes all of them.
pub(crate) fn man(args: &ManArgs, out: &mut dyn Write) -> Result<(), CliError> {
    // Subcommands inherit flags and their full names only once it is built.
    let mut program = Cli::command();
    program.build();
    match &args.directory {
        None => {
            let page = page(&program).map_err(CliError::Print)?;
            out.write_all(&page).and_then(|()| out.flush()).map_err(CliError::Print)
        }
        Some(directory) => Ok(pages(&program, directory)?),
    }
}

fn pages(program: &clap::Command, directory: &Path) -> Result<(), ManError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ManError { path, source }
    };
    fs::create_dir_all(directory).map_err(failed(directory))?;
    let subcommands = program.get_subcommands().filter(|command| command.get_name() != "help");
    for command in std::iter::once(program).chain(subcommands) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = directory.join(format!("{name}.1"));
        page(command).and_then(|page| fs::write(&path, page)).map_err(failed(&path))?;
    }
    Ok(())
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}

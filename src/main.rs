//! The program.

use clap::Parser;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "downpour")]
enum Command {
    Serve(downpour::cli::serve::ServeArgs),
}

fn main() -> ExitCode {
    let Command::Serve(args) = Command::parse();
    match downpour::cli::serve::run(&args, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            std::io::Write::write_all(&mut std::io::stderr(), format!("failed to {error}\n").as_bytes())
                .unwrap_or_default();
            ExitCode::FAILURE
        }
    }
}

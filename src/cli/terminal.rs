//! Where texts leave the program for a terminal: all that would steer it is
//! made visible here, whoever put the text together.

use downpour_core::visible;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

/// Where log lines go: to stderr, made visible.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        Visible(&mut io::stderr()).write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogLines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Results for people that hold text of the operator's files, made visible.
/// Results for programs do not go this way, and no colours of our own.
pub(super) struct Visible<'o>(pub(super) &'o mut dyn Write);

impl Write for Visible<'_> {
    /// Takes whole texts, as formatting gives them.
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.write_all(visible::text(&String::from_utf8_lossy(text)).as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_steers_no_terminal() {
        let mut out = Vec::new();
        let name = "a\u{1b}]0;x\u{7}\u{202e}b\u{4e2d}";
        writeln!(Visible(&mut out), "{name}: fine").unwrap();
        assert_eq!(out, "a\\u{1b}]0;x\\u{7}\\u{202e}b\u{4e2d}: fine\n".as_bytes());
    }
}

//! Lines out of a stream of bytes, of bounded length, without a copy.
//!
//! A line lies whole in the buffer when it is handed out. One that is longer
//! than the bound is reported once and the rest of it thrown away unread by
//! anyone, so no input can make the buffer grow.

use memchr::memchr;
use std::io::{self, Read};

/// The longest line that is looked at, without its LF.
pub(crate) const MAX_LINE: usize = 64 * 1024;

const BUFFER: usize = 4 * MAX_LINE;

/// One line of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogLine<'b> {
    /// A line that ended with LF, without it.
    Whole(&'b [u8]),
    /// The last line of an input that does not end with LF.
    Unended(&'b [u8]),
    /// A line beyond the bound.
    TooLong,
}

/// Cuts what a reader gives into lines.
pub(crate) struct LineReader {
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    end: usize,
    ended: bool,
    overlong: bool,
}

impl std::fmt::Debug for LineReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl LineReader {
    /// The lines of `input`.
    pub(crate) fn new(input: Box<dyn Read + Send>) -> Self {
        Self { input, buffer: vec![0; BUFFER], start: 0, searched: 0, end: 0, ended: false, overlong: false }
    }

    /// The next line. After `WouldBlock` it may be asked for again; after another error
    /// the input has ended: what was read of a
    /// line before the error is dropped.
    pub(crate) fn next(&mut self) -> io::Result<Option<LogLine<'_>>> {
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let (from, to) = (self.start, self.searched + found);
                self.start = to + 1;
                self.searched = self.start;
                let overlong = std::mem::take(&mut self.overlong) || to - from > MAX_LINE;
                let line = if overlong { LogLine::TooLong } else { LogLine::Whole(&self.buffer[from..to]) };
                return Ok(Some(line));
            }
            self.searched = self.end;
            if self.overlong || self.end - self.start > MAX_LINE {
                self.overlong = true;
                self.start = self.end;
            }
            if self.ended {
                return Ok(self.last());
            }
            self.fill()?;
        }
    }

    fn last(&mut self) -> Option<LogLine<'_>> {
        let (from, to) = (self.start, self.end);
        self.start = self.end;
        if std::mem::take(&mut self.overlong) {
            return Some(LogLine::TooLong);
        }
        (from < to).then(|| LogLine::Unended(&self.buffer[from..to]))
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.searched = self.end;
        self.start = 0;
        match self.input.read(&mut self.buffer[self.end..]) {
            Ok(0) => self.ended = true,
            Ok(read) => self.end += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Quiet, not at its end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
            Err(error) => {
                self.ended = true;
                self.start = self.end;
                self.overlong = false;
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    /// Gives its bytes away a few at a time.
    struct Dribble(Cursor<Vec<u8>>, usize);

    impl Read for Dribble {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(self.1);
            self.0.read(&mut out[..most])
        }
    }

    fn all(bytes: &[u8], step: usize) -> Vec<String> {
        let mut lines = LineReader::new(Box::new(Dribble(Cursor::new(bytes.to_vec()), step)));
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push(match line {
                LogLine::Whole(line) => format!("{}.", String::from_utf8_lossy(line)),
                LogLine::Unended(line) => String::from_utf8_lossy(line).into_owned(),
                LogLine::TooLong => "too long".to_owned(),
            });
        }
        out
    }

    #[test]
    fn lines_and_what_is_none() {
        assert_eq!(all(b"", 1), [""; 0]);
        assert_eq!(all(b"a\n\nb", 1), ["a.", ".", "b"]);
        assert_eq!(all(b"a\n", 9), ["a."]);
    }

    #[test]
    fn a_line_beyond_the_bound_is_told_once() {
        let long = "x".repeat(10 * MAX_LINE);
        for step in [1_000, usize::MAX] {
            assert_eq!(all(format!("a\n{long}\nb\n").as_bytes(), step), ["a.", "too long", "b."]);
            assert_eq!(all(long.as_bytes(), step), ["too long"]);
        }
        let fits = "x".repeat(MAX_LINE);
        assert_eq!(all(format!("{fits}\ny").as_bytes(), 777).len(), 2);
        assert_eq!(all(format!("{fits}x\ny").as_bytes(), 777), ["too long", "y"]);
    }

    proptest! {
        #[test]
        fn how_the_bytes_come_changes_nothing(
            text in "[ab\n]{0,200}",
            step in 1_usize..50,
        ) {
            let ended = text.split_inclusive('\n').map(|line| match line.strip_suffix('\n') {
                Some(whole) => format!("{whole}."),
                None => line.to_owned(),
            });
            prop_assert_eq!(all(text.as_bytes(), step), ended.collect::<Vec<_>>());
        }
    }
}

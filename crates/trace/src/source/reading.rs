//! Which input is read next, and how far.

use super::reader::{InputReader, ParserSetup, ReadStep};
use super::{BATCH, MAX_OPEN, MAX_WARNINGS, Source, Warning};
use crate::error::TraceError;
use crate::live::Wait;
use std::cmp::Reverse;

/// What came of reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadProgress {
    /// Lines, or the end of an input.
    Some,
    /// Nothing: a stream is quiet.
    None,
    /// All inputs are at their end.
    Ended,
}

impl Source {
    /// Reads a batch of lines from the input that lies back furthest. While that
    /// is a live stream that is quiet, the next stream is read instead: its
    /// records must not wait for another machine to be asked something.
    pub(super) fn read_some(&mut self) -> Result<ReadProgress, TraceError> {
        let Some(&Reverse((_, first))) = self.pass.watermarks.peek() else { return Ok(ReadProgress::Ended) };
        let may_read_ahead = self.may_read_ahead();
        // All that are quiet at both ends of a wait were quiet in between.
        let waits = if may_read_ahead { &[Wait::No, Wait::Moment][..] } else { &[Wait::Moment] };
        for wait in waits {
            let mut progress = self.read_from(first, *wait)?;
            if progress == ReadProgress::None && may_read_ahead {
                progress = self.read_ahead(first)?;
            }
            if progress != ReadProgress::None {
                return Ok(progress);
            }
        }
        let is_all = may_read_ahead || self.pass.watermarks.len() == 1;
        if let Some(holding) = &mut self.live_delay {
            // Where others were not asked, only what was marked before gets older.
            holding.was_silent(self.pass.reached().filter(|_| is_all));
        }
        Ok(ReadProgress::None)
    }

    /// Whether a quiet stream may be left behind. What is read beyond it waits,
    /// so half of the room is left for what it still has to say.
    fn may_read_ahead(&self) -> bool {
        self.has_times
            && self.live_delay.is_some()
            && self.pass.watermarks.len() > 1
            && self.pass.pending() < self.pass.max_pending / 2
    }

    /// Reads a batch from the first stream behind `first` that has something.
    fn read_ahead(&mut self, first: usize) -> Result<ReadProgress, TraceError> {
        let is_other = |index: usize| index != first && !self.inputs[index].spec.is_repeatable();
        let others = self.pass.watermarks.iter().map(|Reverse(at)| *at).filter(|(_, index)| is_other(*index));
        let mut others: Vec<_> = others.collect();
        others.sort_unstable();
        for (_, index) in others {
            let progress = self.read_from(index, Wait::No)?;
            if progress != ReadProgress::None {
                return Ok(progress);
            }
        }
        Ok(ReadProgress::None)
    }

    /// Reads a batch of lines from an input, up to where the one behind it
    /// stands; so much of one that is not the first at once.
    fn read_from(&mut self, index: usize, wait: Wait) -> Result<ReadProgress, TraceError> {
        let Some(mut front) = self.pass.take_front(index) else { return Ok(ReadProgress::None) };
        let (mut progress, mut caught_up) = (ReadProgress::Some, false);
        let until =
            self.pass.watermarks.peek().map(|Reverse((front, _))| *front).filter(|until| front <= *until);
        let mut reader = match self.pass.readers[index].take() {
            Some(reader) => reader,
            None => self.open_input(index)?,
        };
        if self.has_streams {
            self.shared_state.caught_up.begin(wait);
        }
        for _ in 0..BATCH {
            let step = reader.read_line(&mut self.filter, &mut self.pass, self.has_times);
            match step.inspect_err(|_| reader.release_all(&mut self.filter, &mut self.pass))? {
                ReadStep::Read => {}
                ReadStep::Idle => {
                    progress = ReadProgress::None;
                    break;
                }
                ReadStep::BrokenOff(message) | ReadStep::TrailingData(message) => {
                    if self.warnings.len() < MAX_WARNINGS {
                        let name = self.inputs[index].spec.name.clone();
                        self.warnings.push(Warning { name, line: reader.line(), message });
                    }
                }
                ReadStep::Ended => {
                    self.pass.open -= 1;
                    return Ok(ReadProgress::Some);
                }
            }
            front = reader.watermark().unwrap_or(front);
            if until.is_some_and(|until| front > until) {
                break;
            }
            caught_up = self.has_streams && self.shared_state.caught_up.take();
            if caught_up {
                break;
            }
        }
        if caught_up && let Some((holding, reached)) = self.live_delay.as_mut().zip(reader.newest_start()) {
            holding.was_empty(reached);
        }
        self.pass.readers[index] = Some(reader);
        self.pass.watermarks.push(Reverse((front, index)));
        Ok(progress)
    }

    fn open_input(&mut self, index: usize) -> Result<InputReader, TraceError> {
        let input = &self.inputs[index];
        if self.pass.open >= MAX_OPEN {
            return Err(TraceError::TooManyOpen { name: input.spec.name.clone(), limit: MAX_OPEN });
        }
        self.pass.open += 1;
        InputReader::reopen(
            &input.spec,
            index,
            input.report.format,
            &self.shared_state,
            ParserSetup { seed: self.seed, agents: self.agents },
        )
    }
}

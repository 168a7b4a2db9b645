//! Which input is read next, and how far.

use super::reader::{Reader, Step};
use super::{BATCH, MAX_OPEN, MAX_WARNINGS, Source, Warning};
use crate::trace::error::TraceError;
use crate::trace::live::Wait;
use std::cmp::Reverse;

/// What came of reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
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
    pub(super) fn read_some(&mut self) -> Result<Progress, TraceError> {
        let Some(&Reverse((_, first))) = self.pass.fronts.peek() else { return Ok(Progress::Ended) };
        let may_read_ahead = self.may_read_ahead();
        // All that are quiet at both ends of a wait were quiet in between.
        let waits = if may_read_ahead { &[Wait::No, Wait::Moment][..] } else { &[Wait::Moment] };
        for wait in waits {
            let mut progress = self.read_from(first, *wait)?;
            if progress == Progress::None && may_read_ahead {
                progress = self.read_ahead(first)?;
            }
            if progress != Progress::None {
                return Ok(progress);
            }
        }
        let is_all = may_read_ahead || self.pass.fronts.len() == 1;
        if let Some(holding) = &mut self.holding {
            // Where others were not asked, only what was marked before gets older.
            holding.was_silent(self.pass.reached().filter(|_| is_all));
        }
        Ok(Progress::None)
    }

    /// Whether a quiet stream may be left behind. What is read beyond it waits,
    /// so half of the room is left for what it still has to say.
    fn may_read_ahead(&self) -> bool {
        self.timed
            && self.holding.is_some()
            && self.pass.fronts.len() > 1
            && self.pass.held() < self.pass.most / 2
    }

    /// Reads a batch from the first stream behind `first` that has something.
    fn read_ahead(&mut self, first: usize) -> Result<Progress, TraceError> {
        let is_other = |index: usize| index != first && !self.inputs[index].spec.is_repeatable();
        let others = self.pass.fronts.iter().map(|Reverse(at)| *at).filter(|(_, index)| is_other(*index));
        let mut others: Vec<_> = others.collect();
        others.sort_unstable();
        for (_, index) in others {
            let progress = self.read_from(index, Wait::No)?;
            if progress != Progress::None {
                return Ok(progress);
            }
        }
        Ok(Progress::None)
    }

    /// Reads a batch of lines from an input, up to where the one behind it
    /// stands; so much of one that is not the first at once.
    fn read_from(&mut self, index: usize, wait: Wait) -> Result<Progress, TraceError> {
        let Some(mut front) = self.pass.take_front(index) else { return Ok(Progress::None) };
        let (mut progress, mut caught_up) = (Progress::Some, false);
        let until = self.pass.fronts.peek().map(|Reverse((front, _))| *front).filter(|until| front <= *until);
        let mut reader = match self.pass.readers[index].take() {
            Some(reader) => reader,
            None => self.open_input(index)?,
        };
        if self.has_streams {
            self.shared.caught_up.begin(wait);
        }
        for _ in 0..BATCH {
            let step = reader.step(&mut self.intake, &mut self.pass, self.timed);
            match step.inspect_err(|_| reader.settle(&mut self.intake, &mut self.pass))? {
                Step::Read => {}
                Step::Idle => {
                    progress = Progress::None;
                    break;
                }
                Step::Cut(message) | Step::Trailed(message) => {
                    if self.warnings.len() < MAX_WARNINGS {
                        let name = self.inputs[index].spec.name.clone();
                        self.warnings.push(Warning { name, line: reader.line(), message });
                    }
                }
                Step::Ended => {
                    self.pass.open -= 1;
                    return Ok(Progress::Some);
                }
            }
            front = reader.front().unwrap_or(front);
            if until.is_some_and(|until| front > until) {
                break;
            }
            caught_up = self.has_streams && self.shared.caught_up.take();
            if caught_up {
                break;
            }
        }
        if caught_up && let Some((holding, reached)) = self.holding.as_mut().zip(reader.reached()) {
            holding.was_empty(reached);
        }
        self.pass.readers[index] = Some(reader);
        self.pass.fronts.push(Reverse((front, index)));
        Ok(progress)
    }

    fn open_input(&mut self, index: usize) -> Result<Reader, TraceError> {
        let input = &self.inputs[index];
        if self.pass.open >= MAX_OPEN {
            return Err(TraceError::TooManyOpen { name: input.spec.name.clone(), limit: MAX_OPEN });
        }
        self.pass.open += 1;
        Reader::reopen(&input.spec, index, input.report.format, &self.shared, (self.seed, self.agents))
    }
}

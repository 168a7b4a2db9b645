//! What was found out about inputs: what they are, which cannot be read, and what
//! went wrong in one that can.

use crate::compression::InputCompression;
use crate::formats::Format;
use std::fmt;

/// What was found out about an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputReport {
    /// Its path as it was given.
    pub name: String,
    /// How it is packed.
    pub compression: InputCompression,
    /// Its format; `None` for an input without a line.
    pub format: Option<Format>,
}

/// A file of a directory or a pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableInput {
    /// Its path.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for UnreadableInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is left out: {}", self.name, self.reason)
    }
}

/// Something that went wrong while reading, and did not end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The input.
    pub name: String,
    /// The line it happened at.
    pub line: u64,
    /// What happened.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.name, self.line, self.message)
    }
}

//! Files in TOML: what one states, or a mistake with its line and column.
//!
//! [`parse`] is all that most files need. A file whose values depend on each
//! other is read by [`read`] into [`Spanned`] values; what is wrong with one of
//! them is a [`TomlMistake`], which [`TomlMistake::into_error`] locates.

use crate::suggest::did_you_mean;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::ops::Range;
pub use toml::Spanned;

/// A file that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}:{column}: {what}")]
pub struct TomlError {
    /// The path of the file, or the name of a built-in one.
    pub origin: String,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// A mistake and the bytes of the file it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TomlMistake {
    /// Bytes of the file.
    pub span: Range<usize>,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl TomlMistake {
    /// The mistake in the file that has this text and is called `origin`.
    pub fn into_error(self, text: &str, origin: &str) -> TomlError {
        let (line, column) = line_and_column(text, self.span.start);
        TomlError { origin: origin.to_owned(), line, column, what: self.what }
    }
}

/// What is wrong with this value of a file.
pub fn error_at<T>(value: &Spanned<T>, what: impl Display) -> TomlMistake {
    TomlMistake { span: value.span(), what: what.to_string() }
}

/// Where a value of a file begins, as `origin:line:column`.
pub fn place_of<T>(value: &Spanned<T>, text: &str, origin: &str) -> String {
    let (line, column) = line_and_column(text, value.span().start);
    format!("{origin}:{line}:{column}")
}

/// What a file with this text states. Mistakes call the file `origin`.
pub fn parse<T: DeserializeOwned>(text: &str, origin: &str) -> Result<T, TomlError> {
    read(text).map_err(|mistake| mistake.into_error(text, origin))
}

/// What a file with this text states. A mistake in a value begins with the key
/// where both are in one line; an unknown key comes with the nearest known one.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, TomlMistake> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let mut what = error.message().trim_end().replace('\n', ", ");
        what += &nearest_of_expected(&what);
        let line = last_line(text.get(..span.start).unwrap_or_default());
        let what = match line.split_once('=') {
            Some((key, _)) => format!("{}: {what}", key.trim()),
            None => what,
        };
        TomlMistake { span, what }
    })
}

fn line_and_column(text: &str, start: usize) -> (usize, usize) {
    let before = text.get(..start).unwrap_or(text);
    (before.matches('\n').count() + 1, last_line(before).chars().count() + 1)
}

fn last_line(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

/// The suggestion for a message such as "unknown field `a`, expected `b` or `c`".
fn nearest_of_expected(message: &str) -> String {
    if !message.starts_with("unknown ") {
        return String::new();
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    quoted.next().map_or_else(String::new, |typed| did_you_mean(typed, quoted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Service {
        #[serde(rename = "name")]
        _name: String,
        servers: Option<Spanned<u8>>,
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse::<Service>(text, "s.toml").unwrap_err().to_string(), expected);
    }

    #[test]
    fn mistakes_have_line_and_column_in_characters() {
        check("servers = 1", "s.toml:1:1: missing field `name`");
        check("\nname = 1", "s.toml:2:8: name: invalid type: integer `1`, expected a string");
        check("name = \"é\" x", "s.toml:1:12: name: unexpected key or value, expected newline, `#`");
    }

    #[test]
    fn an_unknown_key_is_reported_with_the_nearest_one() {
        let expected = "unknown field `sevrers`, expected `name` or `servers` (did you mean servers?)";
        check("sevrers = 1", &format!("s.toml:1:1: {expected}"));
        check("zz = 1", "s.toml:1:1: unknown field `zz`, expected `name` or `servers`");
    }

    #[test]
    fn a_value_can_be_reported_after_reading() {
        let text = "name = \"é\"\nservers = 0";
        let servers = read::<Service>(text).unwrap().servers.unwrap();
        let error = error_at(&servers, "servers: must be 1 or more").into_error(text, "s.toml");
        assert_eq!(error.to_string(), "s.toml:2:11: servers: must be 1 or more");
    }
}

//! What becomes of a line: a record, or a named reason why it is none.
//!
//! The reasons are closed lists with stable ids: they key the counters of the
//! books and are public API. A line is *skipped* when it is no request and no
//! error, *rejected* when it should have been a request. What is worth telling
//! about a line that was accepted is a [`Note`].

use super::Record;

macro_rules! reasons {
    ($(#[$outer:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $id:literal,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable id, lower case with underscores.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)+
                }
            }
        }
    };
}

reasons! {
    /// Why a line is no request, and no error either.
    Skip {
        /// A header of the format, such as `#Fields:`.
        Header = "header",
        /// A remark.
        Comment = "comment",
        /// Nothing but white space.
        Blank = "blank",
        /// A connection that closed before it sent a request.
        NoRequest = "no_request",
    }
}

reasons! {
    /// Why a line that should have been a request is none.
    Reject {
        /// Too few columns, or columns of another format.
        BadFieldCount = "bad_field_count",
        /// No instant of time, or one outside the years 1677 to 2262.
        BadTimestamp = "bad_timestamp",
        /// The other lines of the trace have a stamp, this one has none.
        MissingTimestamp = "missing_timestamp",
        /// Not `METHOD target PROTOCOL`.
        BadRequestLine = "bad_request_line",
        /// Not a token of RFC 9110 §5.6.2.
        BadMethod = "bad_method",
        /// Not a number from 0 to 999.
        BadStatus = "bad_status",
        /// Not the JSON that the format asks for.
        BadJson = "bad_json",
        /// Not a URL.
        BadUrl = "bad_url",
        /// A URL that is neither `http` nor `https`.
        BadScheme = "bad_scheme",
        /// A URL with credentials in it.
        Userinfo = "userinfo",
        /// Nothing to ask for.
        NoPath = "no_path",
        /// The columns are not known: no usable `#Fields:` came before.
        NoHeader = "no_header",
        /// A version of the format that is not known.
        UnsupportedVersion = "unsupported_version",
        /// Text of another encoding, UTF-16 for one.
        InvalidUtf8 = "invalid_utf8",
        /// More than 64 KiB without an end of line.
        LineTooLong = "line_too_long",
        /// Cut off: an open quote or JSON value, a last line without its end
        /// that makes no sense, the place where a compressed file breaks.
        Truncated = "truncated",
    }
}

impl Reject {
    /// The reason for a last line that lacks its end of line: what looks like
    /// missing columns is a file that was cut, or is still being written.
    pub(crate) const fn of_unended_line(self) -> Self {
        match self {
            Self::BadFieldCount
            | Self::BadTimestamp
            | Self::MissingTimestamp
            | Self::BadRequestLine
            | Self::BadMethod
            | Self::BadStatus
            | Self::BadJson
            | Self::BadUrl
            | Self::NoPath
            | Self::Truncated => Self::Truncated,
            Self::BadScheme
            | Self::Userinfo
            | Self::NoHeader
            | Self::UnsupportedVersion
            | Self::InvalidUtf8
            | Self::LineTooLong => self,
        }
    }
}

reasons! {
    /// Something worth telling about a line that was accepted.
    Note {
        /// More columns than the format has; they were ignored.
        ExtraFields = "extra_fields",
        /// Fewer columns than the format has; none of them was needed.
        MissingFields = "missing_fields",
        /// An escape that the format's writer would not have written; its
        /// bytes were kept.
        BadEscape = "bad_escape",
        /// The stamp is the end of the exchange and the duration is unknown:
        /// the end is taken for the start.
        NoDuration = "no_duration",
        /// No server sent a status: the column is empty, or the recorder made
        /// one up because a peer had vanished.
        NoStatus = "no_status",
        /// Bytes that are not legal in a request target were percent-encoded.
        TargetReencoded = "target_reencoded",
        /// Query values were replaced by filler.
        QueryScrubbed = "query_scrubbed",
    }
}

/// A set of [`Note`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notes(u8);

impl Notes {
    /// No notes.
    pub const NONE: Self = Self(0);

    /// This set, with [`Note::NoStatus`] in it where no server sent one.
    #[must_use]
    pub(crate) fn about_status(self, status: Option<u16>) -> Self {
        if super::sent_status(status).is_none() { self.with(Note::NoStatus) } else { self }
    }

    /// This set with `note` in it.
    #[must_use]
    pub const fn with(self, note: Note) -> Self {
        Self(self.0 | 1 << note as u8)
    }

    /// Whether `note` is in the set.
    pub const fn has(self, note: Note) -> bool {
        self.0 & 1 << note as u8 != 0
    }

    /// Whether the set is empty, as it is for nearly every line.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The notes in the set.
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Note::ALL.iter().copied().filter(move |&note| self.has(note))
    }
}

/// What one line came to. Every line comes to exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate<'l> {
    /// A recorded request.
    Record(Record<'l>),
    /// No request and no error.
    Skipped(Skip),
    /// Should have been a request.
    Rejected(Reject),
}

impl<'l> From<Result<Record<'l>, Reject>> for Fate<'l> {
    fn from(parsed: Result<Record<'l>, Reject>) -> Self {
        match parsed {
            Ok(record) => Self::Record(record),
            Err(reason) => Self::Rejected(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_notes_holds_what_was_put_in() {
        for &note in Note::ALL {
            let notes = Notes::NONE.with(note);
            assert!(notes.has(note));
            assert_eq!(notes.iter().collect::<Vec<_>>(), [note]);
        }
        assert!(Notes::NONE.is_empty());
    }
}

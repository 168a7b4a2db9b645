//! What becomes of a line: a record, or a named reason why it is none.
//!
//! The reasons are closed lists with stable ids: they key the counters of the
//! books and are public API. A line is *skipped* when it is no request and no
//! error, *rejected* when it should have been a request. A record that is left
//! out on purpose is *filtered*. What is worth telling about a line that was
//! accepted is a [`Note`]. Each reason states its meaning: what prints reasons
//! prints the same words.

use super::Record;

macro_rules! reasons {
    ($(#[$outer:meta])* $name:ident {
        $($(#[$doc:meta])* $variant:ident = $id:literal, $meaning:literal;)+
    }) => {
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

            /// What it means for the operator: a phrase that follows the id.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }

            /// The one with that id.
            pub fn from_id(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|reason| reason.id() == id)
            }
        }
    };
}

reasons! {
    /// Why a line is no request, and no error either.
    Skip {
        /// A header of the format, such as `#Fields:`.
        Header = "header", "a header of the format, such as #Fields:";
        /// A remark.
        Comment = "comment", "a comment";
        /// Nothing but white space.
        Blank = "blank", "an empty line";
        /// A connection that closed before it sent a request.
        NoRequest = "no_request", "a connection that closed before it sent a request";
    }
}

reasons! {
    /// Why a line that should have been a request is none.
    Reject {
        /// Too few columns, or columns of another format.
        BadFieldCount = "bad_field_count", "the line has too few columns, or columns of another format";
        /// No instant of time, or one outside the years 1677 to 2262.
        BadTimestamp = "bad_timestamp", "the time cannot be parsed, or is outside the years 1677 to 2262";
        /// The other lines of the trace have a stamp, this one has none.
        MissingTimestamp = "missing_timestamp", "the line has no time, although other lines of the log have one";
        /// Not `METHOD target PROTOCOL`.
        BadRequestLine = "bad_request_line", "the request is not METHOD, target and protocol; often a scanner or a TLS handshake on a plain port";
        /// Not a token of RFC 9110 §5.6.2.
        BadMethod = "bad_method", "the method has characters that HTTP does not allow";
        /// Not a number from 0 to 999.
        BadStatus = "bad_status", "the status is not a number from 0 to 999";
        /// Not the JSON that the format asks for.
        BadJson = "bad_json", "the line is not the JSON that the format requires";
        /// Not a URL.
        BadUrl = "bad_url", "the URL cannot be parsed";
        /// A URL that is neither `http` nor `https`.
        BadScheme = "bad_scheme", "the URL is neither http nor https";
        /// A URL with credentials in it.
        Userinfo = "userinfo", "the URL contains a user name or a password";
        /// Nothing to ask for.
        NoPath = "no_path", "the request has no path";
        /// The columns are not known: no usable `#Fields:` came before.
        NoHeader = "no_header", "the columns are unknown, because no usable #Fields: line came before";
        /// A version of the format that is not known.
        UnsupportedVersion = "unsupported_version", "this program does not support the line's version of the format";
        /// Text of another encoding, UTF-16 for one.
        InvalidUtf8 = "invalid_utf8", "the text is not UTF-8; it may be UTF-16";
        /// More than 64 KiB without an end of line.
        LineTooLong = "line_too_long", "the line is longer than 64 KiB";
        /// Cut off: an open quote or JSON value, a last line without its end
        /// that makes no sense, the place where a compressed file breaks.
        Truncated = "truncated", "the line or the compressed file is truncated, or is still being written";
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
    /// Why an accepted record is not replayed, on purpose.
    Filter {
        /// A method other than GET and HEAD.
        Method = "method", "only GET and HEAD are replayed: a replay must not change anything";
        /// `*`, `host:port` or an absolute URL, or a target that is too long.
        Target = "target", "the request target does not begin with /, or is too long to be sent";
        /// A rewrite leaves it out.
        Route = "route", "no rewrite matches the path, and the rewrites drop paths that they do not match";
        /// A rewrite demands a semantic version, and the path holds none.
        Version = "version", "the version in the path is not a semantic version, so no client can request it";
        /// The recorded service switched to another protocol (RFC 9110 §15.2.2).
        Upgrade = "upgrade", "the recorded service switched to another protocol (status 101), such as WebSocket; a plain GET cannot repeat that";
        /// A URL that the HTTP library does not send.
        Unsendable = "unsendable", "the target cannot be sent as an HTTP request";
        /// `check` asks for each distinct target once.
        Duplicate = "duplicate", "the same request came before; check sends each distinct request once";
        /// Retries of recorded clients, where models retry themselves.
        Repeat = "repeat", "a recorded retry of the same client; the client model makes its own retries";
    }
}

reasons! {
    /// Something worth telling about a line that was accepted.
    Note {
        /// More columns than the format has; they were ignored.
        ExtraFields = "extra_fields", "the line has more columns than the format; they were ignored";
        /// Fewer columns than the format has; none of them was needed.
        MissingFields = "missing_fields", "the line has fewer columns than the format; none of them was needed";
        /// An escape that the format's writer would not have written; its
        /// bytes were kept.
        BadEscape = "bad_escape", "the line has an escape that programs writing this format do not use; its bytes were kept";
        /// The stamp is the end of the exchange and the duration is unknown:
        /// the end is taken for the start.
        NoDuration = "no_duration", "the time is the end of the request and the duration is unknown; the end is used as the start";
        /// No server sent a status: the column is empty, or the recorder made
        /// one up because a peer had vanished.
        NoStatus = "no_status", "no server sent a status: the column is empty, or the logging server wrote 499 or 444 because a connection was closed";
        /// Bytes that are not legal in a request target were percent-encoded, or
        /// a fragment was left out.
        TargetReencoded = "target_reencoded", "bytes that are not allowed in a request target were percent-encoded, or a fragment was removed";
        /// Query values were replaced by filler.
        QueryScrubbed = "query_scrubbed", "values in the query were replaced by placeholders";
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
    pub(crate) fn with_missing_status(self, status: Option<u16>) -> Self {
        if downpour_core::status::sent_status(status).is_none() { self.with(Note::NoStatus) } else { self }
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
pub enum ParsedLine<'l> {
    /// A recorded request.
    Record(Record<'l>),
    /// No request and no error.
    Skipped(Skip),
    /// Should have been a request.
    Rejected(Reject),
}

impl<'l> From<Result<Record<'l>, Reject>> for ParsedLine<'l> {
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
    fn no_id_means_two_things() {
        let ids = Skip::ALL.iter().map(|reason| (reason.id(), reason.meaning()));
        let ids = ids.chain(Reject::ALL.iter().map(|reason| (reason.id(), reason.meaning())));
        let ids = ids.chain(Filter::ALL.iter().map(|reason| (reason.id(), reason.meaning())));
        let ids: Vec<_> = ids.chain(Note::ALL.iter().map(|note| (note.id(), note.meaning()))).collect();
        for (n, (id, meaning)) in ids.iter().enumerate() {
            assert!(ids[..n].iter().all(|(other, _)| other != id), "{id} is named twice");
            assert!(!meaning.is_empty() && !meaning.ends_with('.'), "{id}: {meaning}");
        }
        assert_eq!(Reject::from_id("bad_field_count"), Some(Reject::BadFieldCount));
        assert_eq!(Reject::from_id("method"), None);
    }

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

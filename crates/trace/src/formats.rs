//! The formats of logs and lists: one parser each, from a line to its fate.
//!
//! A parser works on bytes, splits before it un-escapes, and un-escapes once.
//! It never fails but by naming a reason, and materialises only what a replay
//! needs: no cookies, of a client's address nothing but a keyed hash, and of its
//! agent at most the kind of client. What all formats share is done
//! here, once: a byte order mark, a trailing CR, a last line without its end.

pub(crate) mod clf;
pub(crate) mod cloudfront;
pub(crate) mod fastly;
pub(crate) mod framing;
pub(crate) mod json;
pub(crate) mod ndjson;
pub(crate) mod url_list;

use super::client::{AgentParsing, ClientKeys};
use super::reasons::{ParsedLine, Reject};
use downpour_core::suggest::did_you_mean;
use std::fmt;
use std::str::FromStr;

/// A format of trace that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Amazon `CloudFront` standard log, version 1: TAB separated, columns named
    /// by its header. End stamps of one second.
    CloudfrontV1,
    /// crates.io's JSON behind Fastly's framing, in the shapes of 2024 and
    /// 2025. Start stamps of one nanosecond.
    FastlyCratesio,
    /// Apache's combined log with `%{usec_frac}t` and the tail `%D %v`.
    CombinedUsec,
    /// nginx's combined log with the tail `$msec $request_time`. End stamps of
    /// one millisecond.
    CombinedTimed,
    /// NCSA combined log, also behind a virtual host or what a container puts
    /// before a line. Of columns behind the agent those are used that say what
    /// they are: times in seconds with milliseconds, `$msec`.
    Combined,
    /// NCSA common log, also behind a virtual host or what a container puts
    /// before a line.
    Common,
    /// Common or combined log behind a syslog header with a priority, as Fastly,
    /// nginx and `HAProxy` send it.
    FastlyClf,
    /// Our own: one JSON object a line, see [`Format::GRAMMAR_OF_TRACE`].
    Trace,
    /// One URL or path a line; no times.
    UrlList,
}

impl Format {
    /// Every format. Where two explain an input equally well, the one named first
    /// is chosen.
    pub const ALL: &'static [Self] = &[
        Self::CloudfrontV1,
        Self::FastlyCratesio,
        Self::FastlyClf,
        Self::CombinedUsec,
        Self::CombinedTimed,
        Self::Combined,
        Self::Common,
        Self::Trace,
        Self::UrlList,
    ];

    /// The grammar of `trace`, the format for exchange between programs.
    ///
    /// One JSON object a line, UTF-8, no other keys needed:
    ///
    /// | key | value |
    /// |---|---|
    /// | `target` | path and query as on the wire, or an `http(s)` URL; required |
    /// | `at_ns` | when it arrived, integer nanoseconds since 1970 UTC; in every line or in none |
    /// | `method` | default `GET` |
    /// | `authority` | the recorded host |
    /// | `status` | the recorded status, 100 to 999 |
    /// | `duration_ns` | how long the exchange took, integer nanoseconds |
    /// | `client` | who asked: any text, or a whole number above 0 that was made of one |
    /// | `kind` | the client's kind, by the name of a built-in model such as `cargo-1.70` |
    ///
    /// Keys that are not in this list are ignored; `#` begins a remark.
    pub const GRAMMAR_OF_TRACE: &'static str = r#"{"at_ns":0,"method":"GET","target":"/","authority":"example.org","status":302,"duration_ns":0,"client":"a","kind":"none"}"#;

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CloudfrontV1 => "cloudfront-v1",
            Self::FastlyCratesio => "fastly-cratesio",
            Self::CombinedUsec => "combined-usec",
            Self::CombinedTimed => "combined-timed",
            Self::Combined => "combined",
            Self::Common => "common",
            Self::FastlyClf => "fastly-clf",
            Self::Trace => "trace",
            Self::UrlList => "url-list",
        }
    }

    /// Whether its lines have times; `None` where that differs from input to
    /// input.
    pub(crate) const fn has_times(self) -> Option<bool> {
        match self {
            Self::UrlList => Some(false),
            Self::Trace => None,
            Self::CloudfrontV1
            | Self::FastlyCratesio
            | Self::FastlyClf
            | Self::CombinedUsec
            | Self::CombinedTimed
            | Self::Combined
            | Self::Common => Some(true),
        }
    }

    /// A parser at the beginning of an input. Its clients' keys hang on the seed
    /// 0: see [`Parser::seeded`].
    pub fn parser(self) -> Parser {
        let kind = match self {
            Self::CloudfrontV1 => FormatParser::Cloudfront(Box::default()),
            Self::FastlyCratesio => FormatParser::FastlyJson(fastly::FastlyJson::default()),
            Self::FastlyClf => FormatParser::Clf(clf::Clf::new(clf::Tail::Any, clf::Framing::Syslog)),
            Self::Common => FormatParser::Clf(clf::Clf::new(clf::Tail::Nothing, clf::Framing::None)),
            Self::Combined => FormatParser::Clf(clf::Clf::new(clf::Tail::Agent, clf::Framing::None)),
            Self::CombinedTimed => {
                FormatParser::Clf(clf::Clf::new(clf::Tail::AgentAndEpoch, clf::Framing::None))
            }
            Self::CombinedUsec => {
                FormatParser::Clf(clf::Clf::new(clf::Tail::AgentAndMicros, clf::Framing::None))
            }
            Self::Trace => FormatParser::Ndjson,
            Self::UrlList => FormatParser::UrlList,
        };
        Parser { kind, clients: ClientKeys::seeded(0) }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A format's name that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a format{meant}; known formats: {known}", meant = meant(.0), known = names())]
pub struct UnknownFormat(String);

fn meant(typed: &str) -> String {
    did_you_mean(typed, Format::ALL.iter().map(|format| format.name()))
}

fn names() -> String {
    Format::ALL.iter().map(|format| format.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Spellings that other tools and the producers' own documents use.
        let name = match text {
            "cloudfront" => "cloudfront-v1",
            "fastly-cratesio-2024" | "fastly-cratesio-2025" => "fastly-cratesio",
            "nginx-combined-timed" => "combined-timed",
            "apache-combined-usec" => "combined-usec",
            "apache-combined" | "nginx-combined" | "vhost_combined" => "combined",
            "apache-common" | "clf" => "common",
            "ndjson" => "trace",
            "urls" => "url-list",
            other => other,
        };
        let known = Self::ALL.iter().copied().find(|format| format.name() == name);
        known.ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// Reads the lines of one input, in order: some formats name their columns in
/// a header and change them on the way.
#[derive(Debug)]
pub struct Parser {
    kind: FormatParser,
    clients: ClientKeys,
}

#[derive(Debug)]
enum FormatParser {
    Cloudfront(Box<cloudfront::Cloudfront>),
    FastlyJson(fastly::FastlyJson),
    Clf(clf::Clf),
    Ndjson,
    UrlList,
}

impl Parser {
    /// The same with keys of clients that hang on this seed.
    #[must_use]
    pub fn seeded(self, seed: u64) -> Self {
        Self { clients: ClientKeys::seeded(seed), ..self }
    }

    /// The same, with user agents read or not; [`Parser::seeded`] comes first.
    #[must_use]
    pub fn with(self, agents: AgentParsing) -> Self {
        Self { clients: self.clients.with(agents), ..self }
    }

    /// The fate of `line`, given without its LF. `last_without_newline`: it is
    /// the input's last and has no LF, so it may have been cut.
    pub fn parse<'l>(&mut self, line: &'l [u8], last_without_newline: bool) -> ParsedLine<'l> {
        if line.starts_with(b"\xff\xfe") || line.starts_with(b"\xfe\xff") {
            return ParsedLine::Rejected(Reject::InvalidUtf8);
        }
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = if line.first() == Some(&0) { without_nuls(line) } else { line };
        let clients = self.clients;
        let fate = match &mut self.kind {
            FormatParser::Cloudfront(parser) => parser.parse(line, clients),
            FormatParser::FastlyJson(parser) => parser.parse(line, clients),
            FormatParser::Clf(parser) => parser.parse(line, clients),
            FormatParser::Ndjson => ndjson::parse(line, clients),
            FormatParser::UrlList => url_list::parse(line),
        };
        match fate {
            ParsedLine::Rejected(reason) if last_without_newline => {
                ParsedLine::Rejected(reason.of_unended_line())
            }
            ParsedLine::Record(_) | ParsedLine::Skipped(_) | ParsedLine::Rejected(_) => fate,
        }
    }
}

/// The line behind the bytes 0 that a file begins with after it was truncated
/// under its writer.
fn without_nuls(line: &[u8]) -> &[u8] {
    let nuls = line.iter().take_while(|b| **b == 0).count();
    &line[nuls..]
}

/// A recorded status as the digits of a column.
///
/// `-` and its like are no status.
pub(crate) fn status_of(column: &[u8]) -> Result<Option<u16>, Reject> {
    if matches!(column, b"-" | b"(null)") {
        return Ok(None);
    }
    let number = super::dates::integer(column).ok_or(Reject::BadStatus)?;
    recorded_status(number)
}

/// See [`status_of`].
pub(crate) fn recorded_status(number: u64) -> Result<Option<u16>, Reject> {
    match u16::try_from(number) {
        Ok(status @ ..=999) => Ok(Some(status)),
        Ok(_) | Err(_) => Err(Reject::BadStatus),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_format() {
        for &format in Format::ALL {
            assert_eq!(format.name().parse::<Format>().unwrap(), format);
        }
        assert!("nginx-json".parse::<Format>().unwrap_err().to_string().contains("cloudfront-v1"));
    }

    #[test]
    fn statuses_that_no_server_sent_are_told_apart() {
        let sent = |column: &[u8]| downpour_core::status::sent_status(status_of(column).unwrap());
        assert_eq!(sent(b"302"), Some(302));
        for made_up in [&b"000"[..], b"0", b"-", b"(null)", b"460", b"499", b"520"] {
            assert_eq!(sent(made_up), None);
        }
        assert_eq!(
            [status_of(b"000"), status_of(b"499"), status_of(b"-")],
            [Ok(Some(0)), Ok(Some(499)), Ok(None)]
        );
        for wrong in [&b"abc"[..], b"", b"1000", b"99999", b"-1"] {
            assert_eq!(status_of(wrong), Err(Reject::BadStatus));
        }
    }

    #[test]
    fn byte_order_marks_and_carriage_returns_are_no_part_of_a_line() {
        let mut parser = Format::UrlList.parser();
        assert_eq!(parser.parse(b"\xff\xfeh\0", false), ParsedLine::Rejected(Reject::InvalidUtf8));
        let ParsedLine::Record(record) = parser.parse(b"\xef\xbb\xbf/x\r", false) else {
            panic!("no record")
        };
        assert_eq!(&*record.target, b"/x");
    }

    #[test]
    fn the_grammar_shows_a_line_that_is_accepted() {
        let line = Format::GRAMMAR_OF_TRACE.as_bytes();
        assert!(matches!(Format::Trace.parser().parse(line, false), ParsedLine::Record(_)));
    }
}

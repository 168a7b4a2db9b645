//! What an input is that is no log in text: told by its first bytes.
//!
//! Nobody is helped by nine formats that accept nothing. A compressed file of
//! another kind, a table of columns, and text in UTF-16 or UTF-32 are named, with the command that makes a readable input of them.

use super::compression::InputCompression;

/// What an input is, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnsupportedFile {
    pub(crate) what: &'static str,
    pub(crate) remedy: Remedy,
}

/// What makes a readable input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A command that reads a file or standard input.
    Filter(&'static str),
    /// A command that reads a file only.
    OfFile(&'static str),
    /// To take off the outer compression: what is inside is read as it is.
    Unpack,
    /// What is no command.
    Words(&'static str),
}

impl Remedy {
    /// The remedy for an input that is packed like this.
    pub(crate) fn told(self, compression: InputCompression) -> String {
        let unpack = match compression {
            InputCompression::Plain => None,
            InputCompression::Gzip => Some("gzip -dc"),
            InputCompression::Zstd => Some("zstd -dc"),
        };
        let made = match (self, unpack) {
            (Self::Words(words), _) => return words.to_owned(),
            (Self::Filter(command) | Self::OfFile(command), None) => format!("{command} FILE"),
            (Self::Filter(command), Some(unpack)) => format!("{unpack} FILE | {command}"),
            (Self::OfFile(command), Some(unpack)) => {
                format!("{unpack} FILE > UNPACKED && {command} UNPACKED")
            }
            (Self::Unpack, unpack) => format!("{} FILE", unpack.unwrap_or("gzip -dc")),
        };
        format!("{made} | downpour ... -")
    }
}

const fn filter(what: &'static str, command: &'static str) -> UnsupportedFile {
    UnsupportedFile { what, remedy: Remedy::Filter(command) }
}

const fn of_file(what: &'static str, command: &'static str) -> UnsupportedFile {
    UnsupportedFile { what, remedy: Remedy::OfFile(command) }
}

const fn words(what: &'static str, words: &'static str) -> UnsupportedFile {
    UnsupportedFile { what, remedy: Remedy::Words(words) }
}

/// What the formats of columns need.
const AS_JSON: &str = "write its records as lines of JSON first, as the format trace has them";

/// A compressed file inside another one.
const TWICE: UnsupportedFile =
    UnsupportedFile { what: "a file that was compressed twice", remedy: Remedy::Unpack };

/// Signatures at the first byte. Sources: the formats' own specifications, as
/// collected in `file`'s magic.
const SIGNATURES: &[(&[u8], UnsupportedFile)] = &[
    (b"\xfd7zXZ\0", filter("an xz file", "xz -dc")),
    (b"BZh", filter("a bzip2 file", "bzip2 -dc")),
    (b"PK\x03\x04", of_file("a zip archive", "unzip -p")),
    (b"PK\x05\x06", words("an empty zip archive", "give another file")),
    (b"\x1f\x8b", TWICE),
    (b"\x28\xb5\x2f\xfd", TWICE),
    (b"\x1f\x9d", filter("a compress (.Z) file", "gzip -dc")),
    (b"\x04\x22\x4d\x18", filter("an lz4 file", "lz4 -dc")),
    (b"LZIP", filter("an lzip file", "lzip -dc")),
    (b"7z\xbc\xaf\x27\x1c", of_file("a 7z archive", "7z x -so")),
    (b"\xff\x06\x00\x00sNaPpY", of_file("a snappy file", "snzip -dc")),
    (b"PAR1", words("a Parquet file", AS_JSON)),
    (b"Obj\x01", words("an Avro file", AS_JSON)),
    (b"\xff\xfe\x00\x00", UTF_32_LE),
    (b"\x00\x00\xfe\xff", UTF_32_BE),
    (b"\xff\xfe", UTF_16_LE),
    (b"\xfe\xff", UTF_16_BE),
];

const UTF_32_LE: UnsupportedFile = filter("text in UTF-32", "iconv -f utf-32le -t utf-8");

const UTF_32_BE: UnsupportedFile = filter("text in UTF-32", "iconv -f utf-32be -t utf-8");

const UTF_16_LE: UnsupportedFile = filter("text in UTF-16", "iconv -f utf-16le -t utf-8");

const UTF_16_BE: UnsupportedFile = filter("text in UTF-16", "iconv -f utf-16be -t utf-8");

const CARRIAGE_RETURNS: UnsupportedFile =
    filter("text whose lines end with carriage returns alone", "sed 's/\\r/\\n/g'");

/// Where the signature of a tar archive lies.
const TAR: std::ops::Range<usize> = 257..262;

/// What the unpacked bytes of an input are, where they are no text.
pub(crate) fn detect_unsupported(head: &[u8]) -> Option<UnsupportedFile> {
    if head.get(TAR) == Some(b"ustar") {
        return Some(of_file("a tar archive", "tar -xOf"));
    }
    let known = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature));
    let known = known
        .map(|(_, foreign)| *foreign)
        .or_else(|| wide_text_without_mark(head))
        .or_else(|| carriage_returns(head))?;
    // A log of bzip2's name is text; the signature of a block follows the level.
    if head.starts_with(b"BZh") && head.get(4..10) != Some(b"1AY&SY") {
        return None;
    }
    Some(known)
}

/// Text without a line feed and with carriage returns between its lines. Read
/// as it is, the whole file would be one line.
fn carriage_returns(head: &[u8]) -> Option<UnsupportedFile> {
    let text = head.trim_ascii();
    (memchr::memchr(b'\r', text).is_some() && memchr::memchr(b'\n', head).is_none())
        .then_some(CARRIAGE_RETURNS)
}

/// Text of ASCII letters that take two or four bytes each.
fn wide_text_without_mark(head: &[u8]) -> Option<UnsupportedFile> {
    let head = head.get(..head.len().min(512)).filter(|head| head.len() >= 8)?;
    // Whether nearly all bytes at a place of each four are zeros.
    let mostly = |place: usize| {
        let (zeros, all) = head
            .iter()
            .skip(place)
            .step_by(4)
            .fold((0, 0), |(zeros, all), byte| (zeros + usize::from(*byte == 0), all + 1));
        zeros * 10 >= all * 9
    };
    match [0, 1, 2, 3].map(mostly) {
        [false, true, true, true] => Some(UTF_32_LE),
        [true, true, true, false] => Some(UTF_32_BE),
        [false, true, false, true] => Some(UTF_16_LE),
        [true, false, true, false] => Some(UTF_16_BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], expected: Option<&str>) {
        assert_eq!(detect_unsupported(head).map(|foreign| foreign.what), expected, "{}", head.escape_ascii());
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        check(b"\xfd7zXZ\0\0\x04", Some("an xz file"));
        check(b"BZh91AY&SY\x01", Some("a bzip2 file"));
        check(b"BZh is a name", None);
        check(b"PK\x03\x04..", Some("a zip archive"));
        check(b"\x1f\x8b\x08", Some("a file that was compressed twice"));
        check(b"PAR1\x15", Some("a Parquet file"));
        check(b"\xff\xfe1\x009\x00", Some("text in UTF-16"));
        check(b"1\x009\x002\x00.\x00", Some("text in UTF-16"));
        check(b"\x001\x009\x002\x00.", Some("text in UTF-16"));
        check(b"\xff\xfe\0\x001\0\0\x009\0\0\0", Some("text in UTF-32"));
        check(b"\0\0\xfe\xff\0\0\x001", Some("text in UTF-32"));
        check(b"1\0\0\x009\0\0\x002\0\0\0", Some("text in UTF-32"));
        check(b"\0\0\x001\0\0\x009\0\0\x002", Some("text in UTF-32"));
        check(&[[0; 257].as_slice(), b"ustar"].concat(), Some("a tar archive"));
        check(&[0; 1_000], None);
        check(b"192.0.2.1 - - [", None);
        check(b"/a\r/b\r/c\r", Some("text whose lines end with carriage returns alone"));
        check(b"/a\r\n/b\r\n", None);
        check(b"/a\r/b\n/c\r", None);
        check(b"/a\r", None);
        check(b"", None);
    }

    #[test]
    fn a_remedy_takes_off_the_outer_compression_first() {
        let check = |head: &[u8], compression, expected| {
            assert_eq!(
                detect_unsupported(head).unwrap().remedy.told(compression),
                format!("{expected} | downpour ... -")
            );
        };
        let (xz, zstd, gzip) = (b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b");
        check(xz, InputCompression::Plain, "xz -dc FILE");
        check(xz, InputCompression::Gzip, "gzip -dc FILE | xz -dc");
        check(gzip, InputCompression::Zstd, "zstd -dc FILE");
        check(zstd, InputCompression::Zstd, "zstd -dc FILE");
        check(zstd, InputCompression::Gzip, "gzip -dc FILE");
        check(b"\xff\xfe1\0", InputCompression::Gzip, "gzip -dc FILE | iconv -f utf-16le -t utf-8");
        check(b"PK\x03\x04", InputCompression::Zstd, "zstd -dc FILE > UNPACKED && unzip -p UNPACKED");
        assert_eq!(detect_unsupported(b"PAR1").unwrap().remedy.told(InputCompression::Gzip), AS_JSON);
    }
}

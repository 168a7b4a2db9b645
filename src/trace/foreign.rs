//! What an input is that is no log in text: told by its first bytes.
//!
//! Nobody is helped by nine formats that accept nothing. A compressed file of
//! another kind, a table of columns, text in UTF-16 or UTF-32 and JSON of another
//! program are named, with the command that makes a readable input of them.

use super::formats::framing;
use super::unpack::Packing;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most keys of a JSON object that are told.
const MAX_KEYS: usize = 12;

/// What an input is, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) what: &'static str,
    pub(crate) remedy: &'static str,
}

/// Signatures at the first byte. Sources: the formats' own specifications, as
/// collected in `file`'s magic.
const SIGNATURES: &[(&[u8], Foreign)] = &[
    (b"\xfd7zXZ\0", Foreign { what: "an xz file", remedy: "xz -dc FILE | downpour ... -" }),
    (b"BZh", Foreign { what: "a bzip2 file", remedy: "bzip2 -dc FILE | downpour ... -" }),
    (b"PK\x03\x04", Foreign { what: "a zip archive", remedy: "unzip -p FILE | downpour ... -" }),
    (b"PK\x05\x06", Foreign { what: "an empty zip archive", remedy: "give another file" }),
    (b"\x1f\x8b", Foreign { what: "a gzip file", remedy: "gzip -dc FILE | downpour ... -" }),
    (b"\x28\xb5\x2f\xfd", Foreign { what: "a zstd file", remedy: "zstd -dc FILE | downpour ... -" }),
    (b"\x1f\x9d", Foreign { what: "a compress (.Z) file", remedy: "gzip -dc FILE | downpour ... -" }),
    (b"\x04\x22\x4d\x18", Foreign { what: "an lz4 file", remedy: "lz4 -dc FILE | downpour ... -" }),
    (b"LZIP", Foreign { what: "an lzip file", remedy: "lzip -dc FILE | downpour ... -" }),
    (b"7z\xbc\xaf\x27\x1c", Foreign { what: "a 7z archive", remedy: "7z x -so FILE | downpour ... -" }),
    (b"\xff\x06\x00\x00sNaPpY", Foreign { what: "a snappy file", remedy: "snzip -dc FILE | downpour ... -" }),
    (
        b"PAR1",
        Foreign { what: "a Parquet file", remedy: "convert it to lines of JSON in the format trace first" },
    ),
    (
        b"Obj\x01",
        Foreign { what: "an Avro file", remedy: "convert it to lines of JSON in the format trace first" },
    ),
    (b"\xff\xfe\x00\x00", UTF_32_LE),
    (b"\x00\x00\xfe\xff", UTF_32_BE),
    (b"\xff\xfe", UTF_16_LE),
    (b"\xfe\xff", UTF_16_BE),
];

const UTF_32_LE: Foreign =
    Foreign { what: "text in UTF-32", remedy: "iconv -f utf-32le -t utf-8 FILE | downpour ... -" };

const UTF_32_BE: Foreign =
    Foreign { what: "text in UTF-32", remedy: "iconv -f utf-32be -t utf-8 FILE | downpour ... -" };

const UTF_16_LE: Foreign =
    Foreign { what: "text in UTF-16", remedy: "iconv -f utf-16le -t utf-8 FILE | downpour ... -" };

const UTF_16_BE: Foreign =
    Foreign { what: "text in UTF-16", remedy: "iconv -f utf-16be -t utf-8 FILE | downpour ... -" };

/// Where the signature of a tar archive lies.
const TAR: std::ops::Range<usize> = 257..262;

/// What the unpacked bytes of an input are, where they are no text.
pub(crate) fn named(head: &[u8], packing: Packing) -> Option<Foreign> {
    if head.get(TAR) == Some(b"ustar") {
        return Some(Foreign { what: "a tar archive", remedy: "tar -xOf FILE | downpour ... -" });
    }
    let known = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature));
    let known = known.map(|(_, foreign)| *foreign).or_else(|| wide_text_without_mark(head))?;
    // A log of bzip2's name is text; the signature of a block follows the level.
    if head.starts_with(b"BZh") && head.get(4..10) != Some(b"1AY&SY") {
        return None;
    }
    match (known.what, packing) {
        ("a gzip file", _) => Some(Foreign { what: "a file that was compressed twice", ..known }),
        ("a zstd file", _) => Some(Foreign {
            what: "a file that was compressed twice",
            remedy: "decompress it once first: gzip -dc FILE | downpour ... -",
        }),
        _ => Some(known),
    }
}

/// Text of ASCII letters that take two or four bytes each.
fn wide_text_without_mark(head: &[u8]) -> Option<Foreign> {
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

/// The keys of the first object of a JSON input, also behind a syslog header;
/// `None` where it is not JSON. Empty where the object cannot be read.
pub(crate) fn keys_of_json(head: &[u8]) -> Option<Vec<String>> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let head = framing::behind_priority(head).unwrap_or(head).trim_ascii_start();
    let head = head.strip_prefix(b"[").map_or(head, <[u8]>::trim_ascii_start);
    if !head.starts_with(b"{") {
        return None;
    }
    let mut objects = serde_json::Deserializer::from_slice(head);
    let keys = Map::<String, Value>::deserialize(&mut objects).unwrap_or_default();
    let shown = keys.into_iter().map(|(key, _)| key).take(MAX_KEYS);
    Some(shown.map(|key| key.chars().take(40).collect::<String>().escape_debug().to_string()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &[u8], packing: Packing, expected: Option<&str>) {
        assert_eq!(named(head, packing).map(|foreign| foreign.what), expected, "{}", head.escape_ascii());
    }

    #[test]
    fn files_are_known_by_their_first_bytes() {
        check(b"\xfd7zXZ\0\0\x04", Packing::Plain, Some("an xz file"));
        check(b"BZh91AY&SY\x01", Packing::Plain, Some("a bzip2 file"));
        check(b"BZh is a name", Packing::Plain, None);
        check(b"PK\x03\x04..", Packing::Plain, Some("a zip archive"));
        check(b"\x1f\x8b\x08", Packing::Gzip, Some("a file that was compressed twice"));
        check(b"PAR1\x15", Packing::Plain, Some("a Parquet file"));
        check(b"\xff\xfe1\x009\x00", Packing::Plain, Some("text in UTF-16"));
        check(b"1\x009\x002\x00.\x00", Packing::Plain, Some("text in UTF-16"));
        check(b"\x001\x009\x002\x00.", Packing::Gzip, Some("text in UTF-16"));
        check(b"\xff\xfe\0\x001\0\0\x009\0\0\0", Packing::Plain, Some("text in UTF-32"));
        check(b"\0\0\xfe\xff\0\0\x001", Packing::Plain, Some("text in UTF-32"));
        check(b"1\0\0\x009\0\0\x002\0\0\0", Packing::Plain, Some("text in UTF-32"));
        check(b"\0\0\x001\0\0\x009\0\0\x002", Packing::Plain, Some("text in UTF-32"));
        check(&[[0; 257].as_slice(), b"ustar"].concat(), Packing::Plain, Some("a tar archive"));
        check(&[0; 1_000], Packing::Plain, None);
        check(b"192.0.2.1 - - [", Packing::Plain, None);
        check(b"", Packing::Plain, None);
    }

    #[test]
    fn json_is_known_by_its_keys() {
        let keys = |text: &str| keys_of_json(text.as_bytes());
        assert_eq!(
            keys("{\"ts\":1,\"request\":{\"uri\":\"/\"}}\n{}"),
            Some(vec!["request".into(), "ts".into()])
        );
        assert_eq!(keys("<134>Mar  5 14:03:07 h p: {\"a\":1}"), Some(vec!["a".into()]));
        assert_eq!(keys(" [\n {\"a\":1}]"), Some(vec!["a".into()]));
        assert_eq!(keys("{\"a\":"), Some(Vec::new()));
        assert_eq!(keys("/x\n"), None);
    }
}

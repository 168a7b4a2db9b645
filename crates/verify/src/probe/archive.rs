//! Whether a file is the archive that its name promises.
//!
//! An error page that is served with a 200 has the wrong kind of content, and
//! no archive begins as it does. Nothing is unpacked: the first bytes and the
//! length say enough, and an archive is hostile until its digest is known.

/// What the names of archives end with.
const ENDINGS: [&str; 24] = [
    ".crate", ".tgz", ".gz", ".gem", ".tar", ".whl", ".zip", ".egg", ".jar", ".war", ".aar", ".nupkg",
    ".conda", ".apk", ".vsix", ".xz", ".txz", ".zst", ".bz2", ".tbz", ".deb", ".rpm", ".7z", ".hex",
];

/// What archives begin with, and where.
const MAGIC: [(usize, &[u8]); 10] = [
    (0, b"\x1f\x8b"),           // gzip, RFC 1952
    (0, b"PK"),                 // zip
    (0, b"\xfd7zXZ\0"),         // xz
    (0, b"\x28\xb5\x2f\xfd"),   // zstd, RFC 8878
    (0, b"BZh"),                // bzip2
    (257, b"ustar"),            // tar, POSIX.1-1988
    (0, b"!<arch>\n"),          // ar: Debian packages
    (0, b"\xed\xab\xee\xdb"),   // rpm
    (0, b"7z\xbc\xaf\x27\x1c"), // 7z
    (0, b"\x1f\x9d"),           // compress
];

/// What pages and error documents are served as. Stores that guess call a file
/// without a known ending plain text, so that is not among them.
const PAGES: [&[u8]; 3] = [b"text/html", b"application/xhtml+xml", b"application/json"];

/// Bytes that are enough to see any of these.
pub(super) const FIRST_BYTES: usize = 512;

/// The shortest archive there is: an empty bzip2.
pub(super) const ARCHIVE_BYTES_MIN: u64 = 14;

/// Whether the name of a file says that it is an archive.
pub(super) fn has_archive_name(path: &str) -> bool {
    let ends = |ending: &&str| {
        path.len()
            .checked_sub(ending.len())
            .and_then(|at| path.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    };
    ENDINGS.iter().any(ends)
}

/// Whether a file that begins with `first` can be an archive.
pub(super) fn has_archive_magic(first: &[u8]) -> bool {
    MAGIC.iter().any(|(at, magic)| first.get(*at..).is_some_and(|rest| rest.starts_with(magic)))
}

/// Whether a media type is that of a page or of an error document.
pub(super) fn is_page(media_type: &[u8]) -> bool {
    let bare = media_type.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    PAGES.iter().any(|page| bare.eq_ignore_ascii_case(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_known_by_name() {
        for name in ["/crates/a/a-1.0.0.crate", "/a.TGZ", "/p/a-1.0.tar.gz", "/a.whl", "/a.gem", "/x.deb"] {
            assert!(has_archive_name(name), "{name}");
        }
        for name in ["/crates/a/1.0.0/download", "/", "/simple/a/", "/a.json", "/crate", "/ä"] {
            assert!(!has_archive_name(name), "{name}");
        }
    }

    #[test]
    fn archives_are_known_by_their_first_bytes() {
        let mut tar = vec![b'a'; FIRST_BYTES];
        tar[257..262].copy_from_slice(b"ustar");
        let archives: [&[u8]; 5] = [b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", &tar, b"\xfd7zXZ\0\0"];
        assert!(archives.iter().all(|first| has_archive_magic(first)));
        let others: [&[u8]; 4] = [b"", b"<!DOCTYPE html>", b"\x1f", b"{\"errors\":[]}"];
        assert!(!others.iter().any(|first| has_archive_magic(first)));
    }

    #[test]
    fn pages_are_known_by_their_media_type() {
        let pages: [&[u8]; 3] = [b"text/html; charset=utf-8", b"Application/JSON", b"text/html"];
        assert!(pages.iter().all(|page| is_page(page)));
        let others: [&[u8]; 3] = [b"application/gzip", b"", b"binary/octet-stream"];
        assert!(!others.iter().any(|other| is_page(other)));
    }
}

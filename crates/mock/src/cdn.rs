//! The CDN host: the place a redirect should lead to.
//!
//! Serves a small file for every well-formed name and version, under both paths
//! that crates.io's CDNs know, and answers 403 with an S3-like document for
//! everything else, as a bucket without permission to list does. The file is a
//! pure function of name and version, so that a digest can be foretold.

use super::api::ResponseSummary;
use super::plan::{FaultKind, StoreFault};
use super::release::Release;
use super::request_head::{MockRequestHead, Verb};
use super::response::ResponseWriter;

const ACCESS_DENIED: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

const SIGN_IN: &[u8] =
    b"<!DOCTYPE html><title>Sign in</title><p>This network wants you to sign in first.</p>";

/// What a redirect of the CDN's own adds to the path.
const SECOND_HOP: &[u8] = b"?hop=2";

const GZIP: &str = "application/gzip";

/// Appends the answer to `head`, spoiled by `fault`.
pub(super) fn answer(
    head: &MockRequestHead<'_>,
    fault: Option<FaultKind>,
    scratch: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> ResponseSummary {
    if head.verb == Verb::Other {
        ResponseWriter::begin(out, head, 405).field("allow", "GET, HEAD").empty();
        return ResponseSummary::default();
    }
    let Some(release) = release_of(head.path) else {
        ResponseWriter::begin(out, head, 403).content("application/xml", ACCESS_DENIED);
        return ResponseSummary::default();
    };
    scratch.clear();
    push_file(release.name(), release.version(), scratch);
    match fault {
        Some(FaultKind::Status(status @ (204 | 304))) => {
            ResponseWriter::begin(out, head, status).without_content();
        }
        Some(FaultKind::Status(status)) => {
            ResponseWriter::begin(out, head, status).content("application/xml", ACCESS_DENIED);
        }
        Some(FaultKind::Store(fault)) => return faulty_response(fault, head, scratch, out),
        None
        | Some(
            FaultKind::Location(_)
            | FaultKind::Answer(_)
            | FaultKind::Wire(_)
            | FaultKind::Capacity(_)
            | FaultKind::Delay(_),
        ) => {
            file_response(out, head).content(GZIP, scratch);
            return ResponseSummary::default();
        }
    }
    ResponseSummary { is_faulty: true, ..ResponseSummary::default() }
}

fn file_response<'o>(out: &'o mut Vec<u8>, head: &MockRequestHead<'_>) -> ResponseWriter<'o> {
    ResponseWriter::begin(out, head, 200).field("cache-control", "public,max-age=31536000,immutable")
}

fn is_second_hop(head: &MockRequestHead<'_>) -> bool {
    head.target.ends_with(SECOND_HOP)
}

/// The answer with `file`, spoiled by `fault`.
fn faulty_response(
    fault: StoreFault,
    head: &MockRequestHead<'_>,
    file: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> ResponseSummary {
    let spoiled = ResponseSummary { is_faulty: true, ..ResponseSummary::default() };
    match fault {
        StoreFault::ErrorPage => ResponseWriter::begin(out, head, 200).content("text/html", SIGN_IN),
        StoreFault::OtherBytes => {
            // The last bytes are a length, which nothing here looks at.
            file.last_mut().into_iter().for_each(|byte| *byte ^= 1);
            file_response(out, head).content(GZIP, file);
        }
        StoreFault::ShortFile => {
            file.pop();
            file_response(out, head).content(GZIP, file);
        }
        StoreFault::CutFile => {
            file_response(out, head).content_with_length(file.len(), GZIP, &file[..file.len() / 2]);
            return ResponseSummary {
                is_faulty: head.verb != Verb::Head,
                closes: head.verb != Verb::Head,
                ..spoiled
            };
        }
        StoreFault::NoHead if head.verb == Verb::Head => {
            ResponseWriter::begin(out, head, 405).field("allow", "GET").empty();
        }
        StoreFault::NoHead => {
            file_response(out, head).content(GZIP, file);
            return ResponseSummary::default();
        }
        StoreFault::Circle => {
            let here = |out: &mut Vec<u8>| out.extend_from_slice(head.target);
            ResponseWriter::begin(out, head, 302).field_of("location", here).empty();
        }
        StoreFault::OneHop if is_second_hop(head) => {
            file_response(out, head).content(GZIP, file);
            return ResponseSummary::default();
        }
        StoreFault::OneHop => {
            let on = |out: &mut Vec<u8>| {
                out.extend_from_slice(head.path);
                out.extend_from_slice(SECOND_HOP);
            };
            ResponseWriter::begin(out, head, 302).field_of("location", on).empty();
        }
        StoreFault::HopToHttp => {
            let insecure = |out: &mut Vec<u8>| {
                out.extend_from_slice(b"http://");
                out.extend_from_slice(head.host);
                out.extend_from_slice(head.target);
            };
            ResponseWriter::begin(out, head, 302).field_of("location", insecure).empty();
        }
        StoreFault::HopNowhere => ResponseWriter::begin(out, head, 302).empty(),
    }
    spoiled
}

/// The bytes that the embedded CDN serves for a release: a gzip file that holds
/// its name and version, a pure function of both. `version` is decoded: with
/// `+`, not `%2B`.
///
/// Name and version together must be shorter than 64 KiB; what is longer is cut.
///
/// ```
/// let file = downpour_mock::crate_file("serde", "1.0.217");
/// assert!(file.starts_with(&[0x1f, 0x8b]));
/// ```
pub fn crate_file(name: &str, version: &str) -> Vec<u8> {
    let mut file = Vec::new();
    push_file(name.as_bytes(), version.as_bytes(), &mut file);
    file
}

/// One stored block: a file this small gains nothing from compression, and the
/// bytes depend on no compressor's version. Layout: RFC 1952 section 2.3 around
/// RFC 1951 section 3.2.4.
fn push_file(name: &[u8], version: &[u8], out: &mut Vec<u8>) {
    const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    const LAST_BLOCK_STORED: u8 = 1;
    out.extend_from_slice(&HEADER);
    out.push(LAST_BLOCK_STORED);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    let text_at = out.len();
    for part in [b"stand-in for ", name, b" ", version, b"\n"] {
        out.extend_from_slice(part);
    }
    out.truncate(text_at + usize::from(u16::MAX));
    // The line above keeps the length in 16 bits.
    let length = u16::try_from(out.len() - text_at).unwrap_or(u16::MAX);
    out[length_at..length_at + 2].copy_from_slice(&length.to_le_bytes());
    out[length_at + 2..text_at].copy_from_slice(&(!length).to_le_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&out[text_at..]);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&u32::from(length).to_le_bytes());
}

/// The release that a path names: `/crates/{crate}/{crate}-{version}.crate` or
/// `/crates/{crate}/{version}/download`.
fn release_of(path: &[u8]) -> Option<Release<'_>> {
    let mut parts = path.strip_prefix(b"/crates/")?.split(|&b| b == b'/');
    let (name, second) = (parts.next()?, parts.next()?);
    let version = match (parts.next(), parts.next()) {
        (None, None) => second.strip_prefix(name)?.strip_prefix(b"-")?.strip_suffix(b".crate")?,
        (Some(b"download"), None) => second,
        _ => return None,
    };
    Release::parse(name, version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_head;
    use std::io::Read;

    fn ask(path: &str) -> String {
        let text = format!("GET {path} HTTP/1.1\r\nhost: static.crates.io\r\n\r\n");
        let head = request_head::parse(text.as_bytes()).unwrap().unwrap();
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        answer(&head, None, &mut scratch, &mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[track_caller]
    fn check(path: &str, status: &str) {
        let answer = ask(path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }

    #[test]
    fn files_exist_under_both_paths_and_nothing_else_does() {
        check("/crates/serde/serde-1.0.217.crate", "200");
        check("/crates/serde/1.0.217/download", "200");
        check("/crates/a-b/a-b-1.0.0-rc.1%2B2.crate", "200");
        for path in [
            "/",
            "//crates/serde/serde-1.0.217.crate",
            "/crates/serde/serde-1.0.crate",
            "/crates/serde/other-1.0.0.crate",
            "/crates/serde/1.0.217/readme",
            "/crates/serde/1.0.217/download/",
        ] {
            check(path, "403");
        }
        assert!(ask("/").contains("<Code>AccessDenied</Code>"));
    }

    #[test]
    fn each_fault_spoils_the_file_in_its_way() {
        const FILE: &str = "/crates/serde/serde-1.0.217.crate";
        let ask = |verb: &str, fault| {
            let text = format!("{verb} {FILE} HTTP/1.1\r\nhost: static.crates.io\r\n\r\n");
            let head = request_head::parse(text.as_bytes()).unwrap().unwrap();
            let (mut scratch, mut out) = (Vec::new(), Vec::new());
            let said = answer(&head, fault, &mut scratch, &mut out);
            let end = out.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
            (String::from_utf8(out[..end].to_vec()).unwrap(), out[end..].to_vec(), said)
        };
        let file = crate_file("serde", "1.0.217");
        let check = |fault: &str, status: &str, content: &[u8], length: usize| {
            let (head, found, said) = ask("GET", Some(fault.parse().unwrap()));
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {head}");
            assert!(head.contains(&format!("content-length: {length}\r\n")), "{fault}: {head}");
            assert_eq!((found.as_slice(), said.is_faulty), (content, fault != "no-head"), "{fault}");
        };
        let mut other = file.clone();
        *other.last_mut().unwrap() ^= 1;
        check("error-page", "200", SIGN_IN, SIGN_IN.len());
        check("other-bytes", "200", &other, file.len());
        check("short-file", "200", &file[..file.len() - 1], file.len() - 1);
        check("cut-file", "200", &file[..file.len() / 2], file.len());
        check("no-head", "200", &file, file.len());
        for redirecting in ["circle", "one-hop", "hop-to-http", "hop-nowhere"] {
            check(redirecting, "302", b"", 0);
        }
        check("status-503", "503", ACCESS_DENIED, ACCESS_DENIED.len());
        let (head, content, said) = ask("HEAD", Some(FaultKind::Store(StoreFault::NoHead)));
        assert!(head.starts_with("HTTP/1.1 405 ") && content.is_empty() && said.is_faulty, "{head}");
        assert!(
            ask("GET", Some(FaultKind::Store(StoreFault::Circle)))
                .0
                .contains(&format!("location: {FILE}\r\n"))
        );
    }

    #[test]
    fn the_file_unpacks_and_differs_by_release() {
        let mut text = String::new();
        let file = crate_file("serde", "1.0.0+2");
        flate2::read::GzDecoder::new(&file[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "stand-in for serde 1.0.0+2\n");
        assert_ne!(file, crate_file("serde", "1.0.0"));
    }

    #[test]
    fn a_name_without_end_is_cut() {
        let mut unpacked = Vec::new();
        let file = crate_file(&"x".repeat(100_000), "1.0.0");
        flate2::read::GzDecoder::new(&file[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked.len(), usize::from(u16::MAX));
    }
}

//! The API host: where a download begins, and where it goes wrong.
//!
//! Keeps crates.io's contract for
//! `GET /api/v1/crates/{crate}/{version}/download`: a redirect to the CDN for
//! every well-formed name and version, whether they exist or not, or the same
//! URL as JSON for clients that mention it. A fault of the plan spoils what is
//! said, and an answer spoiled as a whole is a redirect whoever asks; faults
//! below HTTP are the connection's business.

use super::faulty_answer;
use super::location_base::LocationBase;
use super::plan::{AnswerFault, FaultKind, LocationFault};
use super::redirect_target::{RedirectTarget, json_of};
use super::release::Release;
use super::request_head::{MockRequestHead, Verb};
use super::response::{JSON, ResponseWriter};

const NOT_FOUND: &[u8] = br#"{"errors":[{"detail":"Not Found"}]}"#;
const METHOD_NOT_ALLOWED: &[u8] = br#"{"errors":[{"detail":"Method Not Allowed"}]}"#;

/// What was said, for the books and for what comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResponseSummary {
    /// It was a redirect, sound or not.
    pub(super) redirect: bool,
    /// The fault made a difference.
    pub(super) is_faulty: bool,
    /// The connection has to be closed after it.
    pub(super) closes: bool,
}

/// The API host's settings, ready for use.
#[derive(Debug)]
pub(super) struct Api {
    base: LocationBase,
}

impl Api {
    /// An API host that redirects to `base`.
    pub(super) const fn new(base: LocationBase) -> Self {
        Self { base }
    }

    /// Appends the answer to `head`, spoiled by `fault`.
    pub(super) fn answer(
        &self,
        head: &MockRequestHead<'_>,
        fault: Option<FaultKind>,
        out: &mut Vec<u8>,
    ) -> ResponseSummary {
        if head.verb == Verb::Other {
            let answer = ResponseWriter::begin(out, head, 405).field("allow", "GET, HEAD");
            answer.content(JSON, METHOD_NOT_ALLOWED);
            return ResponseSummary::default();
        }
        let Some(release) = release_of(head.path) else {
            ResponseWriter::begin(out, head, 404).content(JSON, NOT_FOUND);
            return ResponseSummary::default();
        };
        let place = RedirectTarget::correct(&self.base, &release);
        match fault {
            None
            | Some(FaultKind::Wire(_) | FaultKind::Store(_) | FaultKind::Capacity(_) | FaultKind::Delay(_)) => {
                redirect_to(head, &[place], out)
            }
            Some(FaultKind::Location(fault)) => {
                let spoiled = place.with_fault(fault, &self.base, head);
                let both = [place, spoiled];
                let places = match fault {
                    LocationFault::NoLocation => &[],
                    LocationFault::NoJsonUrl if head.accepts_json => &[],
                    LocationFault::NoJsonUrl => &both[..1],
                    LocationFault::TwoLocations => &both[..],
                    LocationFault::MissingSlash
                    | LocationFault::WrongHost
                    | LocationFault::Downgrade
                    | LocationFault::Userinfo
                    | LocationFault::Port
                    | LocationFault::DoubleSlash
                    | LocationFault::PlusDecoded
                    | LocationFault::RawBytes
                    | LocationFault::Placeholder
                    | LocationFault::Relative
                    | LocationFault::Loop
                    | LocationFault::GluedHost
                    | LocationFault::DoubleEncoded
                    | LocationFault::Backslash
                    | LocationFault::Expired
                    | LocationFault::ExpiresSoon
                    | LocationFault::NotYetValid
                    | LocationFault::OtherFile
                    | LocationFault::NoScheme
                    | LocationFault::BadPort
                    | LocationFault::WrongJsonUrl
                    | LocationFault::ViaSelf => &both[1..],
                };
                ResponseSummary { is_faulty: places != [place], ..redirect_to(head, places, out) }
            }
            Some(FaultKind::Status(status)) => {
                refuse(head, status, out);
                ResponseSummary { is_faulty: true, ..ResponseSummary::default() }
            }
            Some(FaultKind::Answer(fault)) if head.accepts_json && fault.affects_redirects_only() => {
                redirect_to(head, &[place], out)
            }
            Some(FaultKind::Answer(fault)) => {
                let elsewhere = place.with_fault(LocationFault::WrongHost, &self.base, head);
                let place = if fault == AnswerFault::Cacheable { elsewhere } else { place };
                let faulty_answer::FaultEffect { redirect, closes } =
                    faulty_answer::push_faulty(fault, head, &place, out);
                ResponseSummary { redirect, is_faulty: true, closes }
            }
        }
    }
}

/// Points to `places`, of which there should be one: by a redirect, or as JSON,
/// which has room for the last one only.
fn redirect_to(
    head: &MockRequestHead<'_>,
    places: &[RedirectTarget<'_>],
    out: &mut Vec<u8>,
) -> ResponseSummary {
    if head.accepts_json {
        let content = json_of(places.last());
        ResponseWriter::begin(out, head, 200).field("vary", "accept").content(JSON, &content);
        return ResponseSummary::default();
    }
    let answer = places.iter().fold(ResponseWriter::begin(out, head, 302), |answer, place| {
        answer.field_of("location", |out| place.push(out))
    });
    answer.field("vary", "accept").empty();
    ResponseSummary { redirect: true, ..ResponseSummary::default() }
}

fn refuse(head: &MockRequestHead<'_>, status: u16, out: &mut Vec<u8>) {
    let answer = ResponseWriter::begin(out, head, status);
    match status {
        // RFC 9110 section 6.4.1: these have no content whatever they say.
        204 | 304 => answer.without_content(),
        _ => answer.content("text/plain", b"this failure is planned\n"),
    }
}

/// The release that the path of a download names.
fn release_of(path: &[u8]) -> Option<Release<'_>> {
    let mut parts = path.strip_prefix(b"/api/v1/crates/")?.split(|&b| b == b'/');
    let (name, version) = (parts.next()?, parts.next()?);
    let ends = parts.next() == Some(b"download") && parts.next().is_none();
    if ends { Release::parse(name, version) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request_head;

    fn ask(request: &str, fault: Option<FaultKind>) -> (String, ResponseSummary) {
        let text = format!("{request}\r\nhost: crates.io\r\n\r\n");
        let head = request_head::parse(text.as_bytes()).unwrap().unwrap();
        let mut out = Vec::new();
        let said = Api::new(LocationBase::default()).answer(&head, fault, &mut out);
        (String::from_utf8(out).unwrap(), said)
    }

    #[track_caller]
    fn check_location(version: &str, fault: Option<FaultKind>, expected: Option<&str>) {
        let request = format!("GET /api/v1/crates/x/{version}/download HTTP/1.1");
        let (answer, said) = ask(&request, fault);
        let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
        assert_eq!(location, expected, "{answer}");
        let (sound, _) = ask(&request, None);
        assert_eq!(said, ResponseSummary { redirect: true, is_faulty: answer != sound, closes: false });
    }

    #[test]
    fn each_fault_spoils_the_location_in_its_way() {
        let sound = "https://static.crates.io/crates/x/x-1.0.0%2B2.crate";
        check_location("1.0.0+2", None, Some(sound));
        check_location("1.0.0%2B2", None, Some(sound));
        let spoiled = |fault: &str, expected: Option<&str>| {
            check_location("1.0.0%2B2", Some(fault.parse().unwrap()), expected);
        };
        spoiled("missing-slash", Some("https://static.crates.iocrates/x/x-1.0.0%2B2.crate"));
        spoiled("double-slash", Some("https://static.crates.io//crates/x/x-1.0.0%2B2.crate"));
        spoiled("wrong-host", Some("https://static.staging.crates.io/crates/x/x-1.0.0%2B2.crate"));
        spoiled("plus-decoded", Some("https://static.crates.io/crates/x/x-1.0.0+2.crate"));
        spoiled("no-location", None);
        spoiled("downgrade", Some("http://static.crates.io/crates/x/x-1.0.0%2B2.crate"));
        spoiled("userinfo", Some("https://mirror@static.crates.io/crates/x/x-1.0.0%2B2.crate"));
        spoiled("port", Some("https://static.crates.io:8443/crates/x/x-1.0.0%2B2.crate"));
        spoiled("raw-bytes", Some("https://static.crates.io/crates/ x/x-1.0.0%2B2.crate"));
        spoiled("placeholder", Some("https://static.crates.io/crates/{crate}/x-1.0.0%2B2.crate"));
        spoiled("relative", Some("/crates/x/x-1.0.0%2B2.crate"));
        spoiled("loop", Some("http://crates.io/api/v1/crates/x/1.0.0%2B2/download"));
        spoiled("double-encoded", Some("https://static.crates.io/crates/x/x-1.0.0%252B2.crate"));
        spoiled("backslash", Some("https://static.crates.io/crates\\x/x-1.0.0%2B2.crate"));
        spoiled("glued-host", Some("https://static.crates.io.mirror.example/crates/x/x-1.0.0%2B2.crate"));
        let signed = "https://static.crates.io/crates/x/x-1.0.0%2B2.crate?X-Amz-Date=";
        let rest = "0101T000000Z&X-Amz-Expires=300&X-Amz-Signature=0";
        spoiled("expired", Some(&format!("{signed}2020{rest}")));
        spoiled("not-yet-valid", Some(&format!("{signed}2099{rest}")));
        spoiled("wrong-json-url", Some(sound));
        spoiled("no-json-url", Some(sound));
        spoiled("other-file", Some("https://static.crates.io/crates/other/x-1.0.0%2B2.crate"));
        spoiled("no-scheme", Some("static.crates.io/crates/x/x-1.0.0%2B2.crate"));
        spoiled("bad-port", Some("https://static.crates.io:port/crates/x/x-1.0.0%2B2.crate"));
        spoiled("via-self", Some("/api/v1/crates/x/1.0.0%2B2/download?via=self"));
        let no_plus = Some("https://static.crates.io/crates/x/x-1.0.0.crate");
        check_location("1.0.0", Some(FaultKind::Location(LocationFault::PlusDecoded)), no_plus);
    }

    #[test]
    fn of_two_places_the_sound_one_comes_first() {
        let fault = Some(FaultKind::Location(LocationFault::TwoLocations));
        let (answer, said) = ask("GET /api/v1/crates/x/1.0.0/download HTTP/1.1", fault);
        let locations: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("location: ")).collect();
        let hosts = ["static.crates.io", "static.staging.crates.io"];
        assert_eq!(locations, hosts.map(|host| format!("https://{host}/crates/x/x-1.0.0.crate")));
        assert!(said.is_faulty);
    }

    #[test]
    fn clients_of_json_can_be_told_another_place() {
        let request = "GET /api/v1/crates/x/1.0.0/download HTTP/1.1\r\naccept: application/json";
        for (fault, place) in [
            ("wrong-json-url", "https://static.staging.crates.io/crates/x/x-1.0.0.crate"),
            ("backslash", r"https://static.crates.io/crates\\x/x-1.0.0.crate"),
        ] {
            let (answer, said) = ask(request, Some(fault.parse().unwrap()));
            assert!(answer.ends_with(&format!("{{\"url\":\"{place}\"}}")), "{answer}");
            assert!(said.is_faulty && !said.redirect);
        }
    }

    #[test]
    fn clients_of_json_can_be_told_no_place() {
        let request = "GET /api/v1/crates/x/1.0.0/download HTTP/1.1\r\naccept: application/json";
        for fault in ["no-json-url", "no-location"] {
            let (answer, said) = ask(request, Some(fault.parse().unwrap()));
            assert!(answer.ends_with("\r\n\r\n{}") && said.is_faulty, "{answer}");
        }
    }

    #[test]
    fn the_way_by_a_path_of_its_own_ends_at_the_file() {
        let fault = Some("via-self".parse().unwrap());
        let (answer, said) = ask("GET /api/v1/crates/x/1.0.0/download?via=self HTTP/1.1", fault);
        assert!(answer.contains("location: https://static.crates.io/crates/x/x-1.0.0.crate\r\n"), "{answer}");
        assert!(said.redirect && !said.is_faulty);
    }

    #[track_caller]
    fn check(request: &str, fault: Option<FaultKind>, expected: &str) {
        assert_eq!(ask(request, fault).0, expected.replace('\n', "\r\n"), "{request}");
    }

    #[test]
    fn the_contract_of_a_download() {
        let redirect = "HTTP/1.1 302 Found\nlocation: https://static.crates.io/crates/a/a-1.0.0.crate\n\
                        vary: accept\ncontent-length: 0\n\n";
        check("GET /api/v1/crates/a/1.0.0/download HTTP/1.1", None, redirect);
        check("HEAD /api/v1/crates/a/1.0.0/download?x HTTP/1.1", None, redirect);
        check(
            "GET /api/v1/crates/a/1.0.0/download HTTP/1.1\r\naccept: application/json",
            None,
            "HTTP/1.1 200 OK\nvary: accept\ncontent-type: application/json\ncontent-length: 57\n\n\
             {\"url\":\"https://static.crates.io/crates/a/a-1.0.0.crate\"}",
        );
        check(
            "HEAD /api/v1/crates/a/1.0.0/download HTTP/1.1",
            Some(FaultKind::Status(503)),
            "HTTP/1.1 503 Service Unavailable\ncontent-type: text/plain\ncontent-length: 24\n\n",
        );
        check(
            "GET /api/v1/crates/a/1.0.0/download HTTP/1.1",
            Some(FaultKind::Status(204)),
            "HTTP/1.1 204 No Content\n\n",
        );
    }

    #[test]
    fn what_is_no_download_is_not_found_and_never_spoiled() {
        let not_found = "HTTP/1.1 404 Not Found\ncontent-type: application/json\ncontent-length: 35\n\n\
                         {\"errors\":[{\"detail\":\"Not Found\"}]}";
        for path in
            ["/", "/api/v1/crates/a", "/api/v1/crates/a/1.0/download", "/api/v1/crates/a/1.0.0/download/"]
        {
            check(&format!("GET {path} HTTP/1.1"), Some(FaultKind::Status(503)), not_found);
        }
        let (answer, said) = ask("DELETE /api/v1/crates/a/1.0.0/download HTTP/1.1", None);
        assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\nallow: GET, HEAD\r\n"), "{answer}");
        assert!(!said.redirect);
    }
}

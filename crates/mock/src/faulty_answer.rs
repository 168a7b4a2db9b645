//! Answers that are wrong, or merely odd, as a whole.
//!
//! Each is a redirect to the sound place but for what its fault does to it, so
//! that whatever a client makes of it comes of that alone.

use super::plan::AnswerFault;
use super::redirect_target::{RedirectTarget, json_of};
use super::request_head::MockRequestHead;
use super::response::{JSON, ResponseWriter};

/// Content of a redirect that some servers write for people.
const PAGE: &[u8] = b"<html><body>it lies elsewhere</body></html>\n";
const PAGE_BYTES: usize = 4 * 1024;
const MEDIA_TYPE: &str = "text/html";

const HUGE_FIELD_BYTES: usize = 1024 * 1024;
const MANY_FIELDS: usize = 1_000;

const INTERIM: &[u8] =
    b"HTTP/1.1 103 Early Hints\r\nlink: <https://static.crates.io>; rel=preconnect\r\n\r\n\
                         HTTP/1.1 100 Continue\r\n\r\n";

/// What a server says that was asked over the wrong protocol.
const NO_HTTP: &[u8] = b"\x15\x03\x03\x00\x02\x02\x46 this is no answer\r\n\r\n";

/// More content than was promised, which is an answer itself: a client that
/// reads on takes it for the answer to its next request.
const EXCESS: &[u8] = b"rest\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
const EXCESS_PROMISED: usize = b"rest\r\n".len();

/// What a fault made of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FaultEffect {
    /// It is still a redirect.
    pub(super) redirect: bool,
    /// The connection has to be closed after it.
    pub(super) closes: bool,
}

impl AnswerFault {
    /// Whether it is about the form of a redirect: what clients of JSON get is
    /// sound.
    pub(super) const fn affects_redirects_only(self) -> bool {
        matches!(
            self,
            Self::Permanent
                | Self::VaryMissing
                | Self::WrongLength
                | Self::Body
                | Self::Informational
                | Self::Http10
        )
    }
}

/// Appends the answer to `head`, a redirect to `place` spoiled by `fault`.
pub(super) fn push_faulty(
    fault: AnswerFault,
    head: &MockRequestHead<'_>,
    place: &RedirectTarget<'_>,
    out: &mut Vec<u8>,
) -> FaultEffect {
    let stays = FaultEffect { redirect: true, closes: false };
    let closes = FaultEffect { redirect: true, closes: true };
    match fault {
        AnswerFault::RetryAfter | AnswerFault::TooMany => {
            let status = if fault == AnswerFault::TooMany { 429 } else { 503 };
            ResponseWriter::begin(out, head, status).field("retry-after", "2").empty();
            FaultEffect { redirect: false, ..stays }
        }
        AnswerFault::Permanent => {
            redirect_as(301, out, head, place).field("vary", "accept").empty();
            stays
        }
        AnswerFault::Cacheable => {
            redirect(out, head, place).field("cache-control", "public, max-age=604800").empty();
            stays
        }
        AnswerFault::VaryMissing => {
            redirect_as(302, out, head, place).empty();
            stays
        }
        AnswerFault::JsonToAll => {
            ResponseWriter::begin(out, head, 200).content(JSON, &json_of(Some(place)));
            FaultEffect { redirect: false, ..stays }
        }
        AnswerFault::HtmlPage => {
            ResponseWriter::begin(out, head, 200).content(MEDIA_TYPE, PAGE);
            FaultEffect { redirect: false, ..stays }
        }
        AnswerFault::Garbage => {
            out.extend_from_slice(NO_HTTP);
            FaultEffect { redirect: false, ..closes }
        }
        AnswerFault::Truncate => {
            redirect(out, head, place).content_with_length(PAGE_BYTES, MEDIA_TYPE, PAGE);
            closes
        }
        AnswerFault::WrongLength => {
            redirect(out, head, place).content_with_length(EXCESS_PROMISED, MEDIA_TYPE, EXCESS);
            stays
        }
        AnswerFault::HugeHeaders => {
            let field = |out: &mut Vec<u8>| out.resize(out.len() + HUGE_FIELD_BYTES, b'x');
            redirect(out, head, place).field_of("x-huge", field).empty();
            stays
        }
        AnswerFault::ManyHeaders => {
            let answer = redirect(out, head, place);
            (0..MANY_FIELDS).fold(answer, |answer, _| answer.field("x-many", "1")).empty();
            stays
        }
        AnswerFault::Body => {
            let page: Vec<u8> = PAGE.iter().copied().cycle().take(PAGE_BYTES).collect();
            redirect(out, head, place).content(MEDIA_TYPE, &page);
            stays
        }
        AnswerFault::Informational => {
            out.extend_from_slice(INTERIM);
            redirect(out, head, place).empty();
            stays
        }
        AnswerFault::Http10 => {
            let answer = ResponseWriter::begin_http10(out, head, 302).field("vary", "accept");
            answer.field_of("location", |out| place.push(out)).empty();
            closes
        }
    }
}

fn redirect<'o>(
    out: &'o mut Vec<u8>,
    head: &MockRequestHead<'_>,
    place: &RedirectTarget<'_>,
) -> ResponseWriter<'o> {
    redirect_as(302, out, head, place).field("vary", "accept")
}

/// A redirect with that status, and without `Vary`.
fn redirect_as<'o>(
    status: u16,
    out: &'o mut Vec<u8>,
    head: &MockRequestHead<'_>,
    place: &RedirectTarget<'_>,
) -> ResponseWriter<'o> {
    ResponseWriter::begin(out, head, status).field_of("location", |out| place.push(out))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::location_base::LocationBase;
    use crate::release::Release;
    use crate::request_head;

    #[track_caller]
    fn check(fault: AnswerFault, begins: &str, ends: &str, bytes: std::ops::RangeInclusive<usize>) {
        let head = request_head::parse(b"GET / HTTP/1.1\r\nhost: crates.io\r\n\r\n").unwrap().unwrap();
        let (base, release) = (LocationBase::default(), Release::parse(b"a", b"1.0.0").unwrap());
        let mut out = Vec::new();
        push_faulty(fault, &head, &RedirectTarget::correct(&base, &release), &mut out);
        let text = String::from_utf8_lossy(&out);
        assert!(text.starts_with(begins), "{fault:?}: {}", text.escape_debug().take(200).collect::<String>());
        assert!(text.ends_with(ends), "{fault:?} does not end with {ends:?}");
        assert!(bytes.contains(&out.len()), "{fault:?}: {} bytes", out.len());
    }

    #[test]
    fn each_fault_spoils_the_answer_in_its_way() {
        use AnswerFault::*;
        let bare = "HTTP/1.1 302 Found\r\nlocation: https://static.crates.io/crates/a/a-1.0.0.crate\r\n";
        let found = &format!("{bare}vary: accept\r\n");
        let empty = "content-length: 0\r\n\r\n";
        check(TooMany, "HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\n", empty, 0..=200);
        check(RetryAfter, "HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n", empty, 0..=200);
        check(Permanent, "HTTP/1.1 301 Moved Permanently\r\nlocation: https", empty, 0..=200);
        check(Cacheable, &format!("{found}cache-control: public, max-age=604800\r\n"), empty, 0..=300);
        check(VaryMissing, &format!("{bare}content-length"), empty, 0..=200);
        check(JsonToAll, "HTTP/1.1 200 OK\r\ncontent-type: application/json", "crate\"}", 0..=200);
        check(HtmlPage, "HTTP/1.1 200 OK\r\ncontent-type: text/html", "</html>\n", 0..=200);
        check(Garbage, "\u{15}\u{3}\u{3}", "\r\n\r\n", 0..=200);
        check(
            Truncate,
            found,
            "content-length: 4096\r\n\r\n<html><body>it lies elsewhere</body></html>\n",
            0..=300,
        );
        check(
            WrongLength,
            &format!("{found}content-type: text/html\r\ncontent-length: 6\r\n"),
            empty,
            0..=300,
        );
        check(HugeHeaders, &format!("{found}x-huge: xxx"), empty, 1_048_576..=1_048_800);
        check(ManyHeaders, &format!("{found}x-many: 1\r\n"), empty, 11_000..=11_200);
        check(Body, found, "", 4_200..=4_300);
        check(Informational, "HTTP/1.1 103 Early Hints\r\n", empty, 0..=300);
        check(
            Http10,
            "HTTP/1.0 302 Found\r\nvary: accept\r\nlocation: ",
            "connection: close\r\n\r\n",
            0..=200,
        );
    }
}

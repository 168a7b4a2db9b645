//! What a status is worth where no rule names it: RFC 9110 §15, and what was
//! asked.
//!
//! What is sent to a candidate is a plain GET or HEAD: no Range, no condition,
//! no Expect, no Upgrade. An answer to a question that was not asked is wrong
//! however friendly its class: a client that did not ask for a part takes the
//! part for the file, or gives up. HEAD is judged as GET is, since its status is
//! the one that GET would have (§9.3.2).

use super::Locations;
use downpour_core::fault::Fault;

/// How a status answers a plain request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StatusMeaning {
    /// It does.
    Acceptable,
    /// It does where the recorded service gave the same: a client may have
    /// asked for what has no content.
    AcceptableIfRecorded(&'static str),
    /// It answers what was not asked, whatever the log says: the recorded
    /// client may have asked it, this one did not.
    Unrequested(&'static str),
}

/// What is wrong with `status`, which no rule demands. `recorded` is what the
/// log says, also if no server sent it.
pub(super) fn wrong_status(status: u16, recorded: Option<u16>, locations: Locations<'_>) -> Option<Fault> {
    let fault = match status {
        400..=499 => Fault::StatusClientError,
        500..=599 => Fault::StatusServerError,
        _ => Fault::StatusUnexpected,
    };
    let is_right = match status_meaning(status, locations) {
        StatusMeaning::Acceptable => true,
        // nginx's 444 refused the request without a word; so does any 4xx.
        StatusMeaning::AcceptableIfRecorded(_) => {
            recorded == Some(status) || recorded == Some(CLOSED_UNANSWERED) && status / 100 == 4
        }
        StatusMeaning::Unrequested(_) => false,
    };
    (!is_right).then_some(fault)
}

/// What is wrong with a status that answers what was not asked; empty where its
/// class says all.
pub(super) fn status_note(status: u16) -> &'static str {
    match status_meaning(status, Locations::None) {
        StatusMeaning::Acceptable => "",
        StatusMeaning::AcceptableIfRecorded(why) | StatusMeaning::Unrequested(why) => why,
    }
}

/// What nginx writes to its log where it closed the connection without an
/// answer, because its operator said `return 444`.
pub const CLOSED_UNANSWERED: u16 = 444;

/// RFC 9110 §15, one status after the other.
#[expect(clippy::match_same_arms, reason = "a table in the order of the sections it cites")]
fn status_meaning(status: u16, locations: Locations<'_>) -> StatusMeaning {
    match status {
        // §15.2: interim answers end no exchange; 101 needs an Upgrade field.
        100..=199 => {
            StatusMeaning::Unrequested("an interim answer or a change of protocol, which was not requested")
        }
        // §15.3.1, §15.3.4: the content, perhaps changed by a proxy.
        200 | 203 => StatusMeaning::Acceptable,
        // §15.3.2, §15.3.3: nothing was to be created, and the file is to come now.
        201 | 202 => StatusMeaning::AcceptableIfRecorded(
            "an answer to a request that changes something, without the file",
        ),
        // §15.3.5, §15.3.6.
        204 | 205 => StatusMeaning::AcceptableIfRecorded("no content in place of a file or a redirect"),
        // §15.3.7: only to a request with Range.
        206 => StatusMeaning::Unrequested(
            "a part of the file, although the request had no Range: clients abort or keep the part",
        ),
        // RFC 4918 §11.1, RFC 5842 §7.1: answers to methods of WebDAV.
        207 | 208 => StatusMeaning::AcceptableIfRecorded("an answer to a WebDAV request, without the file"),
        // RFC 3229 §10.4.1: only to a request with A-IM.
        226 => {
            StatusMeaning::Unrequested("a difference to an earlier file, although the request had no A-IM")
        }
        // §15: what is not known is as x00 of its class.
        209..=299 => StatusMeaning::Acceptable,
        // §15.4.1: followed by its Location; without one, a person has to choose.
        300 if locations != Locations::None => StatusMeaning::Acceptable,
        300 => {
            StatusMeaning::AcceptableIfRecorded("a choice without a Location, which clients cannot follow")
        }
        // §15.4.2 to §15.4.4, §15.4.8, §15.4.9.
        301 | 302 | 303 | 307 | 308 => StatusMeaning::Acceptable,
        // §15.4.5: only to a request with a condition.
        304 => StatusMeaning::Unrequested(
            "not modified, although the request had no condition: the client has no file to use",
        ),
        // §15.4.6, §15.4.7 and what is not known: no redirect that clients follow.
        305..=399 => StatusMeaning::AcceptableIfRecorded("a redirect of a kind that clients do not follow"),
        // §15.5.13: only to a request with a condition.
        412 => StatusMeaning::Unrequested("a condition failed, although the request had none"),
        // §15.5.17: only to a request with Range.
        416 => StatusMeaning::Unrequested("a range is not available, although the request had no Range"),
        // §15.5.18: only to a request with Expect.
        417 => StatusMeaning::Unrequested("an expectation failed, although the request had no Expect"),
        // §15.5: people do ask for what is not there.
        400..=499 => StatusMeaning::AcceptableIfRecorded(""),
        // §15.6: what was down then is no excuse now.
        500..=599 => StatusMeaning::Unrequested(""),
        _ => StatusMeaning::Unrequested("not an HTTP status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Locations<'static> = Locations::One(b"/x");

    #[track_caller]
    fn check(status: u16, recorded: Option<u16>, expected: Option<Fault>) {
        assert_eq!(wrong_status(status, recorded, HERE), expected, "{recorded:?} -> {status}");
    }

    #[test]
    fn answers_to_what_nobody_asked_are_wrong_whatever_the_log_says() {
        let unexpected = Some(Fault::StatusUnexpected);
        for status in [100, 101, 103, 206, 226, 304, 600, 999] {
            check(status, None, unexpected);
            check(status, Some(200), unexpected);
            check(status, Some(status), unexpected);
        }
        for status in [412, 416, 417] {
            check(status, None, Some(Fault::StatusClientError));
            check(status, Some(status), Some(Fault::StatusClientError));
        }
        assert!(status_note(206).contains("had no Range") && status_note(304).contains("had no condition"));
        assert_eq!((status_note(404), status_note(503), status_note(200)), ("", "", ""));
    }

    #[test]
    fn what_the_recorded_client_asked_for_is_not_asked_of_the_candidate() {
        for recorded in [206, 226, 304, 412, 416] {
            check(200, Some(recorded), None);
            check(302, Some(recorded), None);
        }
    }

    #[test]
    fn answers_without_a_file_are_right_where_the_log_has_the_same() {
        for status in [201, 202, 204, 205, 207, 208, 305, 306, 399] {
            check(status, None, Some(Fault::StatusUnexpected));
            check(status, Some(200), Some(Fault::StatusUnexpected));
            check(status, Some(status), None);
        }
        check(404, Some(404), None);
        check(404, Some(200), Some(Fault::StatusClientError));
        check(403, Some(404), Some(Fault::StatusClientError));
        check(503, Some(503), Some(Fault::StatusServerError));
        for status in [200, 203, 301, 302, 303, 307, 308, 299] {
            check(status, None, None);
            check(status, Some(404), None);
        }
    }

    #[test]
    fn three_hundred_is_a_redirect_by_its_location_only() {
        assert_eq!(wrong_status(300, None, HERE), None);
        assert_eq!(wrong_status(300, None, Locations::Many), None);
        let choice = Some(Fault::StatusUnexpected);
        assert_eq!(wrong_status(300, Some(302), Locations::None), choice);
        assert_eq!(wrong_status(300, Some(300), Locations::None), None);
    }

    #[test]
    fn a_request_that_was_refused_in_silence_may_be_refused_aloud() {
        for status in [400, 403, 404, 410] {
            check(status, Some(444), None);
        }
        check(416, Some(444), Some(Fault::StatusClientError));
        check(503, Some(444), Some(Fault::StatusServerError));
        check(204, Some(444), Some(Fault::StatusUnexpected));
        check(404, Some(499), Some(Fault::StatusClientError));
    }
}

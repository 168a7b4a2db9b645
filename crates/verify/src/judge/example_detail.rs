//! What an example says beside its fault: what was expected instead.

use super::Judge;
use crate::JudgedRequest;
use crate::status::status_note;
use downpour_core::fault::Fault;

impl Judge {
    /// What an example says of `fault` in the answer judged last: what was
    /// expected, or what is wrong with the status.
    #[expect(clippy::wildcard_enum_match_arm, reason = "of most faults the status is all there is to say")]
    pub fn example_detail(&self, fault: Fault, asked: &JudgedRequest<'_>, status: u16) -> String {
        let rule = || self.rules.find(asked.target).map(|(rule, _)| rule);
        let list = |values: Vec<String>| values.join(", ");
        match fault {
            Fault::StatusTransition => match asked.recorded_status {
                Some(recorded) => format!("status {status}, but {recorded} was recorded"),
                None => format!("status {status}"),
            },
            Fault::StatusUnexpected | Fault::StatusClientError | Fault::StatusServerError => {
                let due = rule().map(|rule| list(rule.statuses.iter().map(ToString::to_string).collect()));
                match (status_note(status), due) {
                    ("", None) => format!("status {status}"),
                    ("", Some(due)) => format!("status {status}, but the rule requires {due}"),
                    (why, None) => format!("status {status}: {why}"),
                    (why, Some(due)) => format!("status {status}: {why}; the rule requires {due}"),
                }
            }
            fault if is_about_location(fault) => match (self.expected(), rule()) {
                (Some(expected), _) => format!("expected {expected}"),
                (None, Some(rule))
                    if !rule.hosts.is_empty()
                        && matches!(fault, Fault::LocationWrongHost | Fault::LocationGluedHost) =>
                {
                    format!(
                        "expected one of the hosts {}",
                        list(rule.hosts.iter().map(ToString::to_string).collect())
                    )
                }
                (None, _) => format!("status {status}"),
            },
            _ => format!("status {status}"),
        }
    }
}

/// Whether the finding is that a redirect leads to another place than the one
/// demanded, or is written in another way.
fn is_about_location(fault: Fault) -> bool {
    let of_its_time = matches!(
        fault,
        Fault::LocationExpired
            | Fault::LocationExpiresSoon
            | Fault::LocationNotYetValid
            | Fault::LocationNotInCatalog
    );
    fault.family() == "location" && !of_its_time
}

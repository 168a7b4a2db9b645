//! How far a redirect was judged, tier by tier, for the books.
//!
//! Pure. Each function is one way in which the judgement of a redirect can end;
//! tiers that are off are off in all of them. The form in JSON is beside them,
//! and off until [`with_json`] says something else.

use downpour_core::fault::Fault;
use downpour_metrics::{Coverage, Unchecked};
use downpour_verify::probe::TargetVerdict;
use downpour_verify::{Depth, HostVerdict, Tier};

/// The coverage of each tier, in the order of [`Tier::ALL`].
pub(super) type Tiers = [Coverage; Tier::ALL.len()];

fn tiers(depth: Depth, of: impl Fn(Tier) -> Coverage) -> Tiers {
    let off = Coverage::Unchecked(Unchecked::TierOff);
    let is_on = |tier| depth.covers(tier) && tier != Tier::Json;
    Tier::ALL.map(|tier| if is_on(tier) { of(tier) } else { off })
}

/// The same, with what became of the form in JSON.
pub(super) fn with_json(mut tiers: Tiers, json: Coverage) -> Tiers {
    tiers[Tier::Json as usize] = json;
    tiers
}

/// Up to `last` it was; beyond it was not, for `reason`.
pub(super) fn up_to(depth: Depth, last: Tier, reason: Unchecked) -> Tiers {
    checked_up_to(depth, last, Coverage::Unchecked(reason))
}

/// At `last` it was found to be broken in a way that leaves nothing to look at
/// beyond.
pub(super) fn broken_at(depth: Depth, last: Tier) -> Tiers {
    checked_up_to(depth, last, Coverage::Broken)
}

fn checked_up_to(depth: Depth, last: Tier, beyond: Coverage) -> Tiers {
    tiers(depth, |tier| if tier <= last { Coverage::Checked } else { beyond })
}

/// Its Location was not looked at.
pub(super) fn location_unchecked() -> Tiers {
    up_to(Depth::Off, Tier::Headers, Unchecked::TierOff)
}

/// There was no host to ask about, since it is the candidate's own, and nobody
/// goes on from there.
pub(super) fn own_origin(depth: Depth) -> Tiers {
    up_to(depth, Tier::Dns, Unchecked::OwnOrigin)
}

/// The judgement ended with what is known of its host.
pub(super) fn to_host(depth: Depth, verdict: HostVerdict) -> Tiers {
    match verdict {
        HostVerdict::Broken(Fault::DnsUnchecked) => up_to(depth, Tier::Policy, Unchecked::HostLimit),
        HostVerdict::Broken(Fault::GeneratorResolver) => up_to(depth, Tier::Policy, Unchecked::NoResolver),
        HostVerdict::Broken(_) | HostVerdict::Resolved => broken_at(depth, Tier::Dns),
    }
}

/// The judgement ended with what is known of its target, if anything is.
pub(super) fn to_target(depth: Depth, verdict: Option<&TargetVerdict>) -> Tiers {
    match verdict {
        None => up_to(depth, Tier::Dns, Unchecked::Budget),
        Some(TargetVerdict { fault: Some(_), tier, .. }) => broken_at(depth, *tier),
        // A target without a fault was asked to the end of what could be known.
        Some(TargetVerdict { fault: None, tier, .. }) => up_to(depth, *tier, Unchecked::NoDigest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(found: Tiers, expected: [&str; 6]) {
        let [tiers @ .., json] = found.map(|coverage| match coverage {
            Coverage::Checked => "ok",
            Coverage::Broken => "broken",
            Coverage::Unchecked(reason) => reason.id(),
        });
        assert_eq!((tiers, json), (expected, "tier_off"));
    }

    #[test]
    fn each_end_of_a_judgement_covers_its_tiers() {
        const OK: &str = "ok";
        const OFF: &str = "tier_off";
        const BROKEN: &str = "broken";
        check(location_unchecked(), [OFF; 6]);
        let resolved = HostVerdict::Resolved;
        check(to_host(Depth::Dns, resolved), [OK, OK, OK, OFF, OFF, OFF]);
        check(
            to_host(Depth::Get, HostVerdict::Broken(Fault::DnsNxdomain)),
            [OK, OK, OK, BROKEN, BROKEN, OFF],
        );
        let limit = HostVerdict::Broken(Fault::DnsUnchecked);
        check(to_host(Depth::Connect, limit), [OK, OK, "host_limit", "host_limit", OFF, OFF]);
        let dead = HostVerdict::Broken(Fault::GeneratorResolver);
        check(to_host(Depth::Dns, dead), [OK, OK, "no_resolver", OFF, OFF, OFF]);
        check(to_target(Depth::Head, None), [OK, OK, OK, "budget", "budget", OFF]);
        let refused = TargetVerdict::broken(Fault::TargetRefused, Tier::Connect, "");
        check(to_target(Depth::Digest, Some(&refused)), [OK, OK, OK, OK, BROKEN, BROKEN]);
        let sound = TargetVerdict::ok(Tier::Fetch);
        check(to_target(Depth::Get, Some(&sound)), [OK, OK, OK, OK, OK, OFF]);
        check(to_target(Depth::Digest, Some(&sound)), [OK, OK, OK, OK, OK, "no_digest"]);
        check(broken_at(Depth::Dns, Tier::Headers), [OK, BROKEN, BROKEN, OFF, OFF, OFF]);
        check(broken_at(Depth::Connect, Tier::Policy), [OK, OK, BROKEN, BROKEN, OFF, OFF]);
        check(own_origin(Depth::Connect), [OK, OK, OK, "own_origin", OFF, OFF]);
    }
}

//! Redirects that the log shows and the candidate does not give.

use super::*;
use downpour_verify::Depth;

fn answered(totals: &mut Totals, pairs: &[(Option<u16>, u16, u64)]) {
    for &(recorded, answered, count) in pairs {
        totals.counts.redirects.seen += if downpour_verify::is_redirect(answered) { count } else { 0 };
        (0..count).for_each(|_| totals.counts.transitions.count(recorded, answered, answered > 399));
    }
}

#[test]
fn a_rewrite_that_was_forgotten_is_named_without_rules_too() {
    let unknown = |t: &mut Totals, _: &mut Plan| {
        fail(t, Fault::StatusClientError, 90);
        (0..10).for_each(|_| t.counts.rules.sample(Some("crates-io")));
    };
    check(unknown, Verdict::Failed, &[], &["rewrite_forgotten"]);
    let given = |t: &mut Totals, p: &mut Plan| {
        p.rewrite = Some("crates-io".to_owned());
        fail(t, Fault::StatusClientError, 90);
        (0..10).for_each(|_| t.counts.rules.sample(Some("crates-io")));
    };
    check(given, Verdict::Failed, &[], &[]);
}

#[test]
fn redirects_that_became_content_are_no_pass_without_rules() {
    check(|t, _| answered(t, &[(Some(302), 302, 60)]), Verdict::Passed, &[], &[]);
    check(|t, _| answered(t, &[(Some(200), 200, 60)]), Verdict::Passed, &[], &[]);
    let gone: fn(&mut Totals, &mut Plan) = |t, _| answered(t, &[(Some(302), 200, 60), (Some(404), 200, 1)]);
    check(gone, Verdict::Invalid, &["redirects_gone"], &[]);
    let (mut totals, mut plan) = (good_run(), dns_plan());
    gone(&mut totals, &mut plan);
    let detail = judge(&totals, &plan, &machine(), finished()).invalid_reasons.remove(0).detail;
    assert_eq!(detail, "no rules: 60 of 60 answers were 200 where the log has 302; no redirect was checked");
    let some = |t: &mut Totals, _: &mut Plan| answered(t, &[(Some(302), 200, 1), (Some(302), 302, 59)]);
    check(some, Verdict::Passed, &[], &["fewer_redirects"]);
    let unknown = |t: &mut Totals, _: &mut Plan| answered(t, &[(None, 200, 60)]);
    check(unknown, Verdict::Passed, &[], &["no_redirects"]);
    // Rules say what is right, and who does not check has said so.
    let ruled = |t: &mut Totals, p: &mut Plan| {
        ruled(t, p, (100, 0));
        answered(t, &[(Some(302), 200, 60)]);
    };
    check(ruled, Verdict::Passed, &[], &[]);
    let off = |t: &mut Totals, p: &mut Plan| {
        p.verify = Depth::Off;
        answered(t, &[(Some(302), 200, 60)]);
    };
    check(off, Verdict::Passed, &[], &["verify_off"]);
    // What failed is counted as failed, and is no redirect that was lost.
    let failed = |t: &mut Totals, _: &mut Plan| {
        fail(t, Fault::StatusServerError, 60);
        answered(t, &[(Some(302), 503, 60)]);
    };
    check(failed, Verdict::Failed, &[], &[]);
}

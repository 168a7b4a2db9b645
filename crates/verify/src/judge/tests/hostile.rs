//! What holds for all bytes, whoever chose them.

use super::*;
use crate::json::ExpectedJson;
use proptest::prelude::*;

/// Whatever is asked, answered and demanded, the judge says something.
fn survives(bytes: &[u8]) {
    let half = bytes.len() / 2;
    let (target, location) = bytes.split_at(half);
    for judge in [&mut crates_io(), &mut no_rules("http://127.0.0.1:1")] {
        for target in [target, CRATE.as_bytes()] {
            let asked = JudgedRequest { target, recorded_status: None };
            for location in [location, bytes] {
                let (locations, headers) = (Locations::One(location), fields());
                judge.judge(&asked, &JudgedResponse { status: 302, locations, headers: &headers, at: NOW });
                let form = ExpectedJson { member: "url".into(), location: location.into() };
                assert!(form.fault(bytes).is_none_or(|(_, told)| told.is_ascii()));
            }
        }
    }
}

#[test]
fn mutations_of_locations_are_survived() {
    use rand::{RngExt as _, SeedableRng as _};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let seeds = [GOOD, "//h/%7Bx%7D", "https://u@[::1]:80/a?b#c", "../None/{x}", "https://0x7f.1/%2B"];
    for seed in seeds.iter().cycle().take(2_000) {
        let mut bytes = seed.as_bytes().to_vec();
        for _ in 0..random.random_range(0..6) {
            let at = random.random_range(0..bytes.len());
            match random.random_range(0..3) {
                0 => bytes[at] = random.random(),
                1 => bytes.insert(at, *b"%/:@.{}?#[]\\".get(random.random_range(0..12)).unwrap()),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        survives(&bytes);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    /// Whatever the client asked for, what the template gives for it passes.
    #[test]
    fn a_rendered_template_passes(name in "[!-.0-~]{1,20}", version in "[!-.0-~]{1,20}") {
        prop_assume!(!name.contains('?') && !version.contains('?'));
        let target = format!("/api/v1/crates/{name}/{version}/download");
        let rules = Rules::builtin("crates-io").unwrap();
        let (rule, captures) = rules.find(target.as_bytes()).unwrap();
        let mut location = Vec::new();
        rule.location.as_ref().unwrap().template.render(&captures, &mut location);
        prop_assert_eq!(found(&mut crates_io(), &target, &location), (None, "static.crates.io".to_owned()));
    }

    /// One byte changed is another place, unless RFC 3986 §6.2.2 says that the
    /// two spellings are one.
    #[test]
    fn one_changed_byte_is_seen(at in 0_usize..57, byte in any::<u8>()) {
        let target = "/api/v1/crates/serde/1.0.0%2B/download";
        let good = b"https://static.crates.io/crates/serde/serde-1.0.0%2B.crate";
        let mut changed = *good;
        changed[at] = byte;
        let case_only = changed.eq_ignore_ascii_case(good);
        let host_end = "https://static.crates.io".len();
        let triplet = good.iter().position(|&b| b == b'%').unwrap();
        let same = changed == *good || case_only && (at < host_end || (triplet..triplet + 3).contains(&at));
        let (fault, _) = found(&mut crates_io(), target, &changed);
        prop_assert_eq!(fault.is_none(), same, "{} {:?}", changed.escape_ascii(), fault);
    }
}

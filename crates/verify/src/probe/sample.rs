//! Which targets are asked when not all of them are.
//!
//! Pure. A target is in or out as a whole, by its key and the seed, so that the
//! sample is the same on each worker and in each run. Some are always in: the
//! shapes of names and versions that redirects are wrong about when they are
//! right about all others.

use super::TargetKey;
use downpour_core::units::Share;
use url::Url;

/// A share of the targets, and those that are asked anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeSampling {
    /// How many.
    pub share: Share,
    /// What the choice depends on.
    pub seed: u64,
}

impl ProbeSampling {
    /// Whether the target at `url` is asked.
    pub fn takes(&self, key: TargetKey, url: &Url) -> bool {
        self.share == Share::ALL || is_edge_case(url.path()) || self.share.includes(key.point(self.seed))
    }
}

/// Whether a path names a file of one of the shapes that break redirects: a `+`
/// in the version, a pre-release, a name of up to three letters, one with upper
/// case, one with both `-` and `_`.
pub fn is_edge_case(path: &str) -> bool {
    let file = path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or_default();
    let (name, version) = name_and_version(file);
    let plus = file.contains('+') || file.contains("%2B") || file.contains("%2b");
    let short = (1..=3).contains(&name.len());
    let upper = name.bytes().any(|b| b.is_ascii_uppercase());
    let mixed = name.contains('-') && name.contains('_');
    plus || short || upper || mixed || is_pre_release(version)
}

/// Splits before the first `-` or `_` that a digit follows; a file without one
/// is all name, up to its ending.
fn name_and_version(file: &str) -> (&str, &str) {
    let bytes = file.as_bytes();
    let marks = bytes.windows(2).position(|pair| matches!(pair, [b'-' | b'_', b'0'..=b'9']));
    let at = marks.or_else(|| file.find('.')).unwrap_or(file.len());
    file.split_at(at)
}

/// `-1.0.0-rc.1.crate`, `-2.0b1.tar.gz`: a letter after a digit, but for a
/// hyphen between them, and before the ending.
fn is_pre_release(version: &str) -> bool {
    let stem = version.rsplit_once('.').map_or(version, |(stem, _)| stem);
    let stem = stem.strip_suffix(".tar").unwrap_or(stem);
    let core = stem.trim_start_matches(['-', '_']);
    let core = core.split('+').next().unwrap_or_default();
    core.as_bytes().windows(2).any(|pair| matches!(pair, [b'0'..=b'9', b'-' | b'a'..=b'z' | b'A'..=b'Z']))
        && core.contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(paths: &[&str], corner: bool) {
        for path in paths {
            assert_eq!(is_edge_case(path), corner, "{path}");
        }
    }

    #[test]
    fn shapes_that_break_redirects_are_always_asked() {
        check(&["/crates/curl-sys/curl-sys-0.4.79%2Bcurl-8.12.0.crate", "/x/long-1.0.0+1.crate"], true);
        check(&["/crates/serde/serde-1.0.0-rc.1.crate", "/packages/django-5.0b1.tar.gz"], true);
        check(&["/crates/a/a-1.0.0.crate", "/crates/log/log-0.4.0.crate", "/p/ab-2.tgz"], true);
        check(&["/crates/Inflector/Inflector-0.11.4.crate"], true);
        check(&["/crates/a_b-c/a_b-c-1.0.0.crate"], true);
    }

    #[test]
    fn plain_ones_are_left_to_the_sample() {
        check(&["/crates/serde/serde-1.0.217.crate", "/crates/curl-sys/curl-sys-0.4.79.crate"], false);
        check(&["/crates/lazy_static/lazy_static-1.5.0.crate", "/p/requests-2.32.0.tar.gz"], false);
        check(&["/crates/base64/base64-0.22.1.crate", "/", "", "/simple/django/"], false);
    }

    #[test]
    fn a_sample_holds_about_its_share_and_the_same_ones_again() {
        let url = |n: u32| format!("https://cdn.test/crates/serde/serde-1.0.{n}.crate").parse().unwrap();
        let share = "10%".parse().unwrap();
        let taken = |seed| -> Vec<u32> {
            let sampling = ProbeSampling { share, seed };
            (0..2_000).filter(|&n| sampling.takes(TargetKey::of_file(&url(n)), &url(n))).collect()
        };
        // Three standard deviations of a binomial with mean 200 are 40.
        assert!((160..240).contains(&taken(1).len()), "{}", taken(1).len());
        assert_eq!(taken(1), taken(1));
        assert_ne!(taken(1), taken(2));
        let corner: Url = "https://cdn.test/crates/a/a-1.0.0.crate".parse().unwrap();
        let least = ProbeSampling { share: Share::from_ppm(1).unwrap(), seed: 1 };
        assert!(least.takes(TargetKey::of_file(&corner), &corner));
    }
}

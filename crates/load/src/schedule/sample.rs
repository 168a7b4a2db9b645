//! A share of the trace: which requests are played at all.
//!
//! All requests of one target are kept, or none of them, so that what is popular
//! stays as popular and caches behave as they would; or all of one client, so
//! that what a client does stays whole. Whether one is kept depends on its bytes
//! and the seed alone: the same in every pass, on every machine, in any order.

use downpour_core::units::Share;
use downpour_trace::TraceRequest;
use downpour_trace::keyed_hash::sip_hash;

/// What is kept or left out as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleUnit {
    /// All requests of a target.
    Target,
    /// All requests of a client; of one that is not known, of their target.
    Client,
}

/// A seeded choice of targets or clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    share: Share,
    unit: SampleUnit,
    key: [u64; 2],
}

/// What a sample is drawn for; each gets draws of its own from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplePurpose {
    /// To leave the rest out.
    Trace = 1,
    /// To play them once more.
    Amplify = 2,
    /// To ask a control for the same.
    Control = 3,
    /// To ask it twice.
    Noise = 4,
    /// To ask for the form in JSON.
    Json = 5,
}

impl Sample {
    /// Keeps about this share of all targets, or of all clients.
    pub const fn of(share: Share, unit: SampleUnit, seed: u64) -> Self {
        Self::drawn(share, unit, seed, SamplePurpose::Trace)
    }

    /// A sample for `purpose`: samples for different purposes are independent.
    pub const fn drawn(share: Share, unit: SampleUnit, seed: u64, purpose: SamplePurpose) -> Self {
        Self { share, unit, key: [seed, purpose as u64] }
    }

    /// Whether a request is kept.
    pub fn keeps(&self, request: &TraceRequest) -> bool {
        match (self.unit, request.client) {
            (SampleUnit::Client, Some(client)) => self.includes(&client.to_bytes()),
            (SampleUnit::Client, None) | (SampleUnit::Target, _) => self.includes(&request.target),
        }
    }

    /// Whether what has this name is kept.
    pub fn includes(&self, name: &[u8]) -> bool {
        self.share.includes(sip_hash(self.key, name))
    }

    /// Whether a request lacks what the sample is drawn by.
    pub(crate) fn lacks_client(&self, request: &TraceRequest) -> bool {
        self.unit == SampleUnit::Client && request.client.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::agent::ClientKind;
    use downpour_trace::Method;
    use downpour_trace::client::ClientKeys;

    fn request(n: u32, client: Option<u32>) -> TraceRequest {
        TraceRequest {
            at: None,
            method: Method::Get,
            target: format!("/api/v1/crates/c/{n}/download").into(),
            status: None,
            client: client.and_then(|n| ClientKeys::seeded(0).of(n.to_string().as_bytes())),
            kind: ClientKind::NONE,
        }
    }

    fn kept(sample: Sample) -> Vec<u32> {
        (0..10_000).filter(|&n| sample.keeps(&request(n, None))).collect()
    }

    fn by_target(share: &str, seed: u64) -> Sample {
        Sample::of(share.parse().unwrap(), SampleUnit::Target, seed)
    }

    #[test]
    fn about_the_share_is_kept_and_the_seed_chooses_which() {
        let first = kept(by_target("25%", 1));
        assert!((2_300..2_700).contains(&first.len()), "{}", first.len());
        assert_eq!(first, kept(by_target("25%", 1)));
        let other = kept(by_target("25%", 2));
        let both = first.iter().filter(|n| other.contains(n)).count();
        assert!((500..750).contains(&both), "{both} of both samples: they hang together");
        assert_eq!(kept(by_target("100%", 1)).len(), 10_000);
    }

    #[test]
    fn a_larger_share_keeps_what_a_smaller_one_does() {
        let larger = kept(by_target("50%", 3));
        assert!(kept(by_target("10%", 3)).iter().all(|n| larger.contains(n)));
    }

    #[test]
    fn of_a_client_all_is_kept_or_nothing() {
        let sample = Sample::of("25%".parse().unwrap(), SampleUnit::Client, 1);
        let kept_of = |client: u32| (0..10).filter(|&n| sample.keeps(&request(n, Some(client)))).count();
        let whole = (0..1_000).filter(|&client| kept_of(client) == 10).count();
        let none = (0..1_000).filter(|&client| kept_of(client) == 0).count();
        assert_eq!(whole + none, 1_000);
        assert!((200..300).contains(&whole), "{whole}");
        // Without a client, the target decides, as if it had been asked to.
        assert_eq!(kept(sample), kept(by_target("25%", 1)));
        assert!(sample.lacks_client(&request(0, None)) && !sample.lacks_client(&request(0, Some(0))));
        assert!(!by_target("25%", 1).lacks_client(&request(0, None)));
    }
}

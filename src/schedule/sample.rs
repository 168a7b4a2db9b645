//! A share of the trace: which requests are played at all.
//!
//! All requests of one target are kept, or none of them, so that what is popular
//! stays as popular and caches behave as they would. Whether a target is kept
//! depends on its bytes and the seed alone: the same in every pass, on every
//! machine, in any order.

use crate::units::Share;

/// A seeded choice of targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    share: Share,
    key: [u64; 2],
}

/// What a sample is drawn for; each gets draws of its own from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To leave the rest out.
    Thin = 1,
    /// To play them once more.
    Amplify = 2,
}

impl Sample {
    /// Keeps about this share of all targets.
    pub const fn by_target(share: Share, seed: u64) -> Self {
        Self::drawn(share, seed, Purpose::Thin)
    }

    pub(crate) const fn drawn(share: Share, seed: u64, purpose: Purpose) -> Self {
        Self { share, key: [seed, purpose as u64] }
    }

    /// Whether requests of `target` are kept.
    pub fn keeps(&self, target: &[u8]) -> bool {
        self.share.takes(sip_hash(self.key, target))
    }
}

/// SipHash-2-4 (Aumasson and Bernstein, 2012). A keyed hash whose values cannot
/// be told from random ones, so that neither alike targets nor alike seeds give
/// alike samples. The standard library does not promise which hash it uses.
pub(crate) fn sip_hash([k0, k1]: [u64; 2], bytes: &[u8]) -> u64 {
    let mut v = [
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ];
    let mut take = |word: u64| {
        v[3] ^= word;
        (0..2).for_each(|_| sip_round(&mut v));
        v[0] ^= word;
    };
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        take(u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    // The length modulo 256 stands in the highest byte.
    last[7] = bytes.len().to_le_bytes()[0];
    take(u64::from_le_bytes(last));
    v[2] ^= 0xff;
    (0..4).for_each(|_| sip_round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..15).collect();
        for (length, hash) in
            [(0, 0x726f_db47_dd0e_0e31), (1, 0x74f8_39c5_93dc_67fd), (15, 0xa129_ca61_49be_45e5)]
        {
            assert_eq!(sip_hash(key, &input[..length]), hash, "{length} bytes");
        }
    }

    fn kept(sample: Sample) -> Vec<u32> {
        (0..10_000).filter(|n| sample.keeps(format!("/api/v1/crates/c/{n}/download").as_bytes())).collect()
    }

    #[test]
    fn about_the_share_is_kept_and_the_seed_chooses_which() {
        let quarter: Share = "25%".parse().unwrap();
        let first = kept(Sample::by_target(quarter, 1));
        assert!((2_300..2_700).contains(&first.len()), "{}", first.len());
        assert_eq!(first, kept(Sample::by_target(quarter, 1)));
        let other = kept(Sample::by_target(quarter, 2));
        let both = first.iter().filter(|n| other.contains(n)).count();
        assert!((500..750).contains(&both), "{both} of both samples: they hang together");
        assert_eq!(kept(Sample::by_target(Share::ALL, 1)).len(), 10_000);
    }

    #[test]
    fn a_larger_share_keeps_what_a_smaller_one_does() {
        let of = |share: &str| kept(Sample::by_target(share.parse().unwrap(), 3));
        let larger = of("50%");
        assert!(of("10%").iter().all(|n| larger.contains(n)));
    }
}

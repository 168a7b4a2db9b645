//! Keys of random number generators.

/// The key for the random numbers of one purpose. `purpose` keeps them apart
/// from others of the same seed.
pub fn random_key(seed: u64, purpose: [u8; 8]) -> [u8; 32] {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[24..].copy_from_slice(&purpose);
    key
}

//! One memory budget for the windows of all zstd inputs that are open.
//!
//! A zstd frame says how much of its past it refers to, and a decoder keeps
//! that much in memory: up to 128 MiB for a frame of a few bytes. A limit for
//! each input alone would be multiplied by the number of inputs, so all of a
//! trace share one. What an input was granted goes back when it is closed.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The largest window of one frame, as a power of two: zstd's own limit.
const MAX_LOG: u32 = 27;

/// The least that is granted, as a power of two: the window of `zstd -6`. A
/// frame that follows the first one may need more than the first.
const MIN_LOG: u32 = 22;

/// What the windows of all open inputs may take together, in bytes.
pub(crate) const BUDGET: u64 = 1 << 30;

/// The budget of one trace.
#[derive(Clone, Debug)]
pub(crate) struct ZstdWindowBudget {
    granted: Arc<Mutex<u64>>,
    /// The most that was granted at a time.
    peak: Arc<AtomicU64>,
    budget: u64,
}

impl Default for ZstdWindowBudget {
    fn default() -> Self {
        Self { granted: Arc::default(), peak: Arc::default(), budget: BUDGET }
    }
}

/// A share of the budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct ZstdWindowGrant {
    windows: ZstdWindowBudget,
    log: u32,
}

impl ZstdWindowGrant {
    /// The largest window of the input, as a power of two.
    pub(crate) fn log(&self) -> u32 {
        self.log
    }
}

impl Drop for ZstdWindowGrant {
    fn drop(&mut self) {
        let mut granted = self.windows.granted.lock().unwrap_or_else(PoisonError::into_inner);
        *granted -= 1 << self.log;
    }
}

/// Why an input gets no share: what the inputs that are open already have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "its zstd window needs {needed} MiB, but the open zstd inputs already use {granted} of the \
     {budget} MiB that all inputs share: compress it with a smaller window (without --long and \
     --ultra), or give fewer inputs at a time"
)]
pub(crate) struct ZstdWindowError {
    /// In MiB, as the others.
    needed: u64,
    granted: u64,
    budget: u64,
}

impl From<ZstdWindowError> for io::Error {
    fn from(error: ZstdWindowError) -> Self {
        Self::new(io::ErrorKind::QuotaExceeded, error)
    }
}

impl ZstdWindowBudget {
    /// A share for an input that begins with these bytes. While there is much
    /// left it is the most that a frame may need; later it is what the first
    /// frame needs, and at least [`MIN_LOG`].
    pub(crate) fn grant(&self, head: &[u8]) -> Result<ZstdWindowGrant, ZstdWindowError> {
        let needed = log_of(window_of(head)).clamp(MIN_LOG, MAX_LOG);
        let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        let log = if *granted + (1 << MAX_LOG) <= self.budget / 2 { MAX_LOG } else { needed };
        if *granted + (1 << log) > self.budget {
            let mib = |bytes: u64| bytes >> 20;
            return Err(ZstdWindowError {
                needed: mib(1 << needed),
                granted: mib(*granted),
                budget: mib(self.budget),
            });
        }
        *granted += 1 << log;
        self.peak.fetch_max(*granted, Ordering::Relaxed);
        Ok(ZstdWindowGrant { windows: self.clone(), log })
    }
}

/// The least power of two that is not below `bytes`.
fn log_of(bytes: u64) -> u32 {
    bytes.max(1).checked_next_power_of_two().map_or(u64::BITS, u64::trailing_zeros)
}

/// How many bytes of window the frame needs that begins here (RFC 8878
/// §3.1.1.1); 0 where that is not known.
fn window_of(head: &[u8]) -> u64 {
    let Some([0x28, 0xb5, 0x2f, 0xfd, descriptor, fields @ ..]) = head.get(..) else { return 0 };
    if descriptor & 0x20 == 0 {
        let Some(&window) = fields.first() else { return 0 };
        let base = 1_u64 << (10 + u32::from(window >> 3));
        return base + base / 8 * u64::from(window & 7);
    }
    // A single segment: its window is its content. The dictionary's id comes first.
    let skipped = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let (length, plus) = [(1, 0), (2, 256), (4, 0), (8, 0)][usize::from(descriptor >> 6)];
    let Some(size) = fields.get(skipped..skipped + length) else { return 0 };
    size.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte)).saturating_add(plus)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of a frame with this window descriptor.
    fn frame(window: u8) -> [u8; 6] {
        [0x28, 0xb5, 0x2f, 0xfd, 0, window]
    }

    #[test]
    fn a_frame_says_its_window() {
        assert_eq!(window_of(&frame(0)), 1 << 10);
        assert_eq!(window_of(&frame(17 << 3)), 1 << 27);
        assert_eq!(window_of(&frame(17 << 3 | 7)), (1 << 27) + 7 * (1 << 24));
        assert_eq!(window_of(&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 200]), 200);
        assert_eq!(window_of(&[0x28, 0xb5, 0x2f, 0xfd, 0x60, 1, 2]), 256 + 513);
        assert_eq!(window_of(&[0x28, 0xb5, 0x2f, 0xfd, 0xa1, 9, 0, 0, 0, 4]), 4 << 24);
        assert_eq!(window_of(&[0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 1]), 0);
        assert_eq!(window_of(b"\x50\x2a\x4d\x18\x00\x00"), 0);
        let packed = zstd::encode_all(&b"GET /x"[..], 3).unwrap();
        assert!((1..=1 << 22).contains(&window_of(&packed)));
    }

    #[test]
    fn all_inputs_share_one_budget() {
        let windows = ZstdWindowBudget::default();
        let grants: Vec<_> = (0..60).map_while(|_| windows.grant(&frame(17 << 3)).ok()).collect();
        assert_eq!(grants.len(), 8);
        assert_eq!(windows.peak.load(Ordering::Relaxed), BUDGET);
        let error = windows.grant(&frame(0)).unwrap_err().to_string();
        assert!(error.contains("needs 4 MiB") && error.contains("1024 of the 1024 MiB"), "{error}");
        drop(grants);
        assert_eq!(*windows.granted.lock().unwrap(), 0);
        // The first four may have any window, and then as many as need 4 MiB.
        let small: Vec<_> = (0..4 + 128)
            .map(|_| windows.grant(&frame(0)).map(|grant| (grant.log(), grant)))
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!((small[3].0, small[131].0), (MAX_LOG, MIN_LOG));
    }
}

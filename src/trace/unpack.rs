//! Compressed inputs, told by their first bytes, never by their name.
//!
//! Gzip files with several members and zstd files with several frames are the
//! normal case: logs are put together with `cat`. Packed once only; what is
//! inside is not looked at again.

use flate2::read::MultiGzDecoder;
use std::fmt;
use std::io::{self, Cursor, Read};

/// How much of an input's past a zstd frame may refer to: 2^27 bytes, zstd's
/// own limit. A frame that wants more is refused, since the window is memory.
const ZSTD_WINDOW_LOG: u32 = 27;

/// How an input is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// How `raw` is packed, and what is in it.
pub(crate) fn unpack(mut raw: Box<dyn Read + Send>) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic)?;
    let packing = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame, or a skippable one, as pzstd writes before each frame.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Packing::Zstd,
        _ => Packing::Plain,
    };
    let whole = Cursor::new(magic).chain(raw);
    Ok((
        packing,
        match packing {
            Packing::Plain => Box::new(whole),
            Packing::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::new(whole)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        },
    ))
}

//! Compressed inputs, told by their first bytes, never by their name.
//!
//! Gzip files with several members and zstd files with several frames are the
//! normal case: logs are put together with `cat`. Packed once only; what is
//! inside is not looked at again.

use super::windows::{Grant, Windows};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::io::{self, Cursor, Read};

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

/// How many bytes the header of a zstd frame may have behind its magic number.
const REST_OF_HEADER: u64 = 14;

/// A decoder with its share of the budget for windows.
struct Windowed<R> {
    decoder: R,
    _grant: Grant,
}

impl<R: Read> Read for Windowed<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(out)
    }
}

/// How `raw` is packed, and what is in it. The window of a zstd stream is
/// granted by `windows`.
pub(crate) fn unpack(
    mut raw: Box<dyn Read + Send>,
    windows: &Windows,
) -> io::Result<(Packing, Box<dyn Read + Send>)> {
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic)?;
    let packing = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        // A frame, or a skippable one, as pzstd writes before each frame.
        [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Packing::Zstd,
        _ => Packing::Plain,
    };
    let unpacked: Box<dyn Read + Send> = match packing {
        Packing::Plain => Box::new(Cursor::new(magic).chain(raw)),
        Packing::Gzip => Box::new(MultiGzDecoder::new(Cursor::new(magic).chain(raw))),
        Packing::Zstd => {
            raw.by_ref().take(REST_OF_HEADER).read_to_end(&mut magic)?;
            let grant = windows.grant(&magic)?;
            let mut decoder = zstd::Decoder::new(Cursor::new(magic).chain(raw))?;
            decoder.window_log_max(grant.log())?;
            Box::new(Windowed { decoder, _grant: grant })
        }
    };
    Ok((packing, unpacked))
}

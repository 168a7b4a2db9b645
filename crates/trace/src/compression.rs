//! Compressed inputs, told by their first bytes, never by their name.
//!
//! Gzip files with several members and zstd files with several frames are the
//! normal case: logs are put together with `cat`. Zeros behind the last one are
//! padding, and other bytes there are no part of the log: both leave the data
//! whole, as they do for gzip(1). Packed once only; what is inside is not looked
//! at again.

use super::zstd_windows::ZstdWindowBudget;
use flate2::bufread::GzDecoder;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How an input is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputCompression {
    /// Not at all.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl fmt::Display for InputCompression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// An input without its compression.
pub(crate) struct DecompressedInput {
    pub(crate) compression: InputCompression,
    pub(crate) bytes: Box<dyn Read + Send>,
    pub(crate) trailing: TrailingDataFlag,
}

/// Whether bytes were left unread behind the last compressed part. Known once
/// the end has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailingDataFlag(Arc<AtomicBool>);

impl TrailingDataFlag {
    /// Whether there were some.
    pub(crate) fn was_found(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many bytes begin a compressed part: the magic number of four, and what a
/// zstd frame's header may have behind it.
const PEEK_LEN: usize = 18;

/// How `raw` is packed, and what is in it. The window of a zstd stream is
/// granted by `windows`.
pub(crate) fn decompress(
    raw: Box<dyn Read + Send>,
    windows: &ZstdWindowBudget,
) -> io::Result<DecompressedInput> {
    let mut input =
        PeekReader { peeked: Vec::new(), consumed: 0, input: BufReader::with_capacity(BUFFER, raw) };
    let compression = detect_compression(input.first_bytes()?);
    let trailing = TrailingDataFlag::default();
    let bytes: Box<dyn Read + Send> = match compression {
        InputCompression::Plain => Box::new(input),
        InputCompression::Gzip => Box::new(CompressedParts {
            part: Some(GzDecoder::new(input)),
            after_part: None,
            open: Box::new(|input| Ok(GzDecoder::new(input))),
            close: GzDecoder::into_inner,
            compression,
            trailing: trailing.clone(),
        }),
        InputCompression::Zstd => {
            // Given back with the closure that holds it.
            let grant = windows.grant(input.peek()?)?;
            let open = move |input: PeekReader| -> io::Result<zstd::Decoder<'static, PeekReader>> {
                let mut decoder = zstd::Decoder::with_buffer(input)?.single_frame();
                decoder.window_log_max(grant.log())?;
                Ok(decoder)
            };
            Box::new(CompressedParts {
                part: Some(open(input)?),
                after_part: None,
                open: Box::new(open),
                close: zstd::Decoder::finish,
                compression,
                trailing: trailing.clone(),
            })
        }
    };
    Ok(DecompressedInput { compression, bytes, trailing })
}

fn detect_compression(magic: &[u8]) -> InputCompression {
    match magic {
        [0x1f, 0x8b, ..] => InputCompression::Gzip,
        // A frame, or a skippable one, as pzstd writes before each frame.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => InputCompression::Zstd,
        _ => InputCompression::Plain,
    }
}

/// How much of a compressed input is read at a time.
const BUFFER: usize = 128 * 1024;

/// An input whose next bytes can be looked at.
struct PeekReader {
    /// Bytes that were looked at, and how many of them were read since.
    peeked: Vec<u8>,
    consumed: usize,
    input: BufReader<Box<dyn Read + Send>>,
}

impl PeekReader {
    /// The next [`PEEK_LEN`] bytes; fewer at the end.
    fn peek(&mut self) -> io::Result<&[u8]> {
        self.peeked.drain(..self.consumed);
        self.consumed = 0;
        let missing = PEEK_LEN.saturating_sub(self.peeked.len());
        self.input.by_ref().take(missing as u64).read_to_end(&mut self.peeked)?;
        Ok(&self.peeked)
    }

    /// The first of all bytes. Waits for a stream that is quiet, since nothing
    /// can be done with it before; four bytes are enough if they begin no
    /// compressed part.
    fn first_bytes(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.peek() {
                Err(quiet) if quiet.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(&self.peeked),
            }
            if self.peeked.len() >= 4 && detect_compression(&self.peeked) == InputCompression::Plain {
                return Ok(&self.peeked);
            }
        }
    }

    /// Reads over zeros.
    fn skip_zeros(&mut self) -> io::Result<()> {
        loop {
            let bytes = self.fill_buf()?;
            let zeros = bytes.iter().take_while(|b| **b == 0).count();
            if zeros == 0 {
                return Ok(());
            }
            self.consume(zeros);
        }
    }
}

impl Read for PeekReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.consumed == self.peeked.len() {
            return self.input.read(out);
        }
        let bytes = &self.peeked[self.consumed..];
        let read = bytes.len().min(out.len());
        out[..read].copy_from_slice(&bytes[..read]);
        self.consumed += read;
        Ok(read)
    }
}

impl BufRead for PeekReader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.consumed == self.peeked.len() {
            self.input.fill_buf()
        } else {
            Ok(&self.peeked[self.consumed..])
        }
    }

    fn consume(&mut self, amount: usize) {
        if self.consumed == self.peeked.len() {
            self.input.consume(amount);
        } else {
            self.consumed += amount;
        }
    }
}

/// Compressed parts one behind the other: members of gzip, frames of zstd.
struct CompressedParts<D> {
    /// The one that is being read.
    part: Option<D>,
    /// What is behind the last part that was read, until it is known. A stream
    /// may be quiet here, and is asked again.
    after_part: Option<PeekReader>,
    open: Box<dyn Fn(PeekReader) -> io::Result<D> + Send>,
    /// Gives back what follows a part.
    close: fn(D) -> PeekReader,
    compression: InputCompression,
    trailing: TrailingDataFlag,
}

impl<D: Read> Read for CompressedParts<D> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(part) = &mut self.part {
                let read = part.read(out)?;
                if read > 0 || out.is_empty() {
                    return Ok(read);
                }
                self.after_part = self.part.take().map(self.close);
            }
            if !self.open_next()? {
                return Ok(0);
            }
        }
    }
}

impl<D> CompressedParts<D> {
    /// Opens the part that follows; `false` where none does.
    fn open_next(&mut self) -> io::Result<bool> {
        let Some(input) = &mut self.after_part else { return Ok(false) };
        input.skip_zeros()?;
        let magic = input.peek()?;
        let (is_over, is_another) = (magic.is_empty(), detect_compression(magic) != self.compression);
        let Some(input) = self.after_part.take() else { return Ok(false) };
        if is_over || is_another {
            self.trailing.0.store(!is_over, Ordering::Relaxed);
            return Ok(false);
        }
        self.part = Some((self.open)(input)?);
        Ok(true)
    }
}

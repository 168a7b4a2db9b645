//! How the bytes of a captured part are written again.

/// How a captured part is written into a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Percent-decoded, then everything outside RFC 3986 §2.3 `unreserved` is
    /// encoded, so `+` becomes `%2B`. The default.
    #[default]
    Strict,
    /// Percent-decoded, then everything outside RFC 3986 §3.3 `pchar` is
    /// encoded, so `+` stays.
    Pchar,
    /// The bytes as they stood in the request.
    Raw,
    /// As strict, after PEP 503's normalisation of a project's name: lower
    /// case, and `-` for each run of `-`, `_` and `.`.
    Pep503,
}

/// Appends a part as `encoding` says. A raw slash lies between the segments of
/// a part that spans several, and stays; `%2F` belongs to one of them.
pub(super) fn encode_part(raw: &[u8], encoding: Encoding, out: &mut Vec<u8>) {
    match encoding {
        Encoding::Raw => out.extend_from_slice(raw),
        Encoding::Strict | Encoding::Pchar => for_each_run(raw, |run| match run {
            EncodedRun::Plain(bytes) => out.extend_from_slice(bytes),
            EncodedRun::Byte(byte) => push_encoded(byte, encoding, out),
        }),
        Encoding::Pep503 => {
            let mut in_run = false;
            let mut push = |byte: u8, is_plain: bool| {
                let separates = b"-_.".contains(&byte);
                match (separates, is_plain) {
                    (true, _) if in_run => {}
                    (true, _) => out.push(b'-'),
                    (false, true) => out.push(byte.to_ascii_lowercase()),
                    (false, false) => push_encoded(byte.to_ascii_lowercase(), encoding, out),
                }
                in_run = separates;
            };
            for_each_run(raw, |run| match run {
                EncodedRun::Plain(bytes) => bytes.iter().for_each(|&byte| push(byte, true)),
                EncodedRun::Byte(byte) => push(byte, false),
            });
        }
    }
}

/// A part without its percent-encoding.
pub fn decoded_part(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for_each_run(raw, |run| match run {
        EncodedRun::Plain(bytes) => out.extend_from_slice(bytes),
        EncodedRun::Byte(byte) => out.push(byte),
    });
    out
}

/// A piece of a part as it came.
enum EncodedRun<'t> {
    /// Bytes that need no encoding, in which a slash lies between segments.
    Plain(&'t [u8]),
    /// A byte that may need one, decoded if it had one.
    Byte(u8),
}

/// Takes `raw` apart. Nearly all of it is one plain run.
fn for_each_run<'t>(raw: &'t [u8], mut take: impl FnMut(EncodedRun<'t>)) {
    let mut rest = raw;
    while !rest.is_empty() {
        let plain = rest.iter().position(|&b| !PLAIN[usize::from(b)]).unwrap_or(rest.len());
        let (run, tail) = rest.split_at(plain);
        take(EncodedRun::Plain(run));
        let (byte, tail) = match *tail {
            [] => return,
            [b'%', high, low, ref after @ ..] => match hex_pair(high, low) {
                Some(byte) => (byte, after),
                None => (b'%', &tail[1..]),
            },
            [byte, ref after @ ..] => (byte, after),
        };
        take(EncodedRun::Byte(byte));
        rest = tail;
    }
}

/// RFC 3986 §2.3 `unreserved`, and the slash.
const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = is_unreserved(byte) || byte == b'/';
        byte += 1;
    }
    table
};

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push_encoded(byte: u8, encoding: Encoding, out: &mut Vec<u8>) {
    let stays = is_unreserved(byte) || (encoding == Encoding::Pchar && b"!$&'()*+,;=:@".contains(&byte));
    if stays {
        out.push(byte);
    } else {
        push_percent(byte, out);
    }
}

/// Appends `byte` as `%HH` in upper case.
pub fn push_percent(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

/// The byte that two hexadecimal digits stand for.
pub fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

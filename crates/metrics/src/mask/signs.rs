//! A URL as the signs that somebody may read in it: percent-encoding undone
//! until nothing is encoded, and the wide and small forms of ASCII folded.
//!
//! Each sign knows the bytes it was written with, so what is found in the signs
//! can be hidden in the URL.

/// One sign of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sign {
    /// What it means.
    pub(super) byte: u8,
    /// Whether it was written as this one byte.
    pub(super) is_written: bool,
    /// Where the bytes begin that it was written with.
    pub(super) start: usize,
    /// Where they end.
    pub(super) end: usize,
}

impl Sign {
    /// Whether it is one of `bytes`, and not encoded.
    pub(super) fn is_written(&self, bytes: &[u8]) -> bool {
        self.is_written && bytes.contains(&self.byte)
    }
}

/// Whether nothing in `raw` could separate a secret from the rest. The lead
/// bytes are those of the wide and small forms.
pub(super) fn is_plain(raw: &[u8]) -> bool {
    !raw.iter().any(|byte| b"?#@%&;\xef".contains(byte))
}

/// The signs of `raw`, in one pass: what was decoded may be a part of what is
/// decoded next.
pub(super) fn signs(raw: &[u8]) -> Vec<Sign> {
    let mut signs: Vec<Sign> = Vec::with_capacity(raw.len());
    for (start, &byte) in raw.iter().enumerate() {
        signs.push(Sign { byte, is_written: true, start, end: start + 1 });
        while let Some([a, b, c]) = signs.last_chunk()
            && let Some(byte) = decoded([a.byte, b.byte, c.byte])
        {
            let sign = Sign { byte, is_written: false, start: a.start, end: c.end };
            signs.truncate(signs.len() - 3);
            signs.push(sign);
        }
    }
    signs
}

/// What three bytes encode: `%` and two digits, or one of Unicode's wide
/// (U+FF01 to U+FF5E) or small forms of ASCII.
fn decoded(bytes: [u8; 3]) -> Option<u8> {
    match bytes {
        [b'%', high, low] => Some(hex_digit(high)? << 4 | hex_digit(low)?),
        [0xef, 0xbc, low @ 0x81..=0xbf] => Some(low - 0x60),
        [0xef, 0xbd, low @ 0x80..=0x9e] => Some(low - 0x20),
        [0xef, 0xb9, 0x94] => Some(b';'),
        [0xef, 0xb9, 0x95] => Some(b':'),
        [0xef, 0xb9, 0x96] => Some(b'?'),
        [0xef, 0xb9, 0x9f] => Some(b'#'),
        [0xef, 0xb9, 0xa0] => Some(b'&'),
        [0xef, 0xb9, 0xa6] => Some(b'='),
        [0xef, 0xb9, 0xaa] => Some(b'%'),
        [0xef, 0xb9, 0xab] => Some(b'@'),
        _ => None,
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_those_that_are_meant_and_know_where_they_stand() {
        let found = signs(b"a%253F\xef\xbc\x9f%zz");
        let bytes: Vec<u8> = found.iter().map(|sign| sign.byte).collect();
        assert_eq!(bytes, b"a??%zz");
        assert_eq!((found[1].start, found[1].end, found[1].is_written), (1, 6, false));
        assert_eq!((found[2].start, found[2].end), (6, 9));
        for wide in '\u{ff01}'..='\u{ff5e}' {
            let plain = u32::from(wide) - 0xff01 + u32::from('!');
            let found = signs(wide.to_string().as_bytes());
            assert_eq!(found.iter().map(|sign| u32::from(sign.byte)).collect::<Vec<_>>(), [plain]);
        }
    }
}

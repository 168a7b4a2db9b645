//! What containers and syslog put in front of a line, taken off again.
//!
//! A log that went through a container's output or a syslog daemon has a header
//! in front of each line: a time, a machine, a program. None of it is about the
//! request, so it is recognised by its shape and cut off; its time is when the
//! line was written and is not used. What has no known shape stays.

use memchr::{memchr, memchr_iter};

/// The most headers that lie around one line: syslog inside of a container's
/// output, with the container's own stamps.
const MAX_LAYERS: usize = 4;

/// What stands behind a syslog header that begins with a priority, `<134>`, with
/// or without a count of octets before it (RFC 6587 §3.4.1). `None` where there
/// is no priority.
#[inline]
pub(crate) fn after_priority(line: &[u8]) -> Option<&[u8]> {
    let rest = match line.first()? {
        b'<' => line,
        b'0'..=b'9' => after_count(line)?,
        _ => return None,
    };
    let rest = rest.strip_prefix(b"<")?;
    let rest = memchr(b'>', rest).and_then(|close| rest.get(close + 1..)).unwrap_or(rest);
    if let Some(header) = rest.strip_prefix(b"1 ") {
        return Some(after_rfc_5424(header));
    }
    let behind_time = after_stamp(rest).unwrap_or(rest);
    Some(after_tag(behind_time).unwrap_or(behind_time))
}

/// The words before the stamp of a line in Common Log Format, without what a
/// container or a syslog daemon put in front of them.
pub(crate) fn without_framing(mut head: &[u8]) -> &[u8] {
    for _ in 0..MAX_LAYERS {
        let Some(rest) = after_header(head) else { break };
        head = rest;
    }
    head
}

/// What stands behind one header.
fn after_header(head: &[u8]) -> Option<&[u8]> {
    if head.starts_with(b"[pod/") {
        // `kubectl logs --prefix`
        return memchr(b']', head).and_then(|close| head.get(close + 1..)?.strip_prefix(b" "));
    }
    if let Some(rest) = after_stamp(head) {
        return Some(after_stream(rest).or_else(|| after_tag(rest)).unwrap_or(rest));
    }
    // `docker compose logs`: the service, padded, then a bar.
    let (service, rest) = head.split_at(memchr(b'|', head)?);
    let service = service.trim_ascii_end();
    let is_word = !service.is_empty() && service.iter().all(u8::is_ascii_graphic);
    is_word.then(|| rest.get(1..)?.strip_prefix(b" ")).flatten()
}

/// `276 <134>…`: what stands behind the count.
fn after_count(line: &[u8]) -> Option<&[u8]> {
    let digits = line.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
    let rest = line.get(digits..).filter(|_| digits > 0)?.strip_prefix(b" ")?;
    rest.starts_with(b"<").then_some(rest)
}

/// `TIME HOST PROGRAM PROCESS MESSAGE-ID DATA MESSAGE` of RFC 5424 §6.
fn after_rfc_5424(header: &[u8]) -> &[u8] {
    let mut rest = header;
    for _ in 0..5 {
        rest = after_word(rest).unwrap_or_default();
    }
    while rest.starts_with(b"[") {
        rest = after_element(rest).unwrap_or_default();
    }
    let message = after_word(rest).unwrap_or_default();
    message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message)
}

fn after_word(text: &[u8]) -> Option<&[u8]> {
    memchr(b' ', text).and_then(|space| text.get(space + 1..))
}

/// What follows `[id name="value"]`; a value holds `\"`, `\\` and `\]`.
fn after_element(data: &[u8]) -> Option<&[u8]> {
    let mut is_escaped = false;
    let close = data.iter().position(|&byte| {
        let ends = byte == b']' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    data.get(close + 1..)
}

/// What follows the time of a header and the blank behind it: `2026-03-05T14:…`
/// of RFC 3339 or `Mar  5 14:03:07` of RFC 3164.
fn after_stamp(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..] => after_word(text),
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', _, b'0'..=b'9', b' ', clock @ ..] => {
            let [_, _, b':', _, _, b':', _, _, b' ', rest @ ..] = clock else { return None };
            Some(rest)
        }
        _ => None,
    }
}

/// What follows `stdout F ` of the container runtime interface; `P` marks the
/// part of a line that was too long for it.
fn after_stream(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(b"stdout ").or_else(|| text.strip_prefix(b"stderr "))?;
    rest.strip_prefix(b"F ").or_else(|| rest.strip_prefix(b"P "))
}

/// What follows `host program[pid]: `, of which host and process may be missing.
fn after_tag(text: &[u8]) -> Option<&[u8]> {
    for colon in memchr_iter(b':', text) {
        let (tag, rest) = text.split_at(colon);
        if memchr_iter(b' ', tag).count() > 1 {
            return None;
        }
        let rest = rest.get(1..).unwrap_or_default();
        if let Some(rest) = rest.strip_prefix(b" ") {
            return Some(rest);
        }
        // Some leave the blank out behind the number of the process.
        let process = tag.strip_suffix(b"]").and_then(|tag| Some((tag, memchr(b'[', tag)?)));
        if process.is_some_and(|(tag, open)| open > 0 && tag[open + 1..].iter().all(u8::is_ascii_digit)) {
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_a_priority_is_cut_off() {
        for line in [
            "<134>2026-03-05T14:03:07Z node name[1]: payload [1]: x",
            "<13>2026-03-05T14:03:07Z node name[1]:payload [1]: x",
            "<134>1 2026-03-05T14:03:07Z node name 1 - - payload [1]: x",
            "<134>1 2026-03-05T14:03:07Z node name 1 - [a b=\"\\]\"][c d=\"\"] \u{feff}payload [1]: x",
            "<190>Mar  5 14:03:07 web1 nginx: payload [1]: x",
            "<190>Mar 15 14:03:07 nginx: payload [1]: x",
            "52 <190>Mar 15 14:03:07 nginx[7]: payload [1]: x",
        ] {
            assert_eq!(after_priority(line.as_bytes()), Some(&b"payload [1]: x"[..]), "{line}");
        }
        assert_eq!(after_priority(b"<134>1 short"), Some(&b""[..]));
        assert_eq!(after_priority(b"<"), Some(&b""[..]));
        assert_eq!(after_priority(b"<134>[::1]:443 192.0.2.1"), Some(&b"[::1]:443 192.0.2.1"[..]));
        assert_eq!(after_priority(b"192.0.2.1 - -"), None);
    }

    #[test]
    fn what_containers_put_before_a_line_is_cut_off() {
        for head in [
            "192.0.2.1 - -",
            "nginx-1  | 192.0.2.1 - -",
            "nginx-1 | 2026-03-05T14:03:07.000000001Z 192.0.2.1 - -",
            "2026-03-05T14:03:07.000000001Z stdout F 192.0.2.1 - -",
            "2026-03-05T14:03:07.1+01:00 stderr P 192.0.2.1 - -",
            "[pod/web-0/nginx] 192.0.2.1 - -",
            "Mar  5 14:03:07 web1 nginx[12]: 192.0.2.1 - -",
            "2026-03-05T14:03:07.000001+00:00 web1 nginx: 192.0.2.1 - -",
            "2026-03-05T14:03:07Z stdout F nginx-1  | 192.0.2.1 - -",
        ] {
            assert_eq!(without_framing(head.as_bytes()), b"192.0.2.1 - -", "{head}");
        }
        for head in ["example.org 192.0.2.1 - -", "a b | 192.0.2.1 - -", "x: y - -", "2001:db8::1 - -"] {
            assert_eq!(without_framing(head.as_bytes()), head.as_bytes());
        }
    }
}

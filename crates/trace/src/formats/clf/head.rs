//! Who asked, and which host: the words before the stamp.
//!
//! `addr ident user` is the documented head of the Common Log Format; in real
//! logs a virtual host, a list of forwarding proxies, or a container's header
//! stands before it. A word is a client because it is an address, not because
//! it is the first one. Only where the head holds no address, its first word may
//! be a name, as Apache's `HostnameLookups` writes it.

use crate::formats::framing::without_framing;
use memchr::{memchr, memchr_iter, memrchr};
use std::net::Ipv6Addr;

/// How many words are looked at.
const MAX_WORDS: usize = 12;

/// What the head of a line says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClfLineHead<'l> {
    /// The virtual host, without its port.
    pub(super) host: Option<&'l [u8]>,
    /// The client's address or name; empty where there is none.
    pub(super) client: &'l [u8],
}

impl<'l> ClfLineHead<'l> {
    /// Reads the words before the stamp.
    pub(super) fn read(head: &'l [u8]) -> Self {
        let first = memchr(b' ', head).map_or(head, |space| &head[..space]);
        if is_address(first) {
            return Self { host: None, client: first };
        }
        Self::of_words(without_framing(head))
    }

    fn of_words(head: &'l [u8]) -> Self {
        let mut words = [&b""[..]; MAX_WORDS];
        let mut count = 0;
        for word in head.split(|&b| b == b' ').filter(|word| !word.is_empty()) {
            let Some(place) = words.get_mut(count) else { break };
            *place = word;
            count += 1;
        }
        let words = &words[..count];
        let Some(&first) = words.first() else { return Self::default() };
        // An identity and a user follow an address. `[::1]:443` before another
        // address is a virtual host.
        let second = words.get(1).filter(|_| count >= 4).and_then(|word| address_in(word));
        if let Some(client) = second
            && let Some(host) = virtual_host(first)
        {
            return Self { host: Some(host), client };
        }
        if let Some((host, client)) = host_and_address(first) {
            return Self { host: Some(host), client };
        }
        let mut addresses = words.iter().enumerate().filter(|(place, _)| *place == 0 || place + 2 < count);
        if let Some(client) = addresses.find_map(|(_, word)| address_in(word)) {
            return Self { host: None, client };
        }
        let is_documented = count == 3 || words.get(1) == Some(&&b"-"[..]) || first.contains(&b'.');
        let client = if is_documented && is_name(first) { first } else { b"" };
        Self { host: None, client }
    }
}

/// Whether a word is an address and nothing else.
pub(super) fn is_address(word: &[u8]) -> bool {
    let (mut dots, mut digits) = (0, 0);
    for &byte in word {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' if (1..=3).contains(&digits) => (dots, digits) = (dots + 1, 0),
            b':' | b'a'..=b'f' | b'A'..=b'F' => return is_ipv6(word),
            _ => return false,
        }
    }
    dots == 3 && (1..=3).contains(&digits)
}

fn is_ipv6(word: &[u8]) -> bool {
    let word = memchr(b'%', word).map_or(word, |zone| &word[..zone]);
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<Ipv6Addr>().is_ok())
}

/// The address in a word of a list (`192.0.2.1,`), in quotes, or with a port.
fn address_in(word: &[u8]) -> Option<&[u8]> {
    let word = word.strip_prefix(b"\"").unwrap_or(word);
    let word = word.strip_suffix(b",").unwrap_or(word);
    let word = word.strip_suffix(b"\"").unwrap_or(word);
    // Lists are also written without blanks.
    let word = memchr(b',', word).map_or(word, |comma| &word[..comma]);
    if is_address(word) {
        return Some(word);
    }
    let word = without_port(word).unwrap_or(word);
    let inner = word.strip_prefix(b"[").and_then(|word| word.strip_suffix(b"]")).unwrap_or(word);
    is_address(inner).then_some(inner)
}

/// The virtual host that a word names, with or without a port.
fn virtual_host(word: &[u8]) -> Option<&[u8]> {
    let with_port = without_port(word);
    let host = with_port.unwrap_or(word);
    if let Some(inner) = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")) {
        return is_ipv6(inner).then_some(host);
    }
    (is_host_name(host) || (with_port.is_some() && is_address(host))).then_some(host)
}

/// `host:port:addr` or `host:addr`.
fn host_and_address(word: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = if word.starts_with(b"[") { memchr(b']', word)? + 1 } else { memchr(b':', word)? };
    let (host, rest) = word.split_at(end);
    let rest = rest.strip_prefix(b":")?;
    let host = virtual_host(host)?;
    let port = memchr(b':', rest).filter(|&end| is_port(&rest[..end]));
    let behind_port = port.and_then(|end| address_in(&rest[end + 1..]));
    Some((host, behind_port.or_else(|| address_in(rest))?))
}

fn without_port(word: &[u8]) -> Option<&[u8]> {
    let (host, port) = word.split_at(memrchr(b':', word)?);
    // An address of version 6 has a port only behind brackets.
    let is_bare = memchr_iter(b':', host).next().is_none() || host.ends_with(b"]");
    (is_bare && is_port(&port[1..])).then_some(host)
}

fn is_port(text: &[u8]) -> bool {
    crate::dates::integer(text).is_some_and(|port| port <= 65_535)
}

/// Labels of a host's name, one of which has a letter in it.
pub(super) fn is_host_name(host: &[u8]) -> bool {
    is_name(host) && host.iter().any(u8::is_ascii_alphabetic)
}

fn is_name(word: &[u8]) -> bool {
    word.first().is_some_and(u8::is_ascii_alphanumeric)
        && word.len() <= 255
        && word.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, host: Option<&str>, client: &str) {
        let expected = ClfLineHead { host: host.map(str::as_bytes), client: client.as_bytes() };
        let found = ClfLineHead::read(head.as_bytes());
        assert_eq!(found, expected, "{head}: {}", found.client.escape_ascii());
    }

    #[test]
    fn an_address_is_the_client() {
        check("192.0.2.1 - -", None, "192.0.2.1");
        check("192.0.2.1 - j doe", None, "192.0.2.1");
        check("2001:db8::1 - -", None, "2001:db8::1");
        check("fe80::1%eth0 - -", None, "fe80::1%eth0");
        check("192.0.2.1 crates.example -", None, "192.0.2.1");
        check("192.0.2.1:51502 - -", None, "192.0.2.1");
        check("[2001:db8::1]:51502 - -", None, "2001:db8::1");
        check("192.0.2.1 10.0.0.1 - -", None, "192.0.2.1");
    }

    #[test]
    fn a_virtual_host_stands_before_the_address() {
        check("crates.io:443 192.0.2.1 - -", Some("crates.io"), "192.0.2.1");
        check("crates.io 192.0.2.1 - -", Some("crates.io"), "192.0.2.1");
        check("crates.io 2001:db8::1 - j doe", Some("crates.io"), "2001:db8::1");
        check("[2001:db8::9]:443 192.0.2.1 - -", Some("[2001:db8::9]"), "192.0.2.1");
        check("[2001:db8::9] 192.0.2.1 - -", Some("[2001:db8::9]"), "192.0.2.1");
        check("10.0.0.1:443 192.0.2.1 - -", Some("10.0.0.1"), "192.0.2.1");
        check("crates.io:443:192.0.2.1 - -", Some("crates.io"), "192.0.2.1");
        check("crates.io:443:2001:db8::1 - -", Some("crates.io"), "2001:db8::1");
        check("crates.io:192.0.2.1 - -", Some("crates.io"), "192.0.2.1");
        check("[2001:db8::9]:443:192.0.2.1 - -", Some("[2001:db8::9]"), "192.0.2.1");
        check("_ 192.0.2.1 - -", None, "192.0.2.1");
        check("- 192.0.2.1 - -", None, "192.0.2.1");
        check("h:1 - -", None, "");
    }

    #[test]
    fn of_a_list_of_proxies_the_first_is_the_client() {
        check("192.0.2.1, 198.51.100.7, 10.0.0.1 - -", None, "192.0.2.1");
        check("192.0.2.1,198.51.100.7 - -", None, "192.0.2.1");
        check("\"192.0.2.1, 198.51.100.7\" 10.0.0.1 - -", None, "192.0.2.1");
        check("\"192.0.2.1\" 10.0.0.1 - -", None, "192.0.2.1");
        check("\"-\" 10.0.0.1 - -", None, "10.0.0.1");
        check("unknown, 192.0.2.1 - -", None, "192.0.2.1");
    }

    #[test]
    fn a_header_before_the_line_is_no_client() {
        check("nginx-1  | 192.0.2.1 - -", None, "192.0.2.1");
        check("nginx-1  | crates.io:443 192.0.2.1 - -", Some("crates.io"), "192.0.2.1");
        check("2026-03-05T14:03:07.1Z stdout F 192.0.2.1 - -", None, "192.0.2.1");
        check("Mar  5 14:03:07 web1 nginx: 192.0.2.1 - -", None, "192.0.2.1");
        check("web-7d9f nginx 192.0.2.1 - -", None, "192.0.2.1");
        check("2026/03/05 14:03:07 192.0.2.1 - -", None, "192.0.2.1");
        check("[worker 3] - - -", None, "");
    }

    #[test]
    fn without_an_address_a_name_may_be_the_client() {
        check("host.example.org - -", None, "host.example.org");
        check("host.example.org - j doe", None, "host.example.org");
        check("host.example.org ident \"us er\"", None, "host.example.org");
        check("host.example.org - 10.0.0.1", None, "host.example.org");
        check("101.81.133.jja - -", None, "101.81.133.jja");
        check("- - -", None, "");
        check("unix: - -", None, "");
        check("(null) (null) (null)", None, "");
        check("", None, "");
    }
}

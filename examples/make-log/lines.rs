//! The formats: one request to one line.
//!
//! Each writes what the real recorder would: which end of the exchange it
//! stamps, how finely, in what order, and how it escapes.

use super::HostKind;
use super::traffic::{Download, Protocol};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::Write as _;

const CLOUDFRONT_HEADER: &str = "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) \
    cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id \
    x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type \
    cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type \
    sc-content-type sc-content-len sc-range-start sc-range-end\n";

/// The formats that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Amazon `CloudFront` standard log, version 1.
    CloudfrontV1,
    /// crates.io's JSON in Fastly's framing.
    Fastly,
    /// Combined log, as nginx writes it.
    Combined,
    /// The format of downpour: one JSON object per line.
    Trace,
    /// One URL per line.
    UrlList,
}

impl Format {
    /// When the line is written, in nanoseconds since 1970: CDNs collect lines
    /// from many machines and mix them up a little, servers write at the end of
    /// an exchange, and what is prepared is in order of arrival.
    pub(crate) fn logged_at(self, download: &Download) -> i128 {
        match self {
            Self::CloudfrontV1 | Self::Fastly => end(download) + i128::from(download.log_delay),
            Self::Combined => end(download),
            Self::Trace | Self::UrlList => download.start,
        }
    }
}

fn end(download: &Download) -> i128 {
    download.start + i128::from(download.duration)
}

/// Writes lines of one format for one host.
pub(crate) struct LineWriter {
    format: Format,
    host_kind: HostKind,
    path: String,
    stamp: String,
}

/// What the host answered.
struct Answer {
    host: &'static str,
    status: u16,
    content_type: &'static str,
    length: u32,
    result: &'static str,
}

impl LineWriter {
    pub(crate) const fn new(format: Format, host_kind: HostKind) -> Self {
        Self { format, host_kind, path: String::new(), stamp: String::new() }
    }

    /// What stands before the first line.
    pub(crate) fn header(&self, out: &mut Vec<u8>) {
        if self.format == Format::CloudfrontV1 {
            out.extend_from_slice(CLOUDFRONT_HEADER.as_bytes());
        }
    }

    /// Appends the line of one request.
    pub(crate) fn line(&mut self, download: &Download, out: &mut Vec<u8>) {
        self.write_path(download);
        let answer = self.answer(download);
        let written = match self.format {
            Format::CloudfrontV1 => self.cloudfront(download, &answer, out),
            Format::Fastly => self.fastly(download, &answer, out),
            Format::Combined => self.combined(download, &answer, out),
            Format::Trace => self.trace(download, &answer, out),
            Format::UrlList => writeln!(out, "https://{}{}", answer.host, self.path),
        };
        written.expect("writing to memory does not fail");
    }

    fn write_path(&mut self, download: &Download) {
        let Download { name, version, escapes_plus, .. } = download;
        let plus = if *escapes_plus { "%2B" } else { "+" };
        let version = version.replace('+', plus);
        self.path.clear();
        let parts: &[&str] = match self.host_kind {
            HostKind::Api => &["/api/v1/crates/", name, "/", &version, "/download"],
            HostKind::Cdn => &["/crates/", name, "/", name, "-", &version, ".crate"],
        };
        self.path.extend(parts.iter().copied());
    }

    const fn answer(&self, download: &Download) -> Answer {
        match self.host_kind {
            HostKind::Api => {
                Answer { host: "crates.io", status: 302, content_type: "-", length: 0, result: "Miss" }
            }
            HostKind::Cdn => Answer {
                host: "static.crates.io",
                status: 200,
                content_type: "application/gzip",
                length: download.size,
                result: "Hit",
            },
        }
    }

    fn set_stamp(&mut self, at: i128, form: &str) {
        let at = Timestamp::from_nanosecond(at).unwrap_or_default().to_zoned(TimeZone::UTC);
        self.stamp.clear();
        self.stamp.push_str(&at.strftime(form).to_string());
    }

    fn cloudfront(&mut self, download: &Download, answer: &Answer, out: &mut Vec<u8>) -> std::io::Result<()> {
        let client = &download.client;
        self.set_stamp(end(download), "%Y-%m-%d\t%H:%M:%S");
        write!(out, "{}\t{}\t{}\t{}\tGET\t", self.stamp, client.edge, answer.length + 480, client.ip)?;
        out.extend_from_slice(b"d111111abcdef8.cloudfront.net\t");
        push_escaped(&self.path, out);
        write!(out, "\t{}\t-\t", answer.status)?;
        push_escaped(client.agent, out);
        write!(out, "\t-\t-\t{}\t", answer.result)?;
        push_id(&download.id, out);
        let millis = download.duration.div_ceil(1_000_000);
        let first_byte = millis.div_ceil(2);
        writeln!(
            out,
            "\t{}\thttps\t{}\t{}.{:03}\t-\tTLSv1.3\tTLS_AES_128_GCM_SHA256\t{}\t{}\t-\t-\t{}\t{}.{:03}\t{}\t{}\t{}\t-\t-",
            answer.host,
            self.path.len() + 60,
            millis / 1_000,
            millis % 1_000,
            answer.result,
            protocol(client.protocol, "HTTP/2.0"),
            client.port,
            first_byte / 1_000,
            first_byte % 1_000,
            answer.result,
            answer.content_type,
            answer.length,
        )
    }

    fn fastly(&mut self, download: &Download, answer: &Answer, out: &mut Vec<u8>) -> std::io::Result<()> {
        let client = &download.client;
        self.set_stamp(end(download), "%Y-%m-%dT%H:%M:%SZ");
        let edge = client.edge.split_at(3).0;
        write!(
            out,
            "<134>{} cache-{}-k{}0042 s3-request-logs[257678]: ",
            self.stamp,
            edge.to_lowercase(),
            edge.to_lowercase()
        )?;
        self.set_stamp(download.start, "%Y-%m-%dT%H:%M:%S%.fZ");
        let content_type = if answer.content_type == "-" {
            "null".to_owned()
        } else {
            format!("\"{}\"", answer.content_type)
        };
        writeln!(
            out,
            "{{\"bytes\":{},\"content_type\":{content_type},\"date_time\":\"{}\",\"ddsource\":\"fastly\",\
             \"ddtags\":\"app:crates.io,env:prod\",\"edge_location\":\"{edge}\",\"host\":\"{host}\",\
             \"http\":{{\"protocol\":\"{}\",\"referer\":null,\"useragent\":\"{}\"}},\"ip\":\"{}\",\"method\":\"GET\",\
             \"service\":\"{host}\",\"status\":{},\"tls\":{{\"cipher\":\"TLS_AES_128_GCM_SHA256\",\
             \"protocol\":\"TLSv1.3\"}},\"url\":\"https://{host}{}\",\"version\":\"1\"}}",
            answer.length + 480,
            self.stamp,
            protocol(client.protocol, "HTTP/2"),
            client.agent,
            client.ip,
            answer.status,
            self.path,
            host = answer.host,
        )
    }

    fn combined(&mut self, download: &Download, answer: &Answer, out: &mut Vec<u8>) -> std::io::Result<()> {
        let client = &download.client;
        self.set_stamp(end(download), "%d/%b/%Y:%H:%M:%S +0000");
        writeln!(
            out,
            "{} - - [{}] \"GET {} {}\" {} {} \"-\" \"{}\"",
            client.ip,
            self.stamp,
            self.path,
            protocol(client.protocol, "HTTP/2.0"),
            answer.status,
            answer.length,
            client.agent,
        )
    }

    fn trace(&self, download: &Download, answer: &Answer, out: &mut Vec<u8>) -> std::io::Result<()> {
        writeln!(
            out,
            "{{\"at_ns\":{},\"method\":\"GET\",\"target\":\"{}\",\"authority\":\"{}\",\"status\":{},\"duration_ns\":{}}}",
            download.start, self.path, answer.host, answer.status, download.duration,
        )
    }
}

const fn protocol(protocol: Protocol, second: &'static str) -> &'static str {
    match protocol {
        Protocol::Http11 => "HTTP/1.1",
        Protocol::Http2 => second,
    }
}

/// Escapes as `CloudFront` does: what is not visible ASCII, and some of what is,
/// the percent sign of the request's own escapes among them.
fn push_escaped(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !br##"<>"#%{}|\^~[]'`"##.contains(&byte) {
            out.push(byte);
        } else {
            downpour_core::route::push_percent(byte, out);
        }
    }
}

/// Fifty-four letters of the URL-safe base64 alphabet, and its padding.
fn push_id(bits: &[u64; 5], out: &mut Vec<u8>) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letters =
        bits.iter().flat_map(|word| (0..11).map(move |at| LETTERS[(word >> (at * 6) & 63) as usize]));
    out.extend(letters.take(54));
    out.extend_from_slice(b"==");
}

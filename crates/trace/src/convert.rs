//! Commands that turn a text log of another program into one that can be read.
//!
//! A message that says only "unknown format" leaves the reader to find out what
//! the file is and how to convert it. JSON, CSV with a header line and W3C
//! extended logs (IIS, or `CloudFront`'s with spaces for tabs) are recognised by
//! their first lines, and the command names the columns that are in the file.

use super::formats::framing;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most keys that a message lists.
const MAX_KEYS: usize = 12;

/// A text log that no format accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OtherLog {
    /// What it is, as in "it is ...".
    pub(crate) what: String,
    /// A command whose output can be read.
    pub(crate) command: String,
}

/// What the first bytes of a log that no format accepts are.
pub(crate) fn recognise(head: &[u8]) -> Option<OtherLog> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    json(head).or_else(|| w3c(head)).or_else(|| csv(head))
}

/// JSON, also behind a syslog header or in an array.
fn json(head: &[u8]) -> Option<OtherLog> {
    let unframed = framing::after_priority(head).unwrap_or(head).trim_ascii_start();
    let is_framed = unframed.len() < head.trim_ascii_start().len();
    let in_array = unframed.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    let object = in_array.unwrap_or(unframed);
    if !object.starts_with(b"{") {
        return None;
    }
    let mut objects = serde_json::Deserializer::from_slice(object);
    let first = Map::<String, Value>::deserialize(&mut objects).unwrap_or_default();
    let keys = listed(first.keys().map(String::as_str));
    let what = if keys.is_empty() { "without keys".to_owned() } else { format!("with the keys {keys}") };
    let program = jq_program(&first);
    let command = match (is_framed, in_array) {
        (true, _) => format!("sed 's/^[^{{]*//' FILE | jq -c '{program}'"),
        (false, Some(_)) => format!("jq -c '.[] | {program}' FILE"),
        (false, None) => format!("jq -c '{program}' FILE"),
    };
    Some(OtherLog { what: format!("JSON {what}"), command })
}

/// A W3C extended log with the columns of a request.
fn w3c(head: &[u8]) -> Option<OtherLog> {
    let fields =
        head.split(|&byte| byte == b'\n').take(10).find_map(|line| line.strip_prefix(b"#Fields:"))?;
    let fields = String::from_utf8_lossy(fields);
    // awk counts from 1.
    let column =
        |name: &str| fields.split_whitespace().position(|field| field == name).map(|place| place + 1);
    let (date, time) = (column("date")?, column("time")?);
    let (method, path) = (column("cs-method")?, column("cs-uri-stem")?);
    let client = column("c-ip").map_or_else(|| "\"-\"".to_owned(), |n| format!("${n}"));
    let query =
        column("cs-uri-query").map_or_else(String::new, |n| format!(" (${n} == \"-\" ? \"\" : \"?\" ${n})"));
    let status = column("sc-status").map_or_else(|| "\"-\"".to_owned(), |n| format!("${n}"));
    let command = format!(
        "awk '!/^#/ {{print {client}, \"- - [\" ${date} \"T\" ${time} \"Z] \\\"\" ${method}, ${path}{query}, \
         \"HTTP/1.1\\\"\", {status}, 0}}' FILE"
    );
    let what = format!(
        "a W3C extended log whose columns are not separated by tabs, or not those of CloudFront: {}",
        listed(fields.split_whitespace())
    );
    Some(OtherLog { what, command })
}

/// Comma-separated values below a header line.
fn csv(head: &[u8]) -> Option<OtherLog> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let header = cells(lines.next()?);
    let is_name = |cell: &String| {
        let known = |c: char| c.is_ascii_alphanumeric() || "_-.@() /".contains(c);
        cell.starts_with(|c: char| c.is_ascii_alphabetic() || "_@".contains(c)) && cell.chars().all(known)
    };
    if header.len() < 2 || !header.iter().all(is_name) {
        return None;
    }
    let row = cells(lines.next()?).into_iter().map(Value::String);
    let first: Map<String, Value> = header.iter().cloned().zip(row).collect();
    let command = format!(
        "python3 -c 'import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(sys.stdin)]' \
         < FILE | jq -c '{}'",
        jq_program(&first)
    );
    let what = format!("CSV with the columns {}", listed(header.iter().map(String::as_str)));
    Some(OtherLog { what, command })
}

/// The cells of a line, with their quotes taken off.
fn cells(line: &str) -> Vec<String> {
    line.split(',').map(|cell| cell.trim().trim_matches('"').to_owned()).collect()
}

/// Names for a message: bounded, and printable.
fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let short = |name: &str| name.chars().take(40).collect::<String>().escape_debug().to_string();
    names.take(MAX_KEYS).map(short).collect::<Vec<_>>().join(", ")
}

/// Names for the path, the time, the method and the status of a request, best
/// first; a dot leads into an object. Sources: the documented defaults of Caddy,
/// Cloudflare Logpush, Traefik, Envoy, Google Cloud's load balancer, Akamai
/// `DataStream` 2 and nginx's `escape=json` examples.
const PATHS: &[&str] = &[
    "request_uri",
    "requestUri",
    "uri",
    "path",
    "ClientRequestURI",
    "RequestPath",
    "request_path",
    "url",
    "reqPath",
    "request.uri",
    "request.url",
    "http.url",
    "httpRequest.requestUrl",
    "target",
];
const TIMES: &[&str] = &[
    "timestamp",
    "@timestamp",
    "ts",
    "time",
    "time_iso8601",
    "msec",
    "EdgeStartTimestamp",
    "StartUTC",
    "start_time",
    "reqTimeSec",
    "datetime",
    "date",
    "time_local",
];
const METHODS: &[&str] = &[
    "method",
    "request_method",
    "ClientRequestMethod",
    "RequestMethod",
    "reqMethod",
    "request.method",
    "httpRequest.requestMethod",
];
const STATUSES: &[&str] = &[
    "status",
    "status_code",
    "response_code",
    "EdgeResponseStatus",
    "DownstreamStatus",
    "statusCode",
    "response.status",
    "httpRequest.status",
];

/// The program that makes an object of the format trace of one like `first`.
fn jq_program(first: &Map<String, Value>) -> String {
    let find = |names: &'static [&'static str]| {
        let value = |name: &&str| {
            let (outer, inner) =
                name.split_once('.').map_or((*name, None), |(outer, inner)| (outer, Some(inner)));
            let value = first.get(outer)?;
            inner.map_or(Some(value), |inner| value.get(inner)).filter(|value| !value.is_object())
        };
        names.iter().find_map(|name| Some((accessor(name), value(name)?)))
    };
    let target = find(PATHS).map_or_else(|| ".KEY_OF_THE_PATH".to_owned(), |(path, _)| path);
    let at = find(TIMES).map_or_else(
        || "(.KEY_OF_SECONDS * 1000000000 | floor)".to_owned(),
        |(time, value)| nanoseconds(&time, value),
    );
    let method = find(METHODS).map_or_else(String::new, |(method, _)| format!(", method: {method}"));
    let status = find(STATUSES).map_or_else(String::new, |(status, value)| {
        format!(", status: {}", if value.is_string() { format!("({status} | tonumber)") } else { status })
    });
    format!("{{target: {target}, at_ns: {at}{method}{status}}}")
}

/// How jq names a key.
fn accessor(name: &str) -> String {
    let plain = |key: &str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    name.split('.').map(|key| if plain(key) { format!(".{key}") } else { format!(".[\"{key}\"]") }).collect()
}

/// Nanoseconds since 1970 of a time like `value`: in seconds or a smaller unit,
/// or in ISO 8601.
fn nanoseconds(time: &str, value: &Value) -> String {
    let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let Some(number) = number else {
        // jq knows neither fractions of seconds nor offsets.
        return format!(
            "({time} | sub(\"[.][0-9]+\"; \"\") | sub(\" \"; \"T\") | sub(\"([+]00:?00)?$\"; \"Z\") \
             | sub(\"ZZ$\"; \"Z\") | fromdate * 1000000000)"
        );
    };
    // Times since 2001 in each unit have that many digits or more.
    let factor = match number {
        n if n < 1e11 => 1_000_000_000,
        n if n < 1e14 => 1_000_000,
        n if n < 1e17 => 1_000,
        _ => 1,
    };
    let time = if value.is_string() { format!("({time} | tonumber)") } else { time.to_owned() };
    format!("({time} * {factor} | floor)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, what: &str, command: &str) {
        let found = recognise(head.as_bytes()).unwrap();
        assert!(found.what.starts_with(what), "{}", found.what);
        assert!(found.command.contains(command), "{}", found.command);
    }

    #[test]
    fn the_command_names_the_keys_of_the_file() {
        check(
            r#"{"uri":"/x","ts":1772719200.5,"status":302,"method":"GET"}"#,
            "JSON with the keys method, status, ts, uri",
            "jq -c '{target: .uri, at_ns: (.ts * 1000000000 | floor), method: .method, status: .status}' FILE",
        );
        check(
            r#"{"path":"/x","time":"2026-03-05T14:00:00Z"}"#,
            "JSON",
            "target: .path, at_ns: (.time | sub(",
        );
        check(r#"{"path":"/x","time":1772719200123}"#, "JSON", "(.time * 1000000 | floor)");
        check(
            r#"{"@timestamp":1772719200123456}"#,
            "JSON",
            ".KEY_OF_THE_PATH, at_ns: (.[\"@timestamp\"] * 1000 | floor)",
        );
        check(r#"[{"request":{"uri":"/x"},"ts":1}]"#, "JSON", "jq -c '.[] | {target: .request.uri, ");
        check(
            r#"<134>Mar  5 14:03:07 h p: {"url":"/x"}"#,
            "JSON",
            "sed 's/^[^{]*//' FILE | jq -c '{target: .url,",
        );
        check(r#"{"a":"#, "JSON without keys", "KEY_OF_SECONDS");
    }

    #[test]
    fn tables_are_known_by_their_header() {
        check(
            "time,method,path,status\n2026-03-05T14:00:00Z,GET,/x,302\n",
            "CSV with the columns time, method, path, status",
            "method: .method, status: (.status | tonumber)}'",
        );
        check(
            "#Version: 1.0\n#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status\n",
            "a W3C extended log",
            r#"{print $3, "- - [" $1 "T" $2 "Z] \"" $4, $5 ($6 == "-" ? "" : "?" $6), "HTTP/1.1\"", $7, 0}"#,
        );
        for other in ["/x\n/y\n", "", "#Fields: date time\n", "192.0.2.1, a\n", "name\nx\n"] {
            assert_eq!(recognise(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn foreign_names_are_bounded_and_printable() {
        let head = format!("{{\"\\u001b[31m{}\":1}}", "k".repeat(100));
        let what = recognise(head.as_bytes()).unwrap().what;
        assert!(what.len() < 80 && what.contains("\\u{1b}[31m"), "{what}");
    }
}

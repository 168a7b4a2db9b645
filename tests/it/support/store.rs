//! A host of files for tests: the first segment of a path says what it answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a sound file holds: the head of a gzip file and as much as it takes.
pub(crate) const FILE: [u8; 1_000] = {
    let mut file = [b'x'; 1_000];
    (file[0], file[1], file[2]) = (0x1f, 0x8b, 8);
    file
};

/// Listens on loopback; its threads end with the connections of its clients.
pub(crate) struct Store {
    address: SocketAddr,
    requests: Arc<Mutex<StoreRequests>>,
}

/// What it was asked.
#[derive(Default)]
struct StoreRequests {
    /// `METHOD path`, and how often.
    asked: BTreeMap<String, usize>,
    connections: usize,
    /// Every line of every request.
    lines: Vec<String>,
}

impl Store {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(StoreRequests::default()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), Arc::clone(&shared));
                seen.lock().unwrap().connections += 1;
                // A client that goes away in the middle is not this test's matter.
                std::thread::spawn(move || serve(&stream, &seen).unwrap_or_default());
            }
        });
        Self { address, requests: seen }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests.lock().unwrap().asked.iter().map(|(what, times)| format!("{what} x{times}")).collect()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests.lock().unwrap().lines.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.requests.lock().unwrap().connections
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<StoreRequests>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        let head: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let Some(first) = head.first() else { return Ok(()) };
        let mut words = first.split(' ');
        let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let times = {
            let mut seen = seen.lock().unwrap();
            let times = seen.asked.entry(format!("{method} {path}")).or_default();
            *times += 1;
            let times = *times;
            seen.lines.extend(head.iter().cloned());
            times
        };
        let ranged = head.iter().any(|line| line.to_ascii_lowercase().starts_with("range: bytes=0-511"));
        if !answer(&mut &*stream, (&method, &path), times, ranged)? {
            return Ok(());
        }
    }
}

/// Writes an answer, and says whether the connection goes on.
fn answer(
    mut to: impl Write,
    (method, path): (&str, &str),
    times: usize,
    ranged: bool,
) -> std::io::Result<bool> {
    let first = path.split('/').nth(1).unwrap_or_default();
    let body = method != "HEAD";
    let mut say = |head: &str, content: &[u8]| {
        to.write_all(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n", content.len()).as_bytes())?;
        if body { to.write_all(content) } else { Ok(()) }
    };
    let (kind, number) = first.split_once('-').unwrap_or((first, ""));
    match (kind, number) {
        ("status", code) => say(&format!("{code} As Asked"), b"<Error><Code>AccessDenied</Code></Error>")?,
        ("shaky", _) if times == 1 => say("503 Wait", b"")?,
        ("headless", _) if !body => say("404 No", b"")?,
        ("otherpart", _) if ranged => say("206 Partial\r\ncontent-range: bytes 488-999/1000", &FILE[..512])?,
        ("emptyget", _) if body => say("200 OK", b"")?,
        ("nohead", _) if !body => say("405 No", b"")?,
        ("html", _) => say("200 OK\r\ncontent-type: text/html", b"<!DOCTYPE html><p>Sign in first</p>")?,
        ("hop", "0") => return answer(to, (method, "/sound/a.crate"), times, ranged),
        ("hop", left) => {
            let next = left.parse::<u32>().unwrap() - 1;
            say(&format!("302 Found\r\nlocation: /hop-{next}/a.crate"), b"")?;
        }
        ("loop", _) => say(&format!("302 Found\r\nlocation: {path}"), b"")?,
        ("away", port) => {
            say(&format!("302 Found\r\nlocation: http://127.0.0.1:{port}/sound/a.crate"), b"")?;
        }
        ("nowhere", _) => say("302 Found", b"")?,
        ("close", _) => return Ok(false),
        ("garbage", _) => to.write_all(b"not HTTP at all\r\n\r\n")?,
        ("truncated", _) => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n\x1f\x8b\x08")?;
            return Ok(false);
        }
        ("silent", _) => return Ok(true),
        ("endless", _) => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")?;
            loop {
                to.write_all(&FILE)?;
            }
        }
        _ if ranged => say("206 Partial\r\ncontent-range: bytes 0-511/1000", &FILE[..512])?,
        _ => say("200 OK\r\ncontent-type: application/gzip", &FILE)?,
    }
    Ok(true)
}

//! What the stand-in can do at most, and what it writes down.

use super::{DOWNLOAD, exchange, get, last, with_faults};
use downpour_mock::{AccessLog, MockConfig, MockRegistry};
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex};

#[test]
fn what_does_not_fit_the_queue_is_refused_and_the_rest_comes_in_turn() {
    let registry = with_faults(&["capacity:20:3"]);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let api = registry.api();
            std::thread::spawn(move || exchange(api, &[&last(DOWNLOAD)]))
        })
        .collect();
    let answers: Vec<String> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    let of = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    // However slowly they come, one is served at a time and three wait.
    let (found, refused) = (of("HTTP/1.1 302 "), of("HTTP/1.1 503 "));
    assert!(found >= 4 && found + refused == 8, "{answers:?}");
    assert_eq!(registry.stop().faulted["capacity:20:3"], refused as u64);
}

#[test]
fn a_delay_befalls_answers_beside_other_faults() {
    let registry = with_faults(&["delay:1ms", "missing-slash"]);
    let all = exchange(registry.api(), &[&get(DOWNLOAD), &last(DOWNLOAD)]);
    assert_eq!(all.matches("location: https://static.crates.iocrates/").count(), 2, "{all}");
    let served = registry.stop();
    assert_eq!((served.faulted["delay:1ms"], served.faulted["missing-slash"]), (2, 2));
}

#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_request_of_the_api_is_written_down_with_what_became_of_it() {
    let kept = SharedBuffer::default();
    let plan = downpour_mock::plan::FaultPlan::new(vec!["reset:50%".parse().unwrap()], 1);
    let access_log = Some(AccessLog::new(kept.clone()));
    let registry = MockRegistry::start(MockConfig { plan, access_log, ..MockConfig::default() }).unwrap();
    for n in 0..20 {
        let request = format!(
            "HEAD {DOWNLOAD}?n={n} HTTP/1.1\r\nhost: x\r\nuser-agent: curl/8.0 secret\r\nconnection: close\r\n\r\n"
        );
        let mut stream = std::net::TcpStream::connect(registry.api()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        // A reset is an error, and what is asked for.
        std::io::Read::read_to_end(&mut stream, &mut Vec::new()).map(drop).unwrap_or_default();
    }
    exchange(registry.cdn(), &[&last("/crates/serde/serde-1.0.217.crate")]);
    let resets = registry.stop().faulted["reset"];
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 20);
    let without_status = lines.iter().filter(|line| line["status"].is_null()).count();
    assert_eq!(without_status as u64, resets);
    for (n, line) in lines.iter().enumerate() {
        assert!(line["status"].is_null() || line["status"] == 302, "{line}");
        assert_eq!((&line["method"], &line["kind"]), (&"HEAD".into(), &"curl".into()));
        assert_eq!(line["target"], format!("{DOWNLOAD}?n={n}"));
    }
}

//! Peers that always have more to send: their time-outs are kept, and nobody
//! else waits for them.

use super::*;

/// An origin that answers `/good` and sends the same piece for ever after a
/// head to everything else.
#[derive(Clone, Copy, Debug)]
struct Endless {
    head: &'static str,
    piece: &'static str,
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

impl Connect for Endless {
    type Stream = Stamped<DuplexStream>;

    async fn connect(&self, stamper: Stamper) -> Result<Opened<Self::Stream>, Fault> {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::task::spawn_local(self.serve(theirs));
        Ok(Opened { stream: stamper.around(ours), protocol: Protocol::Http1, handshake: None })
    }
}

impl Endless {
    async fn serve(self, mut stream: DuplexStream) {
        while let Some(path) = read_head(&mut stream).await {
            if path == "/good" {
                stream.write_all(REDIRECT.as_bytes()).await.unwrap();
                continue;
            }
            stream.write_all(self.head.as_bytes()).await.unwrap();
            let pieces = self.piece.repeat(100);
            while stream.write_all(pieces.as_bytes()).await.is_ok() {
                // A paused clock stands still while anybody has work to do.
                tokio::time::advance(Duration::from_micros(200)).await;
            }
            return;
        }
    }
}

/// Plays 20 good requests and, before them, one that is answered without end.
#[track_caller]
fn check(head: &'static str, piece: &'static str) {
    let mut paths = vec!["/good".to_owned(); 20];
    paths.insert(0, "/endless".to_owned());
    let scene = Scene { max_body: u64::MAX, timeout_ms: 10, grace_ms: 40, ..Scene::of(1_000, paths) };
    let (totals, _) = scene.play(Endless { head, piece });
    let counts = &totals.counts;
    let seen: Vec<_> = counts.faults.seen().map(|(fault, _)| fault).collect();
    assert_eq!(seen, [Fault::TimeoutTotal], "{head:?} {piece:?}");
    let arrivals = &counts.arrivals;
    assert_eq!((arrivals.passed, arrivals.failed, arrivals.cut), (20, 1, 0), "{head:?} {piece:?}");
}

#[test]
fn interim_answers_without_end_are_a_timeout() {
    check("", "HTTP/1.1 100 Continue\r\n\r\n");
    // So many bytes of them that they are read with rests.
    let link = "x".repeat(8_000);
    check("", format!("HTTP/1.1 103 Early Hints\r\nlink: <{link}>; rel=preload\r\n\r\n").leak());
}

#[test]
fn a_body_without_end_is_a_timeout_however_small_its_pieces() {
    check(CHUNKED, "1\r\nx\r\n");
    check(CHUNKED, "40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n");
    check("HTTP/1.1 200 OK\r\n\r\n", "x");
}

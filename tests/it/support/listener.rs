//! A listener that is no server: each connection it takes is dealt with as a
//! test says, on a thread of its own.

use socket2::SockRef;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running listener.
pub(crate) struct Listener {
    pub(crate) addr: SocketAddr,
    ending: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Listener {
    /// Gives each connection to `serve`. The first is somebody knocking.
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let ending = Arc::new(AtomicBool::new(false));
        let is_ending = Arc::clone(&ending);
        let serve = Arc::new(serve);
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if is_ending.load(Ordering::Acquire) {
                    break;
                }
                let (serve, stream) = (Arc::clone(&serve), stream.unwrap());
                // A client that neither goes on nor hangs up fails the test.
                stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
                connections.push(thread::spawn(move || serve(stream)));
            }
            for connection in connections {
                connection.join().unwrap();
            }
        });
        Self { addr, ending, thread }
    }

    /// Ends it, and passes on its panic if it had one.
    pub(crate) fn stop(self) {
        self.ending.store(true, Ordering::Release);
        // One more connection lets it look.
        drop(TcpStream::connect(self.addr));
        self.thread.join().unwrap();
    }
}

/// Reads one HTTP/1 request's head, and tells whether it came to its end before
/// the client hung up.
pub(crate) fn takes_head(stream: &mut TcpStream) -> bool {
    head_of(stream).is_some()
}

/// The same head itself.
pub(crate) fn head_of(stream: &mut TcpStream) -> Option<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

/// Ends the connection by a reset.
pub(crate) fn reset(stream: &TcpStream) {
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

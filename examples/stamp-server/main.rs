//! A candidate that notes when the kernel had each request, for `benches/goals.py`.
//!
//! Answers every request with the right redirect, on one thread. Its stamps are
//! the kernel's: on loopback they are taken within the sender's own call, so
//! that how busy this server is does not blur them. Prints its address, and
//! once its standard input ends all stamps, in nanoseconds, a line each.

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns};
use nix::sys::time::TimeSpec;
use rustix::event::{Timespec, epoll};
use std::collections::HashMap;
use std::io::{self, BufWriter, IoSliceMut, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

const ANSWER: &[u8] = b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\nvary: accept\r\nlocation: \
    https://static.crates.io/crates/serde_derive/serde_derive-1.0.217.crate\r\n\r\n";

/// The listener among the events; connections go by their descriptor.
const LISTENER: u64 = u64::MAX;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let over = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&over);
    std::thread::spawn(move || {
        // Whatever ends standard input ends the server.
        let _bytes = io::stdin().read_to_end(&mut Vec::new());
        told.store(true, Relaxed);
    });
    let mut server = Server::new(listener)?;
    while !over.load(Relaxed) {
        server.turn()?;
    }
    server.stamps.sort_unstable();
    for stamp in &server.stamps {
        writeln!(out, "{stamp}")?;
    }
    out.flush()
}

struct Server {
    listener: TcpListener,
    poll: OwnedFd,
    connections: HashMap<u64, TcpStream>,
    events: Vec<epoll::Event>,
    stamps: Vec<i64>,
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
        let events = Vec::with_capacity(1_024);
        Ok(Self { listener, poll, connections: HashMap::new(), events, stamps: Vec::new() })
    }

    /// Waits for events, a tenth of a second at most, and serves them.
    fn turn(&mut self) -> io::Result<()> {
        let most = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        self.events.clear();
        epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(&most))?;
        for at in 0..self.events.len() {
            let data = self.events[at].data.u64();
            if data == LISTENER {
                self.accept()?;
            } else if !self.serve(data)
                && let Some(gone) = self.connections.remove(&data)
            {
                epoll::delete(&self.poll, &gone)?;
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        while let Ok((stream, _)) = self.listener.accept() {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            setsockopt(&stream, ReceiveTimestampns, &true)?;
            let data = u64::try_from(stream.as_raw_fd()).map_err(io::Error::other)?;
            epoll::add(&self.poll, &stream, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
            self.connections.insert(data, stream);
        }
        Ok(())
    }

    /// Takes one request, which comes in one piece; whether the connection is
    /// still of use.
    fn serve(&mut self, data: u64) -> bool {
        let Some(stream) = self.connections.get_mut(&data) else { return true };
        let mut bytes = [0; 8 * 1024];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut control = cmsg_space!(TimeSpec);
        let taken = recvmsg::<()>(stream.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty());
        let Ok(message) = taken else { return false };
        if message.bytes == 0 {
            return false;
        }
        for part in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmTimestampns(at) = part {
                self.stamps.push(at.tv_sec() * 1_000_000_000 + at.tv_nsec());
            }
        }
        stream.write_all(ANSWER).is_ok()
    }
}

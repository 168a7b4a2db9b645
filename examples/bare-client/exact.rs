//! Raw sockets, one request made once, a timer armed for each due time.

use super::Load;
use rustix::event::{Timespec, epoll};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::time::Instant;

/// The timer among the events; connections count from 0.
const TIMER: u64 = u64::MAX;

/// Longer than any answer that is asked for here.
const ANSWER: usize = 16 * 1024;

pub(super) fn run(load: &Load) -> io::Result<u64> {
    let mut client = Client::connect(load)?;
    let begin = Instant::now();
    let end = begin + load.length;
    if load.period.is_none() {
        while let Some(free) = client.free.pop() {
            client.send(free)?;
        }
    }
    let mut sent = 0_u32;
    loop {
        let now = Instant::now();
        if now >= end {
            return Ok(client.answered);
        }
        if let Some(period) = load.period {
            while let Some(&free) = client.free.last() {
                let due = begin + period * sent;
                if due > now {
                    client.arm(due - now)?;
                    break;
                }
                client.free.pop();
                client.send(free)?;
                sent += 1;
            }
        }
        client.take_answers(load.period.is_none(), end.saturating_duration_since(now))?;
    }
}

struct Client {
    request: Vec<u8>,
    connections: Vec<TcpStream>,
    free: Vec<usize>,
    poll: OwnedFd,
    timer: OwnedFd,
    events: Vec<epoll::Event>,
    answered: u64,
}

impl Client {
    fn connect(load: &Load) -> io::Result<Self> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        epoll::add(&poll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        let mut connections = Vec::new();
        for (index, data) in (0..load.connections).zip(0..) {
            let stream = TcpStream::connect(load.address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            epoll::add(&poll, &stream, epoll::EventData::new_u64(data), epoll::EventFlags::IN)?;
            debug_assert_eq!(index, connections.len());
            connections.push(stream);
        }
        Ok(Self {
            request: format!("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", load.path, load.address).into_bytes(),
            free: (0..connections.len()).rev().collect(),
            connections,
            poll,
            timer,
            events: Vec::with_capacity(1_024),
            answered: 0,
        })
    }

    fn send(&mut self, connection: usize) -> io::Result<()> {
        self.connections[connection].write_all(&self.request)
    }

    fn arm(&self, wait: Duration) -> io::Result<()> {
        let it_value = Timespec::try_from(wait).map_err(io::Error::other)?;
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Waits for answers or the timer; each answer comes in one piece.
    fn take_answers(&mut self, again: bool, most: Duration) -> io::Result<()> {
        let most = Timespec::try_from(most).map_err(io::Error::other)?;
        self.events.clear();
        epoll::wait(&self.poll, rustix::buffer::spare_capacity(&mut self.events), Some(&most))?;
        let mut bytes = [0; ANSWER];
        for at in 0..self.events.len() {
            let data = self.events[at].data.u64();
            if data == TIMER {
                rustix::io::read(&self.timer, &mut bytes[..8])?;
                continue;
            }
            let Ok(connection) = usize::try_from(data) else { continue };
            let read = self.connections[connection].read(&mut bytes)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.answered += 1;
            if again {
                self.send(connection)?;
            } else {
                self.free.push(connection);
            }
        }
        Ok(())
    }
}

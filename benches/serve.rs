//! How many redirects a second the embedded registry gives on one thread.
//!
//! A load test is only worth what its instruments can do: a demonstration
//! against this registry must not measure the registry. One thread serves, this
//! one asks over loopback and keep-alive connections, with one request or
//! several at a time. The server's time is the process's less this thread's,
//! so it holds on a busy machine too, where the answers per second do not.

use downpour_mock::{MockConfig, MockRegistry};
use rustix::time::{ClockId, clock_gettime};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tokio::time::Instant;

const REQUEST: &[u8] = b"GET /api/v1/crates/serde_derive/1.0.217/download HTTP/1.1\r\n\
    Host: crates.io\r\nUser-Agent: downpour\r\nAccept: */*\r\n\r\n";
const LENGTH: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let registry = MockRegistry::start(MockConfig::default()).map_err(io::Error::other)?;
    let mut out = io::stdout();
    writeln!(out, "connections  pipelined  answers/s  server CPU µs/answer  answers/s per core")?;
    for (connections, depth) in [(1, 1), (64, 1), (64, 4), (64, 16)] {
        let Measured { answers, seconds, server_seconds } = drive(registry.api(), connections, depth)?;
        let answers = f64::from(answers);
        let (rate, cost, limit) =
            (answers / seconds, server_seconds * 1e6 / answers, answers / server_seconds);
        writeln!(out, "{connections:>11}  {depth:>9}  {rate:>9.0}  {cost:>20.2}  {limit:>16.0}")?;
    }
    registry.stop();
    Ok(())
}

struct Measured {
    answers: u32,
    seconds: f64,
    server_seconds: f64,
}

/// Keeps `depth` requests under way on each of `connections`.
fn drive(addr: SocketAddr, connections: usize, depth: usize) -> io::Result<Measured> {
    let mut streams = (0..connections)
        .map(|_| {
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            Ok(stream)
        })
        .collect::<io::Result<Vec<_>>>()?;
    let requests = REQUEST.repeat(depth);
    let mut answer = vec![0; 4_096];
    streams[0].write_all(REQUEST)?;
    let length = streams[0].read(&mut answer)?;
    let mut all = vec![0; length * depth];
    let mut answers = 0;
    let (start, server_start) = (Instant::now(), server_time());
    while start.elapsed() < LENGTH {
        for stream in &mut streams {
            stream.write_all(&requests)?;
        }
        for stream in &mut streams {
            stream.read_exact(&mut all)?;
            answers += u32::try_from(depth).map_err(io::Error::other)?;
        }
    }
    let server_seconds = server_time() - server_start;
    assert!(all.starts_with(b"HTTP/1.1 302 Found\r\n"), "the registry redirects");
    Ok(Measured { answers, seconds: start.elapsed().as_secs_f64(), server_seconds })
}

/// Seconds of processor time that all threads but this one have used.
fn server_time() -> f64 {
    let seconds = |clock| Duration::try_from(clock_gettime(clock)).unwrap_or_default().as_secs_f64();
    seconds(ClockId::ProcessCPUTime) - seconds(ClockId::ThreadCPUTime)
}

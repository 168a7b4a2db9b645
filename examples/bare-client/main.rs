//! What a load generator costs when it does nothing else: two yardsticks for
//! the comparison in `benches/goals.py`.
//!
//! `exact` is raw sockets, a request made once, and a `timerfd` armed for each
//! due time: the price of waking for every request. `hyper` is hyper's bare
//! connection on a current-thread runtime, paced by its timer of a millisecond:
//! the price of a real HTTP client. Neither parses, judges or records anything.
//!
//! ```text
//! bare-client exact 127.0.0.1:8080 /path --rate 4700 --connections 64 --seconds 10
//! ```
//!
//! Prints how many requests were answered. Without `--rate` the loop is closed.

mod exact;
mod hyper_client;

use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::time::Duration;

/// Send one request repeatedly, with as little CPU time as possible.
#[derive(Debug, Parser)]
struct Args {
    /// Set the client.
    client: Client,
    /// Set the address of the server.
    address: SocketAddr,
    /// Set the path of the request.
    path: String,
    /// Set the requests per second; without it, send as fast as answers arrive.
    #[arg(long)]
    rate: Option<f64>,
    /// Set the number of connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Set the duration in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Client {
    /// Raw sockets, one wake-up per request.
    Exact,
    /// hyper, one wake-up per millisecond.
    Hyper,
}

/// What to send, and how.
struct Load {
    address: SocketAddr,
    path: String,
    /// From one due time to the next; `None` for the closed loop.
    period: Option<Duration>,
    connections: usize,
    length: Duration,
}

#[expect(clippy::print_stdout, reason = "the count is what was asked for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let load = Load {
        address: args.address,
        path: args.path,
        period: args.rate.map(|rate| Duration::from_secs_f64(rate.recip())),
        connections: args.connections,
        length: Duration::from_secs_f64(args.seconds),
    };
    let answered = match args.client {
        Client::Exact => exact::run(&load)?,
        Client::Hyper => hyper_client::run(load)?,
    };
    println!("{{\"requests\": {answered}}}");
    Ok(())
}

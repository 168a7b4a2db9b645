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

/// Sends one request again and again, at the least cost.
#[derive(Debug, Parser)]
struct Args {
    /// Which client.
    client: Client,
    /// Where to.
    address: SocketAddr,
    /// What to ask for.
    path: String,
    /// Requests a second; as fast as they are answered if left out.
    #[arg(long)]
    rate: Option<f64>,
    /// Connections to keep open.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long, in seconds.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Client {
    /// Raw sockets, a wake-up for each request.
    Exact,
    /// hyper, a wake-up a millisecond.
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

//! hyper's bare connections on one thread, paced by the runtime's timer.

use super::Load;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn run(load: Load) -> io::Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, drive(Rc::new(load))).map_err(io::Error::other)
}

/// What the connections share.
#[derive(Default)]
struct Floor {
    answered: Cell<u64>,
    free: RefCell<Vec<usize>>,
    waiting: Cell<usize>,
}

async fn drive(load: Rc<Load>) -> Result<u64, Failure> {
    let floor = Rc::new(Floor::default());
    let mut connections = VecDeque::new();
    for _ in 0..load.connections {
        connections.push_back(connect(&load).await?);
    }
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    let end = begin + load.length;
    let Some(period) = load.period else {
        for connection in connections {
            tasks.spawn_local(repeat(connection, Rc::clone(&load), Rc::clone(&floor), end));
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        return Ok(floor.answered.get());
    };
    let mut doors = Vec::new();
    for (seat, connection) in connections.into_iter().enumerate() {
        let (door, wanted) = mpsc::channel(1);
        doors.push(door);
        floor.free.borrow_mut().push(seat);
        tasks.spawn_local(serve((seat, connection), wanted, Rc::clone(&load), Rc::clone(&floor)));
    }
    let mut sent = 0;
    while Instant::now() < end {
        let mut due = begin + period * sent;
        while due <= Instant::now() {
            let free = floor.free.borrow_mut().pop();
            match free {
                Some(seat) => doors[seat].send(()).await?,
                None => floor.waiting.set(floor.waiting.get() + 1),
            }
            sent += 1;
            due = begin + period * sent;
        }
        tokio::time::sleep_until(due).await;
    }
    drop(doors);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(floor.answered.get())
}

async fn connect(load: &Load) -> Result<SendRequest<Empty<Bytes>>, Failure> {
    let stream = TcpStream::connect(load.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

/// One request after the other until the time is up.
async fn repeat(
    mut sender: SendRequest<Empty<Bytes>>,
    load: Rc<Load>,
    floor: Rc<Floor>,
    end: Instant,
) -> Result<(), Failure> {
    while Instant::now() < end {
        exchange(&mut sender, &load, &floor).await?;
    }
    Ok(())
}

/// A request for each word from the pacer, and for those that waited meanwhile.
async fn serve(
    (seat, mut sender): (usize, SendRequest<Empty<Bytes>>),
    mut wanted: mpsc::Receiver<()>,
    load: Rc<Load>,
    floor: Rc<Floor>,
) -> Result<(), Failure> {
    while wanted.recv().await.is_some() {
        exchange(&mut sender, &load, &floor).await?;
        while floor.waiting.get() > 0 {
            floor.waiting.set(floor.waiting.get() - 1);
            exchange(&mut sender, &load, &floor).await?;
        }
        floor.free.borrow_mut().push(seat);
    }
    Ok(())
}

async fn exchange(sender: &mut SendRequest<Empty<Bytes>>, load: &Load, floor: &Floor) -> Result<(), Failure> {
    sender.ready().await?;
    let request = hyper::Request::get(load.path.as_str())
        .header(http::header::HOST, load.address.to_string())
        .body(Empty::new())?;
    let mut body = sender.send_request(request).await?.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    floor.answered.set(floor.answered.get() + 1);
    Ok(())
}

//! `--metrics-addr`: the run, as Prometheus scrapes it while it goes on.
//!
//! A thread of its own answers, after all others where it shares their core. The
//! collector hands it the state of each second; workers know nothing of it, and
//! nothing here can hold a run up. Connections are few, short and bounded: each
//! brings one answer.

use crate::engine::lower_priority;
use bytes::Bytes;
use downpour_metrics::Gauges;
use downpour_report::{Dialect, Plan, RunReport, exposition};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

/// Connections at a time. One more takes the place of the oldest, so that those
/// who connect and say nothing keep nobody out.
const CONNECTIONS: usize = 16;

/// From the first byte of a connection to the last of its answer.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Why nothing can be scraped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetricsError {
    /// The address cannot be had.
    #[error("listen on --metrics-addr {address}")]
    Listen { address: SocketAddr, source: io::Error },
    /// There is no thread for it.
    #[error("start the thread of --metrics-addr")]
    Thread(#[source] io::Error),
}

/// The run as of its latest second.
type Latest = Arc<(RunReport, Gauges)>;

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct MetricsServer {
    address: SocketAddr,
    latest: watch::Sender<Latest>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsServer {
    /// Begins to answer, for now with nothing but the plan.
    pub(crate) fn start(address: SocketAddr, plan: &Plan) -> Result<Self, MetricsError> {
        let listen = |source| MetricsError::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(listen)?;
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let nothing = RunReport { plan: plan.clone(), ..RunReport::default() };
        let (latest, seen) = watch::channel(Arc::new((nothing, Gauges::default())));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                lower_priority();
                if let Err(error) = answer_all(listener, &seen, stopped) {
                    tracing::warn!("metrics can no longer be scraped: {error}");
                }
            })
            .map_err(MetricsError::Thread)?;
        Ok(Self { address, latest, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it answers.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A second is over.
    pub(crate) fn publish(&self, report: RunReport, gauges: Gauges) {
        self.latest.send_replace(Arc::new((report, gauges)));
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        // A thread that ended early listens no more.
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap_or_default();
        }
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn answer_all(
    listener: std::net::TcpListener,
    latest: &watch::Receiver<Latest>,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let mut answering: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut stopped => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            // A peer that was gone before it was accepted is no reason to stop.
            let Ok((stream, _)) = accepted else { continue };
            answering.retain(|connection| !connection.is_finished());
            if answering.len() >= CONNECTIONS
                && let Some(oldest) = answering.pop_front()
            {
                oldest.abort();
            }
            answering.push_back(tokio::spawn(answer(stream, latest.clone())).abort_handle());
        }
    })
}

async fn answer(stream: TcpStream, latest: watch::Receiver<Latest>) {
    let service = service_fn(|request: Request<Incoming>| {
        let latest = Arc::clone(&latest.borrow());
        async move { Ok::<_, Infallible>(answer_to(&request, &latest)) }
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(CONNECTION_TIMEOUT);
    let connection = server.serve_connection(TokioIo::new(stream), service);
    // Whoever scrapes tells its own troubles.
    match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!("scrape: {error}"),
    }
}

fn answer_to<B>(request: &Request<B>, latest: &(RunReport, Gauges)) -> Response<Full<Bytes>> {
    let (report, gauges) = latest;
    if request.uri().path() != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "metrics are read with GET\n".to_owned());
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let accept = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let dialect = Dialect::for_accept(&accept.collect::<Vec<_>>().join(","));
    let mut answer = plain(StatusCode::OK, exposition(report, Some(gauges), dialect));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(dialect.content_type()));
    answer
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: Method, path: &str, accept: &str, status: u16, content_type: &str) {
        let request = Request::builder().method(method).uri(path).header(ACCEPT, accept).body(()).unwrap();
        let answer = answer_to(&request, &(RunReport::default(), Gauges::default()));
        let found = answer.headers()[CONTENT_TYPE].to_str().unwrap();
        assert_eq!((answer.status().as_u16(), found), (status, content_type), "{path}");
    }

    #[test]
    fn who_connects_and_says_nothing_keeps_no_scraper_out() {
        use std::io::{Read, Write};
        let server = MetricsServer::start(([127, 0, 0, 1], 0).into(), &Plan::default()).unwrap();
        let connect = || std::net::TcpStream::connect(server.address()).unwrap();
        let silent: Vec<_> = (0..2 * CONNECTIONS).map(|_| connect()).collect();
        let mut scraper = connect();
        scraper.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        scraper.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        // The youngest of them are still waited for: nobody had to give up.
        let mut youngest = silent.last().unwrap();
        youngest.set_nonblocking(true).unwrap();
        assert_eq!(youngest.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn there_is_one_page_in_two_dialects() {
        let (text, open) = (Dialect::Prometheus.content_type(), Dialect::OpenMetrics.content_type());
        check(Method::GET, "/metrics", "*/*", 200, text);
        check(Method::GET, "/metrics?x=1", "application/openmetrics-text", 200, open);
        check(Method::GET, "/", "*/*", 404, "text/plain; charset=utf-8");
        check(Method::POST, "/metrics", "*/*", 405, "text/plain; charset=utf-8");
    }
}

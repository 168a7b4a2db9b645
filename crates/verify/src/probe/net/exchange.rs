//! One request to a target and as much of its answer as is wanted.
//!
//! Says what every download client says and nothing else: no cookie, no
//! authorisation, whatever the run sends to the candidate. The candidate alone
//! gets from here what it gets from the run, unless another place sent us there.

use super::pool::{NotConnected, ProbeConnection, ProbePool};
use crate::Locations;
use crate::coding::is_undecodable;
use crate::probe::{ProbeEvent, ProbeResponse, ProbeStep};
use bytes::Bytes;
use downpour_core::fault::Fault;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::header::{HOST, HeaderName, LOCATION, RANGE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Incoming};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout_at};
use url::Url;

const USER_AGENT_VALUE: &str = concat!("downpour/", env!("CARGO_PKG_VERSION"), " (target check)");

/// Content that is taken of an answer nobody wants, so that its connection can
/// be kept.
const DRAIN_BYTES_MAX: u64 = 64 * 1024;

/// What came of a request, and who was asked.
pub(super) struct ProbeExchange {
    pub(super) outcome: ExchangeOutcome,
    /// An address or why there is none, in ASCII.
    pub(super) peer: String,
}

/// What came of a request, owned.
pub(super) enum ExchangeOutcome {
    NotConnected(Fault),
    Broken(Fault),
    Complete { status: u16, headers: HeaderMap, content: Content },
}

/// Who named the place that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChosenBy {
    /// Only answers of the place's own origin, and the run.
    ItsOrigin,
    /// A place of another origin besides: it must not be able to spend what
    /// the run says to the candidate, as credentials, at a path of its choice.
    AnotherOrigin,
}

/// What was taken of an answer's content.
#[derive(Default)]
pub(super) struct Content {
    first: Vec<u8>,
    received: u64,
    sha256: Option<[u8; 32]>,
}

impl ExchangeOutcome {
    pub(super) fn as_event(&self) -> ProbeEvent<'_> {
        let (status, headers, content) = match self {
            Self::NotConnected(fault) => return ProbeEvent::NotConnected(*fault),
            Self::Broken(fault) => return ProbeEvent::Broken(*fault),
            Self::Complete { status, headers, content } => (*status, headers, content),
        };
        let field = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let mut locations = headers.get_all(LOCATION).iter();
        let locations = match (locations.next(), locations.next()) {
            (None, _) => Locations::None,
            (Some(only), None) => Locations::One(only.as_bytes()),
            (Some(_), Some(_)) => Locations::Many,
        };
        let number = |text: &[u8]| str::from_utf8(text).ok()?.trim().parse().ok();
        ProbeEvent::Answered(ProbeResponse {
            status,
            locations,
            content_type: field(CONTENT_TYPE),
            content_length: field(CONTENT_LENGTH).and_then(number),
            content_range: field(CONTENT_RANGE),
            first: &content.first,
            received: content.received,
            sha256: content.sha256,
        })
    }
}

impl ProbePool {
    /// Asks for `url` as `step` says, over a kept connection if there is one.
    /// One that turns out to be closed is replaced.
    pub(super) async fn ask(&self, url: &Url, step: ProbeStep, chosen_by: ChosenBy) -> ProbeExchange {
        let Some(request) = self.request(url, step, chosen_by) else {
            return ProbeExchange {
                outcome: ExchangeOutcome::NotConnected(Fault::TargetBadRedirect),
                peer: String::new(),
            };
        };
        if let Some(kept) = self.take_idle(url) {
            let peer = format!("at {}", kept.peer);
            if let Ok(answer) = self.exchange(kept, request.clone(), url, step).await {
                return ProbeExchange { outcome: answer, peer };
            }
        }
        let line = match self.connect(url).await {
            Ok(line) => line,
            Err(NotConnected { fault, why }) => {
                return ProbeExchange { outcome: ExchangeOutcome::NotConnected(fault), peer: why };
            }
        };
        let peer = format!("at {}", line.peer);
        let answer = self.exchange(line, request, url, step).await;
        ProbeExchange { outcome: answer.unwrap_or(ExchangeOutcome::Broken(Fault::TargetBroken)), peer }
    }

    /// `Err` where the connection ended before it answered.
    async fn exchange(
        &self,
        mut line: ProbeConnection,
        request: Request<Empty<Bytes>>,
        url: &Url,
        step: ProbeStep,
    ) -> Result<ExchangeOutcome, ()> {
        let begun = Instant::now();
        let response = match timeout_at(begun + self.options.timeout, line.sender.send_request(request)).await
        {
            Err(_) => return Ok(ExchangeOutcome::Broken(Fault::TargetTimeout)),
            Ok(Err(error)) if error.is_parse() => return Ok(ExchangeOutcome::Broken(Fault::TargetBroken)),
            Ok(Err(_)) => return Err(()),
            Ok(Ok(response)) => response,
        };
        let whole = step == ProbeStep::Whole && response.status().is_success();
        let limit = if whole { self.options.download_timeout } else { self.options.timeout };
        let status = response.status().as_u16();
        let taken = timeout_at(begun + limit, self.take(response, step, whole)).await;
        let (headers, content, ended) = match taken {
            Err(_) => return Ok(ExchangeOutcome::Broken(Fault::TargetTimeout)),
            Ok(Err(fault)) => return Ok(ExchangeOutcome::Broken(fault)),
            Ok(Ok(taken)) => taken,
        };
        if ended && matches!(timeout_at(begun + limit, line.sender.ready()).await, Ok(Ok(()))) {
            self.return_idle(url, line);
        }
        Ok(ExchangeOutcome::Complete { status, headers, content })
    }

    /// Takes the content as far as it is wanted, and says whether it ended.
    async fn take(
        &self,
        response: Response<Incoming>,
        step: ProbeStep,
        whole: bool,
    ) -> Result<(HeaderMap, Content, bool), Fault> {
        let succeeded = response.status().is_success();
        let (head, mut body) = response.into_parts();
        if !body.is_end_stream() && is_undecodable(&head.headers) {
            return Err(Fault::TargetBroken);
        }
        let mut content = Content::default();
        let mut hash = whole.then(Sha256::new);
        let enough = match (step, whole) {
            (_, true) => self.options.limits.body,
            (ProbeStep::FirstBytes | ProbeStep::Json, false) if succeeded => {
                2 * to_u64(step.body_bytes_kept())
            }
            _ => DRAIN_BYTES_MAX,
        };
        while !body.is_end_stream() {
            let Some(frame) = body.frame().await else { break };
            // An answer nobody wants the content of is judged by its head.
            let Ok(frame) = frame else {
                let wanted = succeeded && step != ProbeStep::Head;
                return if wanted { Err(Fault::TargetTruncated) } else { Ok((head.headers, content, false)) };
            };
            let Ok(data) = frame.into_data() else { continue };
            let missing = step.body_bytes_kept().saturating_sub(content.first.len());
            content.first.extend_from_slice(data.get(..missing).unwrap_or(&data));
            content.received += to_u64(data.len());
            if let Some(hash) = &mut hash {
                hash.update(&data);
            }
            if content.received > enough {
                return if whole { Err(Fault::TargetUnchecked) } else { Ok((head.headers, content, false)) };
            }
        }
        content.sha256 = hash.map(|hash| hash.finalize().into());
        Ok((head.headers, content, true))
    }
}

fn to_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl ProbePool {
    fn request(&self, url: &Url, step: ProbeStep, chosen_by: ChosenBy) -> Option<Request<Empty<Bytes>>> {
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let authority = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let method = if step == ProbeStep::Head { Method::HEAD } else { Method::GET };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().ok()?;
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(&authority).ok()?);
        headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_VALUE));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(candidate) = self.candidate_at(url)
            && chosen_by == ChosenBy::ItsOrigin
        {
            headers.extend(candidate.headers.clone());
        }
        if step == ProbeStep::FirstBytes {
            headers.insert(
                RANGE,
                HeaderValue::from_str(&format!("bytes=0-{}", ProbeStep::FIRST_BYTES - 1)).ok()?,
            );
        }
        if step == ProbeStep::Json {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        Some(request)
    }
}

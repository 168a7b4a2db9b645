//! Values of flags as they are typed, that several subcommands have.

use super::config::HIDDEN;
use downpour_core::units::{parse_count, parse_duration};
use downpour_verify::lookup::ParseResolverError;
use http::{HeaderName, HeaderValue};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

pub(super) fn parse_positive(text: &str) -> Result<usize, String> {
    let count = parse_count(text).map_err(|error| error.to_string())?;
    match usize::try_from(count) {
        Ok(count @ 1..) => Ok(count),
        Ok(0) | Err(_) => Err("must be at least 1".to_owned()),
    }
}

pub(super) fn parse_requests(text: &str) -> Result<u64, String> {
    match parse_count(text).map_err(|error| error.to_string())? {
        0 => Err("must be at least 1".to_owned()),
        count => Ok(count),
    }
}

/// The longest grain: what falls due within it waits for it.
const BATCH_INTERVAL_MAX: Duration = Duration::from_secs(1);

pub(super) fn parse_batch_interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        grain if grain > BATCH_INTERVAL_MAX => {
            Err("must be at most 1s: requests wait for up to this time".to_owned())
        }
        grain => Ok(grain),
    }
}

/// Where to listen.
pub(super) fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write an address and a port, like 127.0.0.1:8080 or [::1]:0".to_owned())
}

pub(super) fn parse_address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an address, like 127.0.0.1 or ::1".to_owned())
}

/// The most threads that a machine is asked for.
const THREADS_MAX: usize = 1_024;

pub(super) fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let count = text.parse().ok().filter(|&count: &NonZeroUsize| count.get() <= THREADS_MAX);
    count.ok_or_else(|| format!("write a number from 1 to {THREADS_MAX}"))
}

/// A length of time that is not nothing.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    match parse_duration(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("must be greater than 0".to_owned()),
        length => Ok(length),
    }
}

pub(super) fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it like 'Accept: application/json'")?;
    if value.trim() == HIDDEN {
        return Err(
            "a saved configuration does not contain the values of header fields: give each field with -H"
                .to_owned(),
        );
    }
    let parsed = name.trim().parse().ok().zip(HeaderValue::from_str(value.trim()).ok());
    let (name, value): (HeaderName, HeaderValue) =
        parsed.ok_or_else(|| "it contains a byte that a header field must not contain".to_owned())?;
    if FRAMING.contains(&name.as_str()) {
        return Err(format!("{name} cannot be set: it describes how the message is framed"));
    }
    Ok((name, value))
}

/// Fields that describe the message itself (RFC 9112 §6): a request here has no
/// body.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

pub(super) fn parse_server(text: &str) -> Result<SocketAddr, ParseResolverError> {
    downpour_verify::lookup::parse_server(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(parse_time("20s"), Ok(Duration::from_secs(20)));
        assert_eq!(parse_requests("10k"), Ok(10_000));
        for mistake in [parse_time("0s").err(), parse_requests("0").err(), parse_positive("0").err()] {
            assert!(mistake.is_some_and(|told| told.starts_with("must be")));
        }
    }
}

//! What only the operating system knows: the time of day, memory, limits.

use downpour_core::units::Stamp;
use nix::ifaddrs::getifaddrs;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::IpAddr;

/// Descriptors the program needs for anything but connections: files of the
/// run, inputs, runtimes, the resolver.
const OTHER_DESCRIPTORS: u64 = 128;

/// The time of day. The only place that asks for it.
pub(crate) fn now() -> Stamp {
    let nanos = jiff::Timestamp::now().as_nanosecond();
    Stamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

/// A stamp as RFC 3339 text in UTC, to the second.
pub(crate) fn rfc3339(stamp: Stamp) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(stamp.as_nanos()))
        .map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// The most memory that was ever resident, 0 where the system does not tell.
pub(crate) fn peak_rss_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// Asks for small pages. Huge ones come two MiB at a time, whether anything is
/// written there or not, and the allocator asks for them: they trebled what a
/// reader of logs had resident and made nothing faster. A system that refuses
/// costs memory, nothing else.
pub(crate) fn disable_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages stay on");
    }
}

/// The addresses of this machine's interfaces; none where the system does not
/// say. Kept as long as the process, which asks once a run.
pub(crate) fn own_addresses() -> &'static [IpAddr] {
    let Ok(interfaces) = getifaddrs() else { return &[] };
    let addresses = interfaces.filter_map(|interface| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| Some(IpAddr::V6(address.as_sockaddr_in6()?.ip())))
    });
    addresses.collect::<Vec<_>>().leak()
}

/// Raises the limit of open files as far as this process may, and tells how
/// many connections fit below it.
pub(crate) fn max_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let room = current.unwrap_or(u64::MAX).saturating_sub(OTHER_DESCRIPTORS);
    usize::try_from(room).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_its_loopback_address_at_least() {
        assert!(own_addresses().contains(&IpAddr::from([127, 0, 0, 1])), "{:?}", own_addresses());
    }
}

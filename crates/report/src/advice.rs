//! What to do about a fault, in a sentence: where an operator would look first.

/// By the beginning of the fault's id; the first that fits counts.
const ADVICE: &[(&str, &str)] = &[
    (
        "connect.refused",
        "Check that the candidate listens at this address and did not restart during the run.",
    ),
    (
        "connect.",
        "Check the network between this machine and the candidate, and the length of its accept queue.",
    ),
    ("tls.expired", "Renew the candidate's certificate, and compare the clocks of both machines."),
    (
        "tls.untrusted",
        "Read the cause in the examples; if the issuer is yours, name it with --cacert; install the whole chain.",
    ),
    ("tls.", "Compare the names, protocol versions and ciphers that both sides accept."),
    (
        "http.reset",
        "Look for restarts, crashes and limits of the candidate, or of a proxy in front of it, at that time.",
    ),
    (
        "http.closed",
        "Compare the idle timeouts of the candidate and of the proxy in front of it; look for restarts.",
    ),
    ("http.truncated", "Look for crashes and timeouts of the candidate or of its own backends."),
    ("http.", "Record one such answer with curl and look at its bytes: a server or a proxy violates HTTP."),
    (
        "http2.",
        "Look for restarts of the candidate and for its limits on streams and requests per connection.",
    ),
    (
        "timeout.total",
        "Read in the examples how far it came: no first byte means an overloaded candidate, a slow body too little bandwidth; or raise --timeout.",
    ),
    (
        "timeout.",
        "Compare with latency and requests in flight: if they rose first, the candidate was overloaded.",
    ),
    ("status.4xx", "Compare the path with the log: a route, a rewrite or a permission may differ."),
    ("status.5xx", "Read the candidate's log at that time, and check whether the share grows with the rate."),
    (
        "status.",
        "Read in the examples what was expected; without a rule, the answer does not fit a request without conditions.",
    ),
    (
        "headers.",
        "Compare the answer's header fields with the rule; check whether a proxy or CDN in front changes them.",
    ),
    ("json.", "Request the same path with `Accept: application/json` and compare the URL with the Location."),
    (
        "location.not_in_catalog",
        "Check whether the file was removed, or whether the catalogue is older than the log.",
    ),
    (
        "location.glued_host",
        "Check the setting that names the download host: a slash or a dot after it is missing.",
    ),
    ("location.mismatch", "Compare the Location with the template of the rule, character by character."),
    (
        "location.wrong_host",
        "Check the setting that names the download host: it may be of another environment, or lack a slash.",
    ),
    ("location.placeholder", "Check the template of the download URL: a placeholder in it is not filled in."),
    ("location.", "Check the code and the setting that build the download URL."),
    (
        "dns.nxdomain",
        "Check the setting that names the download host: it may have a typo, or lack a slash before the path.",
    ),
    (
        "dns.private_address",
        "In a private network, such as staging, allow its addresses with --allow-private; otherwise fix the DNS record.",
    ),
    ("dns.unchecked", "Check the target hosts: a healthy deployment redirects to few hosts."),
    (
        "dns.",
        "Query the authoritative servers and the resolver for this name; run again with another --resolver.",
    ),
    ("target.tls", "Check the certificate and the protocol versions of the host that serves the files."),
    (
        "target.403",
        "Check that the file exists under exactly this name, and that the signature is still valid.",
    ),
    (
        "target.404",
        "Check that the file exists under exactly this name, with the same encoding, case and version.",
    ),
    ("target.5xx", "Check the store; if its errors come from the probes, lower --verify-rate."),
    ("target.timeout", "Check the store; if the probes slow it down, lower --verify-rate."),
    ("target.unchecked", "Raise --max-body to download files of this size."),
    (
        "target.not_an_archive",
        "Fetch one with curl and read it: it is often an error page or a sign-in page.",
    ),
    ("target.length", "Compare the file with its source: it was truncated, or replaced after it was listed."),
    ("target.digest", "Treat the file as tampered with until its source proves otherwise."),
    ("target.loop", "Follow the redirects with curl -IL: two settings of the store redirect to each other."),
    (
        "target.too_many_hops",
        "Follow the redirects with curl -IL; if they are intended, raise --verify-hops.",
    ),
    ("target.downgrade", "Look for a redirect of the store that names http:// instead of https://."),
    ("target.bad_redirect", "Check the Location that the store sends."),
    ("target.refused", "Check that the host that serves the files listens at this port."),
    ("target.", "Check the host that serves the files, and the network between this machine and it."),
    (
        "client.aborted",
        "Check why the other downloads of these sessions failed; these downloads were not sent.",
    ),
    ("generator.no_ports", "Lower --connections, or widen net.ipv4.ip_local_port_range."),
    ("generator.late", "Lower the rate, add --threads or machines, or free this machine."),
    ("generator.no_descriptors", "Raise the limit on open files (ulimit -n)."),
    ("generator.no_resolver", "With --resolver, name a DNS server that this machine can reach."),
];

/// What to do about the fault with that id.
pub fn advice(id: &str) -> &'static str {
    let known = ADVICE.iter().find(|(beginning, _)| id.starts_with(beginning));
    known.map_or("Read the examples, and the candidate's log at that time.", |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use downpour_core::fault::Fault;

    #[test]
    fn every_fault_has_advice_and_all_advice_has_a_fault() {
        for fault in Fault::ALL {
            let told = ADVICE.iter().any(|(beginning, _)| fault.id().starts_with(beginning));
            assert!(told, "there is no advice for {fault}: add a line above");
        }
        for (n, (beginning, advice)) in ADVICE.iter().enumerate() {
            let first =
                |fault: &&Fault| ADVICE.iter().position(|(b, _)| fault.id().starts_with(b)) == Some(n);
            assert!(Fault::ALL.iter().any(|fault| first(&fault)), "{beginning} is never used");
            assert!(advice.ends_with('.'), "{advice}");
        }
        assert!(advice("quic.lost").starts_with("Read the examples"));
    }
}

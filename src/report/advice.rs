//! What to do about a fault, in a sentence: where an operator would look first.

/// By the beginning of the fault's id; the first that fits counts.
const ADVICE: &[(&str, &str)] = &[
    (
        "connect.refused",
        "See that the candidate listens at this address, and whether it restarted during the run.",
    ),
    (
        "connect.",
        "Look at the network between here and the candidate, and at the length of its accept queue.",
    ),
    ("tls.expired", "Renew the candidate's certificate, and compare the clocks of both machines."),
    (
        "tls.untrusted",
        "Read the cause in the examples; name the issuer with --cacert if it is yours, and install the whole chain.",
    ),
    ("tls.", "Compare the names, protocol versions and ciphers that both sides accept."),
    (
        "http.reset",
        "Look for restarts, crashes and limits on the candidate or a proxy before it at that time.",
    ),
    (
        "http.closed",
        "Compare the idle time-outs of the candidate and of what stands before it; look for restarts.",
    ),
    ("http.truncated", "Look for crashes and time-outs of the candidate or of what it fetches from."),
    (
        "http.",
        "Record one such answer with curl and look at its bytes: something on the way does not keep to HTTP.",
    ),
    (
        "http2.",
        "Look for restarts of the candidate and for its limits on streams and requests of a connection.",
    ),
    (
        "timeout.",
        "Compare with latency and requests in flight: if they rose first, the candidate had too much to do.",
    ),
    ("status.4xx", "Compare the path with what the log shows; a route, a rewrite or a permission differs."),
    ("status.5xx", "Look into the candidate's log at that time, and whether the share grows with the rate."),
    (
        "status.",
        "Read in the examples what was expected; without a rule, the answer does not fit a plain request.",
    ),
    (
        "headers.",
        "Compare the answer's header fields with the rule; look at what a proxy or CDN before it changes.",
    ),
    ("json.", "Ask for the same path with `Accept: application/json` and compare the URL with the Location."),
    (
        "location.not_in_catalog",
        "See whether the file was removed, or whether the catalogue is older than the log.",
    ),
    (
        "location.glued_host",
        "Look at the setting that names the download host: a slash or a dot was lost behind it.",
    ),
    ("location.mismatch", "Compare the Location with the template of the rule, character by character."),
    (
        "location.wrong_host",
        "Look at the setting that names the download host: an environment's value, or a lost slash.",
    ),
    ("location.placeholder", "Look at the template of the download URL: a part of it is not filled in."),
    ("location.", "Look at the code and the setting that put the download URL together."),
    (
        "dns.nxdomain",
        "Look at the setting that names the download host: a typing error, or a slash lost between host and path.",
    ),
    (
        "dns.private_address",
        "In a private network, such as staging, allow its addresses with --allow-private; otherwise repair the name.",
    ),
    ("dns.unchecked", "Look at the target hosts: a sound deployment redirects to few of them."),
    (
        "dns.",
        "Ask the authoritative servers and the resolver for this name; run again with another --resolver.",
    ),
    ("target.tls", "Look at the certificate and the protocol versions of the host that serves the files."),
    (
        "target.403",
        "See whether the file is there under this very name, and whether its signature still holds.",
    ),
    ("target.404", "See whether the file is there under this very name: encoding, case and version count."),
    ("target.5xx", "Look at the store; if its errors come with the checks, lower --verify-rate."),
    ("target.timeout", "Look at the store; if the checks are what slows it, lower --verify-rate."),
    ("target.unchecked", "Raise --max-body if files of this size are to be downloaded."),
    (
        "target.not_an_archive",
        "Fetch one with curl and read it: an error page or a sign-in page often says why.",
    ),
    ("target.length", "Compare the file with its source: it was cut, or replaced after it was listed."),
    ("target.digest", "Treat the file as tampered with until its source shows otherwise."),
    ("target.loop", "Follow the redirects with curl -IL: two settings of the store point at each other."),
    ("target.too_many_hops", "Follow the redirects with curl -IL; raise --verify-hops if they are meant."),
    ("target.downgrade", "Look for a redirect of the store that names http:// where https:// is due."),
    ("target.bad_redirect", "Look at the Location that the store answers with."),
    ("target.refused", "See that the host that serves the files listens at this port."),
    ("target.", "Look at the host that serves the files, and at the network between here and there."),
    (
        "client.aborted",
        "Look at what the other downloads of these sessions failed of: these were never asked for.",
    ),
    ("generator.no_ports", "Lower --connections, or widen net.ipv4.ip_local_port_range."),
    ("generator.late", "Lower the rate, give it --threads or machines, or free this one."),
    ("generator.no_descriptors", "Raise the limit of open files (ulimit -n)."),
    ("generator.no_resolver", "Name a resolver that this machine reaches with --resolver."),
];

/// What to do about the fault with that id.
pub(crate) fn advice(id: &str) -> &'static str {
    let known = ADVICE.iter().find(|(beginning, _)| id.starts_with(beginning));
    known.map_or("Look at the examples, and at the candidate's log at that time.", |(_, advice)| advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Fault;

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
        assert!(advice("quic.lost").starts_with("Look at the examples"));
    }
}

//! In which section of a configuration an option stands: what its heading in the
//! help is about.

use clap::Arg;

/// The sections, in the order of the help.
pub(super) const SECTIONS: [&str; 11] = [
    "trace",
    "load",
    "connection",
    "tls",
    "pacing",
    "verify",
    "clients",
    "control",
    "service",
    "thresholds",
    "report",
];

/// Options of connections that say how those are secured.
const TLS: [&str; 6] = ["cacert", "roots", "cert", "key", "insecure", "no-tls-resumption"];

/// Options of the report that say when a run passes.
const THRESHOLDS: [&str; 5] = ["threshold", "abort-on", "abort-after", "max-lateness", "allow-invalid"];

/// The section of an option.
pub(super) fn section_of(arg: &Arg) -> &'static str {
    let long = arg.get_long().unwrap_or_default();
    match arg.get_help_heading() {
        Some("Load" | "Load shape" | "Candidate") => "load",
        Some("Connections") if TLS.contains(&long) => "tls",
        Some("Connections") => "connection",
        Some("Pacing") => "pacing",
        Some("Verification") => "verify",
        Some("Clients") => "clients",
        Some("Control") => "control",
        Some("Service") => "service",
        Some("Thresholds and report") if THRESHOLDS.contains(&long) => "thresholds",
        Some("Thresholds and report") => "report",
        // The trace itself has no heading.
        Some(_) | None => "trace",
    }
}

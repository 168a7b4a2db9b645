//! Statuses of HTTP, as logs tell them.

/// The recorded status if a server sent it, and not if recorders make it up when
/// a peer has vanished: `000`, nginx's 499 and 444 (closed without an answer),
/// ALB's 460, Cloudflare's 520 to 526. Nobody answered so, and a candidate cannot be compared with them.
pub const fn sent_status(recorded: Option<u16>) -> Option<u16> {
    match recorded {
        None | Some(0 | 444 | 460 | 499 | 520..=526) => None,
        Some(_) => recorded,
    }
}

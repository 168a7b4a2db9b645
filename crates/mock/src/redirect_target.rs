//! The place a redirect points to: sound, or spoiled in one part.

use super::location_base::LocationBase;
use super::plan::LocationFault;
use super::release::{Plus, Release};
use super::request_head::MockRequestHead;

/// A user that nobody asked for.
const USER: &[u8] = b"mirror@";
/// A signature that was good for 5 minutes, long ago.
const PAST: &[u8] = b"?X-Amz-Date=20200101T000000Z&X-Amz-Expires=300&X-Amz-Signature=0";
/// One that will be.
const FUTURE: &[u8] = b"?X-Amz-Date=20990101T000000Z&X-Amz-Expires=300&X-Amz-Signature=0";
/// The mark of a place that leads on to the file.
const VIA_SELF: &[u8] = b"?via=self";
/// How long one lasts that ends too soon, in seconds.
const SOON_S: i64 = 10;
/// A port at which no CDN listens.
const PORT: &[u8] = b":8443";

/// A URL, in the parts that can be spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RedirectTarget<'a> {
    /// With its `://`.
    scheme: &'a [u8],
    user: &'a [u8],
    host: &'a [u8],
    port: &'a [u8],
    /// What stands between host and folder.
    separator: &'a [u8],
    folder: &'a [u8],
    release: &'a Release<'a>,
    plus: Plus,
    /// With its `?`.
    query: &'a [u8],
    /// When the signature ends, in seconds since 1970.
    ends: Option<i64>,
    /// A path that stands in for joint, folder and file.
    path_override: Option<&'a [u8]>,
}

impl<'a> RedirectTarget<'a> {
    /// Where `release` lies on the CDN at `base`.
    pub(super) const fn correct(base: &'a LocationBase, release: &'a Release<'a>) -> Self {
        Self {
            scheme: base.scheme(),
            user: b"",
            host: base.host(),
            port: base.port(),
            separator: b"/crates/",
            folder: release.name(),
            release,
            plus: Plus::Encoded,
            query: b"",
            ends: None,
            path_override: None,
        }
    }

    /// What `fault` makes of it in the answer to `head`. It stays the same
    /// where there is nothing to spoil, such as a `+`.
    pub(super) fn with_fault(
        self,
        fault: LocationFault,
        base: &'a LocationBase,
        head: &MockRequestHead<'a>,
    ) -> Self {
        match fault {
            LocationFault::MissingSlash => Self { separator: b"crates/", ..self },
            LocationFault::DoubleSlash => Self { separator: b"//crates/", ..self },
            LocationFault::RawBytes => Self { separator: b"/crates/ ", ..self },
            LocationFault::Placeholder => Self { folder: b"{crate}", ..self },
            LocationFault::Backslash => Self { separator: b"/crates\\", ..self },
            LocationFault::DoubleEncoded if self.release.has_plus() => {
                Self { plus: Plus::DoubleEncoded, ..self }
            }
            LocationFault::GluedHost => Self { host: base.glued_host(), ..self },
            LocationFault::Expired => Self { query: PAST, ..self },
            LocationFault::NotYetValid => Self { query: FUTURE, ..self },
            LocationFault::ExpiresSoon => {
                Self { ends: Some(jiff::Timestamp::now().as_second().saturating_add(SOON_S)), ..self }
            }
            LocationFault::WrongJsonUrl if head.accepts_json => Self { host: base.staging_host(), ..self },
            LocationFault::ViaSelf if !head.target.ends_with(VIA_SELF) => {
                let instead = Some(head.target);
                Self { scheme: b"", host: b"", port: b"", path_override: instead, query: VIA_SELF, ..self }
            }
            LocationFault::PlusDecoded if self.release.has_plus() => Self { plus: Plus::Bare, ..self },
            LocationFault::WrongHost | LocationFault::TwoLocations => {
                Self { host: base.staging_host(), ..self }
            }
            LocationFault::OtherFile => Self { folder: b"other", ..self },
            LocationFault::NoScheme => Self { scheme: b"", ..self },
            LocationFault::BadPort => Self { port: b":port", ..self },
            LocationFault::Downgrade => Self { scheme: b"http://", ..self },
            LocationFault::Userinfo => Self { user: USER, ..self },
            LocationFault::Port => Self { port: PORT, ..self },
            LocationFault::Relative => Self { scheme: b"", host: b"", port: b"", ..self },
            LocationFault::Loop => {
                // The candidate speaks plain HTTP only.
                Self {
                    scheme: b"http://",
                    host: head.host,
                    port: b"",
                    path_override: Some(head.target),
                    ..self
                }
            }
            LocationFault::NoLocation
            | LocationFault::PlusDecoded
            | LocationFault::DoubleEncoded
            | LocationFault::WrongJsonUrl
            | LocationFault::NoJsonUrl
            | LocationFault::ViaSelf => self,
        }
    }

    /// Appends it.
    pub(super) fn push(&self, out: &mut Vec<u8>) {
        for part in [self.scheme, self.user, self.host, self.port] {
            out.extend_from_slice(part);
        }
        if let Some(path) = self.path_override {
            out.extend_from_slice(path);
            out.extend_from_slice(self.query);
            return;
        }
        out.extend_from_slice(self.separator);
        out.extend_from_slice(self.folder);
        out.push(b'/');
        self.release.push_file(self.plus, out);
        out.extend_from_slice(self.query);
        if let Some(ends) = self.ends {
            out.extend_from_slice(format!("?Expires={ends}&Signature=0").as_bytes());
        }
    }
}

/// What clients of JSON get, with a place if there is one; one backslash is two
/// there.
pub(super) fn json_of(place: Option<&RedirectTarget<'_>>) -> Vec<u8> {
    let Some(place) = place else { return b"{}".to_vec() };
    let mut content = br#"{"url":""#.to_vec();
    let begin = content.len();
    place.push(&mut content);
    if let Some(at) = memchr::memchr(b'\\', &content[begin..]) {
        content.insert(begin + at, b'\\');
    }
    content.extend_from_slice(br#""}"#);
    content
}

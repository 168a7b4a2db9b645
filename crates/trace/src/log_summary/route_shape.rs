//! The shape of a path, by which a log summary groups requests into routes.

/// The shape of a path: what differs from object to object is replaced.
///
/// A segment that is a version becomes `{version}`; one before a version, or
/// before a file named after it, `{name}`; a file name with a digit in it
/// becomes `{file}` and its extension. Anything else is kept: a table of routes is for recognising what
/// kinds of traffic there are, not for taking paths apart.
pub(super) fn route_of(target: &[u8]) -> Vec<u8> {
    let path = downpour_core::route::path_of(target);
    let segments: Vec<_> = path.split(|&b| b == b'/').collect();
    let mut out = Vec::with_capacity(path.len());
    for (place, segment) in segments.iter().enumerate() {
        if place > 0 {
            out.push(b'/');
        }
        let next = segments.get(place + 1).copied().unwrap_or_default();
        let names_the_next = match shape_of(next) {
            SegmentShape::Version => true,
            SegmentShape::File => next.starts_with(segment),
            SegmentShape::Fixed => false,
        };
        match shape_of(segment) {
            SegmentShape::Version => out.extend_from_slice(b"{version}"),
            SegmentShape::Fixed | SegmentShape::File if names_the_next && place > 1 => {
                out.extend_from_slice(b"{name}");
            }
            SegmentShape::Fixed => out.extend_from_slice(segment),
            SegmentShape::File => {
                out.extend_from_slice(b"{file}");
                out.extend_from_slice(extension(segment));
            }
        }
    }
    out
}

enum SegmentShape {
    Fixed,
    Version,
    File,
}

fn shape_of(segment: &[u8]) -> SegmentShape {
    let digits = segment.iter().filter(|b| b.is_ascii_digit()).count();
    let begins_with_digit = segment.first().is_some_and(u8::is_ascii_digit);
    match (digits, begins_with_digit) {
        (0, _) => SegmentShape::Fixed,
        (_, true) if extension(segment).is_empty() => SegmentShape::Version,
        // `v1` names an interface, not an object.
        _ if segment.len() <= 3 && segment.starts_with(b"v") => SegmentShape::Fixed,
        _ => SegmentShape::File,
    }
}

/// The last part behind a dot, with the dot, if it is letters.
fn extension(segment: &[u8]) -> &[u8] {
    let Some(dot) = memchr::memrchr(b'.', segment) else { return b"" };
    let extension = &segment[dot..];
    let letters = extension.len() > 1 && extension[1..].iter().all(u8::is_ascii_alphabetic);
    if letters { extension } else { b"" }
}

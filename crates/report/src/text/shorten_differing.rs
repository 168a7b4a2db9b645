//! Two long texts of which one differs from the other: shortened where they
//! agree, and never where they differ.

use super::format::shortened;

const GAP: &str = "...";

/// Characters shown of what both have, before and behind the difference.
const AROUND: usize = 8;

/// `found` and `expected`, each at most `width` characters. What both begin or
/// end with is left out first; what differs is shortened only if it does not
/// fit by itself.
pub(super) fn shorten_differing(found: &str, expected: &str, width: usize) -> (String, String) {
    let (found, expected): (Vec<char>, Vec<char>) = (found.chars().collect(), expected.chars().collect());
    if found.len() <= width && expected.len() <= width {
        return (found.into_iter().collect(), expected.into_iter().collect());
    }
    let shorter = found.len().min(expected.len());
    let before = found.iter().zip(&expected).take_while(|(left, right)| left == right).count();
    let behind = found.iter().rev().zip(expected.iter().rev());
    let behind = behind.take_while(|(left, right)| left == right).count().min(shorter - before);
    let differs = found.len().max(expected.len()) - before - behind;
    let room = width.saturating_sub(differs + 2 * GAP.len());
    // What stands in front tells more, such as a host, than what stands behind.
    let head = before.min(room - behind.min(AROUND).min(room / 2));
    let tail = behind.min(room - head);
    let shown = |text: &[char]| {
        let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().iter().collect::<String>();
        let end = text.len() - behind;
        let near = head.min(AROUND);
        let front = if head == before {
            part(0, before)
        } else {
            format!("{}{GAP}{}", part(0, head - near), part(before - near, before))
        };
        let back =
            if tail == behind { part(end, text.len()) } else { format!("{}{GAP}", part(end, end + tail)) };
        shortened(&format!("{front}{}{back}", part(before, end)), width).into_owned()
    };
    (shown(&found), shown(&expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_shown_whole() {
        let (found, expected) = shorten_differing("https://h/a", "https://h/b", 20);
        assert_eq!((found.as_str(), expected.as_str()), ("https://h/a", "https://h/b"));
    }

    #[test]
    fn a_difference_in_the_middle_stays_visible() {
        let url = |middle: &str| format!("https://h.example/{}{middle}{}", "a".repeat(60), "z".repeat(60));
        let (found, expected) = shorten_differing(&url("/FOUND/"), &url("/DUE/"), 60);
        assert!(found.starts_with("https://h.example/") && found.contains("/FOUND/"), "{found}");
        assert!(expected.starts_with("https://h.example/") && expected.contains("/DUE/"), "{expected}");
        assert!(found.chars().count() <= 60 && expected.chars().count() <= 60, "{found} {expected}");
    }

    #[test]
    fn a_difference_at_the_end_stays_visible() {
        let url = |end: &str| format!("https://h.example/{}{end}", "a".repeat(100));
        let (found, expected) = shorten_differing(&url("-1.0.0+b"), &url("-1.0.0%2Bb"), 60);
        assert!(found.ends_with("-1.0.0+b") && expected.ends_with("-1.0.0%2Bb"), "{found} {expected}");
        let glued = (format!("https://static.cratesx/{}", "a".repeat(90)), url(""));
        let (found, expected) = shorten_differing(&glued.0, &glued.1, 60);
        assert!(found.contains("static.cratesx") && expected.contains("h.example"), "{found} {expected}");
    }

    #[test]
    fn nothing_grows_beyond_its_width() {
        for (left, right) in [(0, 200), (200, 0), (150, 150), (61, 60)] {
            let (found, expected) = shorten_differing(&"a".repeat(left), &"b".repeat(right), 60);
            assert!(found.len() <= 60 && expected.len() <= 60, "{found} {expected}");
            let (found, expected) = shorten_differing(&"a".repeat(left), &"a".repeat(right), 60);
            assert!(found.len() <= 60 && expected.len() <= 60, "{found} {expected}");
        }
    }
}

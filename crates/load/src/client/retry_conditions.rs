//! What a client tries again: sets of statuses and of faults.
//!
//! Both are fixed bit sets, so that asking costs nothing and a model can be
//! copied. Faults are those a client can meet: what is wrong with this machine
//! or was not looked at by the checker is no client's business.

use downpour_core::fault::Fault;
use std::fmt;

const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;

/// A set of HTTP statuses, 100 to 599.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusSet([u64; 8]);

impl StatusSet {
    /// Whether `status` is one of them.
    pub const fn contains(&self, status: u16) -> bool {
        match Self::bit_position(status) {
            Some((word, bit)) => self.0[word] & bit != 0,
            None => false,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 8]
    }

    /// The statuses, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (STATUS_MIN..=STATUS_MAX).filter(|status| self.contains(*status))
    }

    /// Takes `status` in; `false` where it is none.
    pub(super) const fn insert(&mut self, status: u16) -> bool {
        match Self::bit_position(status) {
            Some((word, bit)) => {
                self.0[word] |= bit;
                true
            }
            None => false,
        }
    }

    const fn bit_position(status: u16) -> Option<(usize, u64)> {
        if status < STATUS_MIN || status > STATUS_MAX {
            return None;
        }
        let index = status - STATUS_MIN;
        Some(((index / 64) as usize, 1 << (index % 64)))
    }

    fn holds_class(&self, class: u16) -> bool {
        (class..class + 100).all(|status| self.contains(status))
    }
}

/// Whole classes as `5xx`, others by number.
impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        for class in (100..=500).step_by(100) {
            if self.holds_class(class) {
                write!(f, "{gap}{}xx", class / 100)?;
                gap = " ";
                continue;
            }
            for status in (class..class + 100).filter(|status| self.contains(*status)) {
                write!(f, "{gap}{status}")?;
                gap = " ";
            }
        }
        Ok(())
    }
}

/// A set of faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetriedFaults(u128);

const _: () = assert!(Fault::ALL.len() <= 128, "a fault more than a set has bits");

impl RetriedFaults {
    /// Whether `fault` is one of them.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & Self::bit(fault) != 0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) const fn insert(&mut self, fault: Fault) {
        self.0 |= Self::bit(fault);
    }

    const fn bit(fault: Fault) -> u128 {
        1 << fault as u32
    }
}

/// Whole families as `dns`, others by id.
impl fmt::Display for RetriedFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut gap, mut whole) = ("", "");
        for &fault in Fault::ALL.iter().filter(|fault| self.contains(**fault)) {
            let family = family_of(fault);
            if family == whole {
                continue;
            }
            if client_faults_of(family).all(|member| self.contains(member)) {
                whole = family;
                write!(f, "{gap}{family}")?;
            } else {
                write!(f, "{gap}{fault}")?;
            }
            gap = " ";
        }
        Ok(())
    }
}

/// What stands before the point of a fault's id: `dns` of `dns.nxdomain`.
pub(super) fn family_of(fault: Fault) -> &'static str {
    fault.id().split('.').next().unwrap_or_default()
}

/// The faults of a family that a client can meet.
pub(super) fn client_faults_of(family: &str) -> impl Iterator<Item = Fault> {
    Fault::ALL.iter().copied().filter(move |fault| family_of(*fault) == family && client_can_see(*fault))
}

/// Whether a client can meet the fault. Statuses are told by number instead.
pub(super) fn client_can_see(fault: Fault) -> bool {
    !fault.is_generator_fault()
        && !matches!(fault, Fault::DnsUnchecked | Fault::ClientAborted)
        && family_of(fault) != "status"
}

/// Whether the fault lies behind the candidate: with the place that its
/// redirect names.
pub(super) fn is_target_fault(fault: Fault) -> bool {
    matches!(family_of(fault), "dns" | "location" | "target")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_by_class_where_it_is_whole() {
        let mut set = StatusSet::default();
        assert!(set.is_empty() && set.to_string().is_empty());
        (500..600).for_each(|status| assert!(set.insert(status)));
        assert!(set.insert(429) && set.insert(408));
        assert_eq!(set.to_string(), "408 429 5xx");
        assert_eq!(set.iter().count(), 102);
        assert!(set.contains(503) && !set.contains(404));
        for none in [0, 99, 600, u16::MAX] {
            assert!(!set.insert(none) && !set.contains(none));
        }
    }

    #[test]
    fn faults_are_told_by_family_where_it_is_whole() {
        let mut set = RetriedFaults::default();
        assert!(set.is_empty());
        client_faults_of("dns").for_each(|fault| set.insert(fault));
        set.insert(Fault::HttpReset);
        assert_eq!(set.to_string(), "http.reset dns");
        assert!(set.contains(Fault::DnsNxdomain) && !set.contains(Fault::DnsUnchecked));
        assert_eq!(client_faults_of("generator").count() + client_faults_of("status").count(), 0);
        let mut all = RetriedFaults::default();
        for fault in Fault::ALL {
            all.insert(*fault);
        }
        assert!(Fault::ALL.iter().all(|fault| all.contains(*fault)));
    }
}

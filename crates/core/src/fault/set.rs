//! Sets of faults, and their order of severity.
//!
//! An answer can have several faults at once. The outcome of its download is
//! the most severe of them, and each of them is counted.

use super::Fault;

/// A set of faults. A plain number: it is copied and merged without an
/// allocation. Aligned like a word: a storm holds one for each download that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(Rust, packed(8))]
pub struct FaultSet(u128);

const _: () = assert!(Fault::ALL.len() <= u128::BITS as usize, "a set has a bit for each fault");

impl FaultSet {
    /// No fault.
    pub const EMPTY: Self = Self(0);

    const fn bit(fault: Fault) -> u128 {
        1 << fault as u32
    }

    /// Adds a fault.
    pub const fn insert(&mut self, fault: Fault) {
        self.0 |= Self::bit(fault);
    }

    /// The same set without that fault.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !Self::bit(fault))
    }

    /// Whether it holds the fault.
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & Self::bit(fault) != 0
    }

    /// Whether it holds none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its faults, in the order of [`Fault::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |&fault| self.contains(fault))
    }
}

impl FromIterator<Fault> for FaultSet {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        let mut set = Self::EMPTY;
        faults.into_iter().for_each(|fault| set.insert(fault));
        set
    }
}

impl Fault {
    /// How severe a fault is beside the others of the same answer; the highest
    /// is the outcome of the download.
    ///
    /// From the top: no usable answer; a host that does not resolve, because
    /// that is what clients meet; a wrong Location; a file that the catalogue
    /// does not list; a target that does not deliver; another place in JSON; a
    /// wrong status; a wrong field. Below all of them is what nobody could find
    /// out: it must not hide what is known.
    pub fn severity(self) -> u8 {
        match (self, self.family()) {
            (Self::DnsUnchecked | Self::TargetUnchecked | Self::GeneratorResolver, _) => 0,
            (_, "headers") => 1,
            (_, "status") => 2,
            (_, "json") => 3,
            (_, "target") => 4,
            (Self::LocationNotInCatalog, _) => 5,
            (_, "location") => 6,
            (_, "dns") => 7,
            _ => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set: FaultSet = [Fault::GeneratorResolver, Fault::ConnectRefused].into_iter().collect();
        set.insert(Fault::ConnectRefused);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Fault::ConnectRefused, Fault::GeneratorResolver]);
        assert!(set.contains(Fault::GeneratorResolver) && !set.contains(Fault::HeadersVary));
        let set = set.without(Fault::ConnectRefused).without(Fault::GeneratorResolver);
        assert!(set.is_empty() && set == FaultSet::EMPTY);
        assert_eq!(Fault::ALL.iter().copied().collect::<FaultSet>().iter().count(), Fault::ALL.len());
    }

    #[test]
    fn the_order_of_severity() {
        let order = [
            Fault::DnsNxdomain,
            Fault::LocationMismatch,
            Fault::LocationNotInCatalog,
            Fault::TargetRefused,
            Fault::JsonMismatch,
            Fault::StatusUnexpected,
            Fault::HeadersVary,
            Fault::DnsUnchecked,
        ];
        assert!(order.windows(2).all(|pair| pair[0].severity() > pair[1].severity()));
        let unknown = [Fault::DnsUnchecked, Fault::TargetUnchecked, Fault::GeneratorResolver];
        assert!(unknown.iter().all(|fault| fault.severity() == 0));
    }
}

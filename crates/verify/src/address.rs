//! Which addresses a redirect on the public internet may lead to.
//!
//! Pure: looks at an address, asks nobody. A target inside the network of
//! whoever follows the redirect is a fault of the candidate, and a danger to
//! the checker itself, which must not be talked into knocking on a metadata
//! service. The table is the one of RFC 6890 with the later entries of the
//! IANA special-purpose registries, and with public addresses that a cloud
//! answers at from the inside alone.

use super::HostVerdict;
use downpour_core::fault::Fault;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether targets on non-public addresses pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// They are [`Fault::DnsPrivateAddress`]. The default.
    #[default]
    Refuse,
    /// As [`PrivateAddresses::Refuse`], and so are these public ones: those of
    /// the machine that checks. What listens on them may trust whoever comes
    /// from the machine itself.
    RefuseIncluding(&'static [IpAddr]),
    /// They pass, for a candidate whose store stands beside it.
    Allow,
}

impl PrivateAddresses {
    /// Judges the addresses a name has; all of them, since a client may pick
    /// any. A name without one is [`Fault::DnsNoAddress`].
    pub fn judge(self, addresses: impl IntoIterator<Item = IpAddr>) -> HostVerdict {
        let mut any = false;
        for address in addresses {
            any = true;
            if !self.permits(address) {
                return HostVerdict::Broken(Fault::DnsPrivateAddress);
            }
        }
        if any { HostVerdict::Resolved } else { HostVerdict::Broken(Fault::DnsNoAddress) }
    }

    fn permits(self, address: IpAddr) -> bool {
        match self {
            Self::Allow => true,
            Self::Refuse => is_public(address),
            Self::RefuseIncluding(own) => {
                let meant = embedded_ipv4(address);
                is_public(address) && !own.iter().any(|&own| own == address || Some(own) == meant)
            }
        }
    }
}

/// The IPv4 address that an IPv6 address stands for.
fn embedded_ipv4(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => embedded_v4(v6).map(IpAddr::V4),
    }
}

/// IPv4 blocks that are not globally reachable unicast, as network and prefix
/// length: the IANA IPv4 special-purpose registry, and multicast.
const NOT_PUBLIC_V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::UNSPECIFIED, 8),           // this network, RFC 791
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private, RFC 1918
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // shared, RFC 6598; some clouds' metadata
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback, RFC 1122
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, RFC 3927; most clouds' metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private, RFC 1918
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments, RFC 6890
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation, RFC 5737
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, retired by RFC 7526
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private, RFC 1918
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarking, RFC 2544
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation, RFC 5737
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation, RFC 5737
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast, RFC 5771
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved, RFC 1112; broadcast, RFC 919
    // Azure's WireServer: certificates and goal state of a virtual machine.
    // <https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16>
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    // IBM Cloud's services and service endpoints, which its VPC API reserves
    // (`client_ip_pool` of a VPN server). <https://cloud.ibm.com/apidocs/vpc>
    (Ipv4Addr::new(161, 26, 0, 0), 16),
    (Ipv4Addr::new(166, 8, 0, 0), 14),
];

/// Blocks within `2000::/3`, the only IPv6 space given out for global unicast
/// (RFC 4291 §2.4, IANA), that are not globally reachable.
const NOT_PUBLIC_V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, RFC 2928; Teredo
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation, RFC 3849
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation, RFC 9637
];

/// Whether an address is one that anybody on the internet could connect to.
///
/// IPv6 addresses that carry an IPv4 address (mapped, RFC 4291 §2.5.5.2;
/// translated, RFC 6052; 6to4, RFC 3056) are judged by the address they
/// carry, because that is where the packets go.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match embedded_v4(v6) {
            Some(v4) => is_public_v4(v4),
            None => is_public_v6(v6) && isatap_v4(v6).is_none_or(is_public_v4),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    !NOT_PUBLIC_V4.iter().any(|&(network, prefix)| (bits ^ network.to_bits()) >> (32 - prefix) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let bits = address.to_bits();
    let global_unicast = bits >> 125 == 0b001;
    let special = |&(network, prefix): &(Ipv6Addr, u32)| (bits ^ network.to_bits()) >> (128 - prefix) == 0;
    global_unicast && !NOT_PUBLIC_V6.iter().any(special)
}

/// The IPv4 address in an interface identifier of ISATAP, RFC 5214 §6.1.
/// Packets go there if the prefix is one of this machine's.
fn isatap_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => Some(pair(high, low)),
        _ => None,
    }
}

fn pair(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(pair(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], public: bool) {
        for address in addresses {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    #[test]
    fn public_addresses_are_public_up_to_the_edges_of_the_special_blocks() {
        check(&["1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"], true);
        check(&["126.255.255.255", "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0"], true);
        check(&["192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"], true);
        check(&["223.255.255.255", "2606:4700::1111", "2a04:4e42::649", "2001:200::1", "2001:db9::"], true);
        check(&["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1"], true);
    }

    #[test]
    fn addresses_that_only_somebody_inside_can_reach_are_not() {
        check(&["0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200"], false);
        check(&["127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.0", "172.31.255.255"], false);
        check(&["192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255"], false);
        check(&["198.51.100.7", "203.0.113.9", "224.0.0.1", "239.255.255.255", "255.255.255.255"], false);
    }

    #[test]
    fn so_it_is_with_ipv6_and_with_ipv4_inside_it() {
        check(&["::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1"], false);
        check(&["2001:db8::1", "2001::1", "3fff::1", "100::1", "4000::1", "64:ff9b:1::1"], false);
        check(&["::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::10.0.0.1", "2002:7f00:1::"], false);
        check(&["::127.0.0.1", "::1.1.1.1"], false);
    }

    /// Each with where its provider says so.
    #[test]
    fn addresses_of_clouds_for_their_own_machines_are_not() {
        // Most clouds: 169.254.169.254. Tencent: metadata.tencentyun.com.
        check(&["169.254.169.254", "169.254.0.23", "169.254.170.2", "169.254.42.42"], false);
        // Alibaba, Volcano Engine, UCloud: in shared space. Oracle: RFC 6890's.
        check(&["100.100.100.200", "100.96.0.96", "100.80.80.80", "192.0.0.192"], false);
        // AWS (metadata, pod identity), Google, Scaleway, Akamai: local space.
        check(&["fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fd00:a9fe:a9fe::1"], false);
        // Public space: Azure, IBM, and their neighbours.
        check(&["168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::168.63.129.16"], false);
        check(&["161.26.0.10", "166.8.0.1", "166.11.255.255"], false);
        check(&["168.63.129.15", "168.63.129.17", "161.25.255.255", "161.27.0.0", "166.12.0.0"], true);
    }

    #[test]
    fn an_isatap_address_is_judged_by_both_addresses_in_it() {
        check(&["2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "fd00::5efe:101:101"], false);
        check(&["2606:4700::5efe:101:101", "2606:4700::200:5efe:101:101", "2606:4700::5eff:7f00:1"], true);
    }

    #[test]
    fn the_machines_own_addresses_are_refused_unless_all_are_allowed() {
        const OWN: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::new(9, 9, 9, 9))];
        let broken = HostVerdict::Broken(Fault::DnsPrivateAddress);
        for own in ["9.9.9.9", "::ffff:9.9.9.9", "64:ff9b::9.9.9.9", "2002:909:909::1"] {
            let own: IpAddr = own.parse().unwrap();
            assert_eq!(PrivateAddresses::RefuseIncluding(OWN).judge([own]), broken, "{own}");
            assert_eq!(PrivateAddresses::Refuse.judge([own]), HostVerdict::Resolved, "{own}");
            assert_eq!(PrivateAddresses::Allow.judge([own]), HostVerdict::Resolved, "{own}");
        }
        let other: IpAddr = "9.9.9.8".parse().unwrap();
        assert_eq!(PrivateAddresses::RefuseIncluding(OWN).judge([other]), HostVerdict::Resolved);
        assert_eq!(PrivateAddresses::RefuseIncluding(OWN).judge(["10.0.0.1".parse().unwrap()]), broken);
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough() {
        let public: IpAddr = "1.1.1.1".parse().unwrap();
        let private: IpAddr = "10.0.0.1".parse().unwrap();
        let refuse = PrivateAddresses::Refuse;
        assert_eq!(refuse.judge([public]), HostVerdict::Resolved);
        assert_eq!(refuse.judge([public, private]), HostVerdict::Broken(Fault::DnsPrivateAddress));
        assert_eq!(refuse.judge([]), HostVerdict::Broken(Fault::DnsNoAddress));
        assert_eq!(PrivateAddresses::Allow.judge([private]), HostVerdict::Resolved);
        assert_eq!(PrivateAddresses::Allow.judge([]), HostVerdict::Broken(Fault::DnsNoAddress));
    }
}

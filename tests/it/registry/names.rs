//! The registry's DNS, asked by a real resolver.

use super::{odd_names, with_zone};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

fn resolver(server: SocketAddr) -> TokioResolver {
    let mut connection = ConnectionConfig::udp();
    connection.port = server.port();
    let server = NameServerConfig::new(server.ip(), true, vec![connection]);
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    let options = builder.options_mut();
    options.attempts = 0;
    options.cache_size = 0;
    options.timeout = Duration::from_millis(300);
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().unwrap()
}

/// What a resolver made of a name, in a word.
async fn learn(resolver: &TokioResolver, name: &str) -> String {
    match resolver.lookup_ip(name).await {
        Ok(found) => found.iter().map(|ip: IpAddr| ip.to_string()).collect::<Vec<_>>().join(" "),
        Err(NetError::Dns(DnsError::NoRecordsFound(nothing))) => format!("{:?}", nothing.response_code),
        Err(NetError::Dns(DnsError::ResponseCode(code))) => format!("{code:?}"),
        Err(NetError::Timeout) => "timeout".to_owned(),
        Err(other) => format!("unexpected: {other}"),
    }
}

#[tokio::test]
async fn a_resolver_learns_each_kind_of_answer() {
    let registry = with_zone(odd_names());
    let resolver = resolver(registry.dns());
    for (name, expected) in [
        ("static.crates.io.", "127.0.0.1"),
        ("static.crates.iocrates.", "NXDomain"),
        ("nodata.test.", "NoError"),
        ("servfail.test.", "ServFail"),
        ("refused.test.", "Refused"),
        ("silence.test.", "timeout"),
    ] {
        assert_eq!(learn(&resolver, name).await, expected, "{name}");
    }
    assert!(registry.stop().queries >= 6);
}

#[tokio::test]
async fn hostile_packets_do_not_stop_it() {
    let registry = with_zone(odd_names());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for packet in [&b""[..], &[0xff; 4_096], &[0; 11], &[0; 12], &[0xc0; 30]] {
        socket.send_to(packet, registry.dns()).unwrap();
    }
    assert_eq!(learn(&resolver(registry.dns()), "crates.io.").await, "127.0.0.1");
    registry.stop();
}

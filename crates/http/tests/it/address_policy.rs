//! Addresses that are not connected to (D4, T25).

use windlass_http::{AddressPolicy, ConnectionConfig, Proxies, Secret, SendError, Transport};

use crate::server::{RequestLog, ScriptedServer};
use crate::support::{StaticNames, connection, error_chain, get, text};

fn careful() -> ConnectionConfig {
    ConnectionConfig {
        address_policy: AddressPolicy::NoLinkLocal,
        ..connection()
    }
}

#[tokio::test]
async fn a_link_local_literal_is_rejected() {
    for (url, address) in [
        ("http://169.254.169.254/", "169.254.169.254"),
        ("https://[fe80::1]/", "fe80::1"),
        ("http://[::ffff:169.254.169.254]/", "::ffff:169.254.169.254"),
        ("http://2852039166/", "169.254.169.254"),
        ("http://0/", "0.0.0.0"),
        ("http://[::]/", "::"),
        ("http://224.0.0.1/", "224.0.0.1"),
    ] {
        let transport = Transport::new(&careful()).unwrap();
        let error = get(&transport, url).await.unwrap_err();
        let expected = format!("connections to the address {address} are not allowed");
        assert_eq!(error_chain(&error), expected, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_to_link_local_addresses_is_rejected() {
    let names = StaticNames::new(&[("auth.test", &["169.254.169.254", "fe80::1"])]);
    let transport = Transport::with_resolver(&careful(), names).unwrap();
    let error = get(&transport, "https://auth.test/").await.unwrap_err();
    assert!(
        matches!(error, SendError::RefusedAddress { .. }),
        "{error:?}"
    );
}

/// A link-local address is skipped even if it is the first of several.
#[tokio::test]
async fn link_local_addresses_among_others_are_skipped() {
    let server = ScriptedServer::greeting(&RequestLog::default()).await;
    let names = StaticNames::new(&[("auth.test", &["169.254.169.254", "127.0.0.1"])]);
    let transport = Transport::with_resolver(&careful(), names).unwrap();
    let url = format!("http://auth.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

/// D1: loopback is connected to without TLS, so name servers must not redirect its names.
#[tokio::test]
async fn localhost_names_resolve_to_loopback_only() {
    let server = ScriptedServer::greeting(&RequestLog::default()).await;
    let names = StaticNames::new(&[
        ("registry.localhost", &["192.0.2.1", "127.0.0.1"]),
        ("evil.localhost", &["192.0.2.1"]),
    ]);
    let transport = Transport::with_resolver(&connection(), names).unwrap();
    let url = format!("http://registry.localhost:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
    let error = get(&transport, "http://evil.localhost/").await.unwrap_err();
    assert_eq!(
        error_chain(&error),
        "no such host: a name of this machine does not resolve to a loopback address"
    );
}

/// The proxy would connect to the literal, so no request reaches it.
#[tokio::test]
async fn a_link_local_literal_is_rejected_before_a_proxy() {
    let log = RequestLog::default();
    let server = ScriptedServer::greeting(&log).await;
    let proxy = Some(Secret::new(server.url()));
    let connection = ConnectionConfig {
        proxies: Proxies {
            http: proxy.clone(),
            https: proxy,
            no_proxy: None,
        },
        ..careful()
    };
    let transport = Transport::new(&connection).unwrap();
    for url in ["http://169.254.169.254/", "https://169.254.169.254/"] {
        let error = get(&transport, url).await.unwrap_err();
        assert!(
            matches!(error, SendError::RefusedAddress { .. }),
            "{error:?}"
        );
    }
    assert_eq!(log.lines(), [""; 0]);
}

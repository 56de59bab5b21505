//! Addresses that are not dialled, whatever leads to them (D4, T25).

use windlass_http::{AddressPolicy, Connection, Proxies, Secret, SendError, Transport};

use crate::server::{Log, Server};
use crate::support::{Names, connection, get, shown, text};

fn careful() -> Connection {
    Connection {
        reach: AddressPolicy::NoLinkLocal,
        ..connection()
    }
}

#[tokio::test]
async fn a_literal_on_the_link_is_refused() {
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
        let expected = format!("the host's address {address} is not asked");
        assert_eq!(shown(&error), expected, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_leads_onto_the_link_is_refused() {
    let names = Names::new(&[("auth.test", &["169.254.169.254", "fe80::1"])]);
    let transport = Transport::with_resolver(&careful(), names).unwrap();
    let error = get(&transport, "https://auth.test/").await.unwrap_err();
    assert!(
        matches!(error, SendError::RefusedAddress { .. }),
        "{error:?}"
    );
}

/// Not even among others: the first address would be dialled first.
#[tokio::test]
async fn of_several_addresses_the_others_are_dialled() {
    let server = Server::friendly(&Log::default()).await;
    let names = Names::new(&[("auth.test", &["169.254.169.254", "127.0.0.1"])]);
    let transport = Transport::with_resolver(&careful(), names).unwrap();
    let url = format!("http://auth.test:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
}

/// D1: this machine is spoken to without TLS, so name servers have no say in where it is.
#[tokio::test]
async fn a_name_of_this_machine_leads_to_no_other() {
    let server = Server::friendly(&Log::default()).await;
    let names = Names::new(&[
        ("registry.localhost", &["192.0.2.1", "127.0.0.1"]),
        ("evil.localhost", &["192.0.2.1"]),
    ]);
    let transport = Transport::with_resolver(&connection(), names).unwrap();
    let url = format!("http://registry.localhost:{}/", server.address.port());
    assert_eq!(text(&transport, &url).await, "hello");
    let error = get(&transport, "http://evil.localhost/").await.unwrap_err();
    assert_eq!(
        shown(&error),
        "no such host: a name of this machine has no address of it"
    );
}

/// A proxy would dial it, and is not asked to.
#[tokio::test]
async fn a_literal_is_refused_on_the_way_through_a_proxy_too() {
    let log = Log::default();
    let server = Server::friendly(&log).await;
    let proxy = Some(Secret::new(server.url()));
    let connection = Connection {
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

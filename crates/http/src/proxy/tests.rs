//! Parsing of proxies, and their selection.

use super::*;

fn parsed(text: &str) -> Result<String, &'static str> {
    ProxyServer::parse(text).map(|proxy| {
        let ProxyServer {
            protocol,
            host,
            port,
            ..
        } = &proxy;
        let credentials = proxy.credentials.as_ref().map_or_else(String::new, |it| {
            format!(" {}:{}", it.username.expose(), it.password.expose())
        });
        format!("{protocol:?} {host} {port}{credentials}")
    })
}

#[test]
fn proxies_are_urls() {
    for (text, expected) in [
        (
            "http://proxy.test:3128",
            Ok("Http { secure: false } proxy.test 3128"),
        ),
        (
            "proxy.test:3128",
            Ok("Http { secure: false } proxy.test 3128"),
        ),
        ("proxy.test", Ok("Http { secure: false } proxy.test 80")),
        (
            "https://me:p%40ss@proxy.test/",
            Ok("Http { secure: true } proxy.test 443 me:p@ss"),
        ),
        (
            "socks5://127.0.0.1",
            Ok("Socks { resolves_locally: true } 127.0.0.1 1080"),
        ),
        (
            "socks5h://me@[::1]:9050",
            Ok("Socks { resolves_locally: false } [::1] 9050 me:"),
        ),
        (
            "socks4://proxy.test",
            Err("its scheme is not http, https, socks5 or socks5h"),
        ),
        ("http://", Err("it is not a URL")),
        ("socks5://", Err("it has no host")),
        (
            "http://%FF@proxy.test",
            Err("its credentials are not UTF-8"),
        ),
    ] {
        assert_eq!(parsed(text), expected.map(str::to_owned), "{text}");
    }
    let long = format!("socks5://me:{}@proxy.test", "x".repeat(256));
    let reason = "its credentials are longer than SOCKS allows";
    assert_eq!(parsed(&long), Err(reason));
}

/// I7: neither the error nor `Debug` shows the password.
#[test]
fn an_invalid_proxy_is_reported_by_its_scheme_only() {
    let proxies = Proxies {
        https: Some(Secret::new("gopher://me:hunter2@proxy.test")),
        ..Proxies::default()
    };
    let error = ProxyRoutes::new(&proxies).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the https proxy cannot be used: its scheme is not http, https, socks5 or socks5h"
    );
    let good = ProxyServer::parse("http://me:hunter2@proxy.test").unwrap();
    assert!(!format!("{good:?} {:?}", good.authorization()).contains("hunter2"));
}

fn routes(no_proxy: &str) -> ProxyRoutes {
    ProxyRoutes::new(&Proxies {
        http: Some(Secret::new("http://plain.test:3128")),
        https: Some(Secret::new("http://secure.test:3128")),
        no_proxy: Some(no_proxy.to_owned()),
    })
    .unwrap()
}

fn target(uri: &str) -> TargetOrigin {
    TargetOrigin::of(&uri.parse().unwrap()).unwrap()
}

#[test]
fn each_scheme_has_its_proxy_and_loopback_has_none() {
    let routes = routes("");
    for (uri, expected) in [
        ("http://registry.test/", Some("plain.test")),
        ("https://registry.test/", Some("secure.test")),
        ("https://localhost/", None),
        ("https://a.localhost/", None),
        ("https://127.0.0.1/", None),
        ("http://127.9.9.9:5000/", None),
        ("http://2130706433/", None),
        ("https://[::1]/", None),
        ("https://[::ffff:127.0.0.1]/", None),
        ("https://10.0.0.1/", Some("secure.test")),
    ] {
        let proxy = routes
            .proxy_for(&target(uri))
            .map(|proxy| proxy.host.to_string());
        assert_eq!(proxy.as_deref(), expected, "{uri}");
    }
}

#[test]
fn no_proxy_lists_hosts_connected_to_directly() {
    for (no_proxy, uri, direct) in [
        ("", "https://registry.test/", false),
        ("*", "https://registry.test/", true),
        ("registry.test", "https://registry.test/", true),
        ("registry.test", "https://REGISTRY.test/", true),
        ("Registry.Test.", "https://registry.test/", true),
        ("registry.test", "https://a.registry.test/", true),
        ("registry.test", "https://aregistry.test/", false),
        ("registry.test", "https://registry.test.evil.test/", false),
        (".registry.test", "https://a.registry.test/", true),
        (".registry.test", "https://a.b.registry.test/", true),
        (".registry.test", "https://registry.test/", false),
        ("*.registry.test", "https://a.registry.test/", true),
        ("*.registry.test", "https://registry.test/", false),
        ("registry.test:5000", "https://registry.test:5000/", true),
        ("registry.test:5000", "https://registry.test/", false),
        ("registry.test:443", "https://registry.test/", true),
        ("registry.test:80", "http://registry.test/", true),
        ("10.0.0.1", "http://10.0.0.1/", true),
        ("10.0.0.1", "http://10.0.0.2/", false),
        ("10.0.0.1:5000", "http://10.0.0.1:5000/", true),
        ("10.0.0.1:5000", "http://10.0.0.1/", false),
        ("10.0.0.0/8", "http://10.255.0.1/", true),
        ("10.0.0.0/8", "http://11.0.0.1/", false),
        ("10.1.2.3/8", "http://10.255.0.1/", true),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/", true),
        ("0.0.0.0/0", "http://192.0.2.1/", true),
        ("0.0.0.0/0", "http://[2001:db8::1]/", false),
        ("10.0.0.0/33", "http://10.0.0.1/", false),
        ("10.0.0.0/8", "http://registry.test/", false),
        ("2001:db8::/32", "http://[2001:db8::1]/", true),
        ("2001:db8::/32", "http://[2001:db9::1]/", false),
        ("2001:db8::1", "http://[2001:db8::1]:5000/", true),
        ("[2001:db8::1]", "http://[2001:db8::1]:5000/", true),
        ("[2001:db8::1]:5000", "http://[2001:db8::1]:5000/", true),
        ("[2001:db8::1]:5000", "http://[2001:db8::1]/", false),
        ("a.test, registry.test", "https://registry.test/", true),
        ("a.test registry.test", "https://registry.test/", true),
        (",,", "https://registry.test/", false),
        (".", "https://registry.test/", false),
        (":443", "https://registry.test/", false),
    ] {
        let proxy = routes(no_proxy).proxy_for(&target(uri)).is_some();
        assert_eq!(!proxy, direct, "{no_proxy} {uri}");
    }
}

#[test]
fn only_plain_http_is_relayed() {
    let routes = |proxy: &str| {
        ProxyRoutes::new(&Proxies {
            http: Some(Secret::new(proxy)),
            https: Some(Secret::new(proxy)),
            no_proxy: None,
        })
        .unwrap()
    };
    let (http, socks) = (routes("http://proxy.test"), routes("socks5://proxy.test"));
    let (plain, secure) = (target("http://r.test/"), target("https://r.test/"));
    assert!(http.relay_for(&plain).is_some());
    assert!(http.relay_for(&secure).is_none());
    assert!(socks.relay_for(&plain).is_none());
    assert!(socks.relay_for(&secure).is_none());
}

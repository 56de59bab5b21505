//! The registry's own host: what is said about it, and by whom.

use crate::support::{CERTIFICATE, Files, KEY, hosts};

/// A client certificate is one setting: of several the one of the strongest file is used, and that is said.
#[test]
fn the_users_own_client_certificate_wins() {
    let names = ["user.pem", "system.pem"];
    let pems = names.map(|name| format!("{name}\n{CERTIFICATE}{KEY}"));
    let mut all = vec![
        ("user.pem", &*pems[0]),
        ("system.pem", &*pems[1]),
        ("user.toml", "[registry.'a.test']\nclient = 'user.pem'"),
        ("system.toml", "[registry.'a.test']\nclient = 'system.pem'"),
        ("first/a.test/me.cert", CERTIFICATE),
        ("first/a.test/me.key", KEY),
    ];
    for expected in [&*pems[0], &*pems[1], CERTIFICATE] {
        let files = Files::new(&all);
        let loaded = files.load().unwrap();
        let identity = loaded.certificates["a.test"].identity.as_ref().unwrap();
        assert_eq!(String::from_utf8_lossy(&identity.certificates), expected);
        if expected == pems[0] {
            let used = "of several client certificates the first is used: user.toml";
            assert_eq!(
                files.findings(&loaded),
                [
                    format!("system.toml:1: {used}"),
                    format!("first/a.test: {used}")
                ]
            );
        }
        all.remove(2);
    }
}

/// Who says that certificates count is not to be overruled by a weaker file.
#[test]
fn certificates_can_be_made_to_count_again() {
    let strict = "[registry.'a.test']\nskip-verify = false";
    for (files, expected) in [
        (
            vec![("system.toml", "[registry.'a.test']\nskip-verify = true")],
            true,
        ),
        (
            vec![
                ("system.toml", "[registry.'a.test']\nskip-verify = true"),
                ("user.toml", strict),
            ],
            false,
        ),
        (
            vec![("first/a.test/hosts.toml", "skip_verify = true")],
            true,
        ),
        (
            vec![
                ("first/a.test/hosts.toml", "skip_verify = true"),
                ("system.toml", strict),
            ],
            false,
        ),
        (
            vec![
                ("system.toml", strict),
                ("user.toml", "[registry.'a.test']\nskip-verify = true"),
            ],
            true,
        ),
    ] {
        let loaded = Files::new(&files).load().unwrap();
        let server = &loaded.registry("a.test").unwrap().server;
        let by_server = server
            .as_ref()
            .is_some_and(|host| host.value.tls.skip_verify);
        let by_host = loaded.certificates.get("a.test");
        let by_host = by_host.is_some_and(|tls| tls.skip_verify);
        assert_eq!(by_server || by_host, expected, "{files:?}");
    }
}

/// What `_default` says is for registries without a directory, its proxy too.
#[test]
fn the_default_proxy_is_not_everybodys() {
    let files = Files::new(&[
        (
            "first/_default/hosts.toml",
            "server = 's.test'\nproxy = 'http://p.test'",
        ),
        ("first/a.test/hosts.toml", "server = 'own.test'"),
        ("first/b.test/ca.crt", CERTIFICATE),
        ("system.toml", "[registry.'c.test']\nmirror = ['m.test']"),
    ]);
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        ("a.test", false),
        ("b.test", false),
        ("c.test", false),
        ("d.test", true),
    ] {
        let settings = loaded.registry(registry).unwrap();
        assert_eq!(settings.proxies.is_some(), expected, "{registry}");
    }
}

/// EP-4: what is asked by plain http, too, is not to be cut off from it by a key that is about something else.
#[test]
fn a_host_that_may_be_without_tls_is_named_with_its_scheme() {
    let files = Files::new(&[
        (
            "system.toml",
            "insecure-registries = ['lab:5000', '10.0.0.0/8', 'port.test']
            [registry.'lab:5000']
            dial-timeout = '1s'
            [registry.'10.1.2.3']
            header.x = 'y'
            [registry.'127.0.0.1:5000']
            dial-timeout = '1s'
            [registry.'port.test:81']
            dial-timeout = '1s'
            [registry.'port.test:82']
            server = 'http://port.test:82'
            dial-timeout = '1s'
            [registry.'quay.io']
            dial-timeout = '1s'",
        ),
        ("first/localhost:5000/hosts.toml", "[header]\nx = 'y'"),
    ]);
    let loaded = files.load().unwrap();
    for (registry, place) in [
        ("lab:5000", "system.toml:2:23: registry.\"lab:5000\""),
        ("10.1.2.3", "system.toml:4:23: registry.\"10.1.2.3\""),
        (
            "127.0.0.1:5000",
            "system.toml:6:23: registry.\"127.0.0.1:5000\"",
        ),
        (
            "port.test:81",
            "system.toml:8:23: registry.\"port.test:81\"",
        ),
        ("localhost:5000", "first/localhost:5000/hosts.toml:1:1"),
    ] {
        assert_eq!(
            files.why_not(&loaded, registry),
            format!(
                "{place}: this host may be spoken to without TLS: say with `server` whether it is \
                 at `https://` or `http://`"
            )
        );
    }
    assert_eq!(hosts(&loaded, "quay.io"), ["https://quay.io/"]);
    assert_eq!(hosts(&loaded, "port.test:82"), ["http://port.test:82/"]);
}

/// To say which certificates are trusted closes no way.
#[test]
fn certificates_alone_leave_the_ways_to_a_host_as_they_are() {
    let files = Files::new(&[
        (
            "first/localhost:5000/hosts.toml",
            "ca = 'own.pem'\nskip_verify = true",
        ),
        ("first/localhost:5000/own.pem", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "localhost:5000"), Vec::<String>::new());
    let tls = &loaded.certificates["localhost:5000"];
    assert_eq!((tls.roots.len(), tls.skip_verify), (1, true));
}

//! The configuration of the registry's own host, by files of all kinds.

use crate::support::{CERTIFICATE, Files, KEY, hosts};

/// Of several client certificates the one of the strongest file is used, and the others are findings.
#[test]
fn the_client_certificate_of_the_user_is_used() {
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

/// A weaker file cannot turn off the verification of certificates that a stronger one turns on.
#[test]
fn verification_can_be_turned_on_again() {
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

/// `_default` is for registries without a directory, and so is its proxy.
#[test]
fn the_proxy_of_default_is_not_for_all() {
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

/// EP-4: a key about something else must not turn off plain HTTP for a host that may be used with it.
#[test]
fn a_host_that_may_be_insecure_needs_its_scheme() {
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
    for (registry, position) in [
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
            files.registry_error(&loaded, registry),
            format!(
                "{position}: this host may be used without TLS: set `server` to its address with `https://` or \
                 `http://`"
            )
        );
    }
    assert_eq!(hosts(&loaded, "quay.io"), ["https://quay.io/"]);
    assert_eq!(hosts(&loaded, "port.test:82"), ["http://port.test:82/"]);
}

/// Keys about certificates do not turn off plain HTTP.
#[test]
fn certificates_do_not_change_the_schemes_of_a_host() {
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

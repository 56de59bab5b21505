//! The `certs.d` directories of containerd, Docker and podman.

use windlass_config::{SourceKind, SourceState};

use crate::support::{CERTIFICATE, Files, KEY, hosts};

/// The names of directories that containerd uses for a registry, in its order.
#[test]
fn a_registry_can_have_several_directories() {
    let files = Files::new(&[
        (
            "first/a.test_5000_/hosts.toml",
            "server = 'underscores.test'",
        ),
        ("first/a.test:5000/hosts.toml", "server = 'colon.test'"),
        ("first/b.test:5000/hosts.toml", "server = 'colon.test'"),
        ("first/b.test/hosts.toml", "server = 'no-port.test'"),
        ("first/_default/hosts.toml", "server = 'default.test'"),
        ("first/C.test/hosts.toml", "server = 'lower.test'"),
    ]);
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        ("a.test:5000", "https://underscores.test/"),
        ("a.test", "https://default.test/"),
        ("a.test:5001", "https://default.test/"),
        ("b.test:5000", "https://colon.test/"),
        ("b.test", "https://no-port.test/"),
        ("b.test:443", "https://default.test/"),
        ("c.test", "https://lower.test/"),
        ("docker.io", "https://default.test/"),
    ] {
        assert_eq!(hosts(&loaded, registry), [expected], "{registry}");
    }
}

#[test]
fn the_first_hosts_toml_counts() {
    let files = Files::new(&[
        ("first/a.test/ca.crt", CERTIFICATE),
        ("second/a.test/hosts.toml", "server = 'second.test'"),
        ("second/a.test/ca.crt", CERTIFICATE),
        ("first/b.test/hosts.toml", "server = 'first.test'"),
        ("second/b.test/hosts.toml", "this is = not = TOML"),
        ("first/c.test/hosts.toml", ""),
        ("second/c.test/hosts.toml", "server = 'second.test'"),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://second.test/"]);
    assert_eq!(hosts(&loaded, "b.test"), ["https://first.test/"]);
    assert_eq!(hosts(&loaded, "c.test"), ["https://second.test/"]);
    assert_eq!(loaded.certificates["a.test"].roots.len(), 2);
    let ignored = loaded.sources.iter().filter(|source| {
        source.kind == SourceKind::HostsToml && source.state == SourceState::Ignored
    });
    let ignored: Vec<_> = ignored.map(|source| source.path.clone()).collect();
    assert_eq!(
        ignored,
        ["first/c.test/hosts.toml", "second/b.test/hosts.toml"].map(|name| files.path(name))
    );
}

/// As in containerd, `_default` is for registries that have no directory beside it.
#[test]
fn default_is_not_for_registries_with_a_directory() {
    let files = Files::new(&[
        ("second/_default/hosts.toml", "[host.'https://mirror.test']"),
        ("second/a.test/ca.crt", CERTIFICATE),
        ("first/b.test/ca.crt", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), Vec::<String>::new());
    assert_eq!(hosts(&loaded, "b.test"), ["https://mirror.test/"]);
    assert_eq!(hosts(&loaded, "c.test"), ["https://mirror.test/"]);
}

/// EP-10, EP-11: certificates count for insecure registries, too.
#[test]
fn certificates_are_read_as_docker_does() {
    let files = Files::new(&[
        ("system.toml", "insecure-registries = ['a.test:5000']"),
        ("first/a.test:5000/b.crt", CERTIFICATE),
        ("first/a.test:5000/a.crt", CERTIFICATE),
        ("first/a.test:5000/me.cert", CERTIFICATE),
        ("first/a.test:5000/me.key", KEY),
        ("first/a.test:5000/readme.txt", "hello"),
        ("first/index.docker.io/ca.crt", CERTIFICATE),
        ("first/lab/ca.crt", CERTIFICATE),
        ("first/b.test:443/ca.crt", CERTIFICATE),
        ("second/_default/company.crt", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    let tls = &loaded.certificates["a.test:5000"];
    assert_eq!(tls.roots.len(), 2);
    let identity = tls.identity.as_ref().unwrap();
    assert_eq!(identity.certificates, CERTIFICATE.as_bytes());
    assert_eq!(identity.key.expose(), KEY);
    let endpoints: Vec<&str> = loaded.certificates.keys().map(String::as_str).collect();
    assert_eq!(
        endpoints,
        ["a.test:5000", "b.test", "lab", "registry-1.docker.io"]
    );
    let ca = loaded.settings.ca.as_ref().unwrap();
    assert_eq!(ca.value.len(), 1);
    assert_eq!(ca.value[0].path, files.path("second/_default"));
    assert_eq!(files.findings(&loaded), Vec::<String>::new());
}

/// EP-10: the error names the missing file, and does not affect other registries.
#[test]
fn half_a_client_certificate_is_an_error_of_its_registry() {
    let files = Files::new(&[
        ("first/cert.test/me.cert", CERTIFICATE),
        ("first/key.test/me.key", KEY),
        ("first/port.test:443/me.key", KEY),
        ("first/docker.io/me.key", KEY),
        ("first/mirror.test:5000/me.key", KEY),
        (
            "first/a.test/hosts.toml",
            "[host.'https://mirror.test:5000']",
        ),
        ("first/moved.test/hosts.toml", "server = 'elsewhere.test'"),
        ("second/moved.test/me.key", KEY),
        ("first/fine.test/ca.crt", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        (
            "cert.test",
            "first/cert.test/me.cert: first/cert.test/me.key is missing beside it (a CA's certificate ends in .crt)",
        ),
        (
            "port.test:443",
            "first/port.test:443/me.key: first/port.test:443/me.cert is missing beside it",
        ),
        (
            "key.test",
            "first/key.test/me.key: first/key.test/me.cert is missing beside it",
        ),
        (
            "docker.io",
            "first/docker.io/me.key: first/docker.io/me.cert is missing beside it",
        ),
        (
            "a.test",
            "first/mirror.test:5000/me.key: first/mirror.test:5000/me.cert is missing beside it",
        ),
        (
            "mirror.test:5000",
            "first/mirror.test:5000/me.key: first/mirror.test:5000/me.cert is missing beside it",
        ),
    ] {
        assert_eq!(files.registry_error(&loaded, registry), expected);
    }
    assert_eq!(hosts(&loaded, "moved.test"), ["https://elsewhere.test/"]);
    assert!(loaded.registry("fine.test").is_ok());
}

#[test]
fn invalid_certificates_are_errors() {
    let encrypted = KEY.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let files = Files::new(&[
        ("first/a.test/ca.crt", "not PEM"),
        (
            "first/b.test/ca.crt",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ),
        ("first/c.test/me.cert", CERTIFICATE),
        ("first/c.test/me.key", &encrypted),
        ("first/d.test/me.cert", CERTIFICATE),
        ("first/d.test/me.key", CERTIFICATE),
        ("first/e.test/ca.crt/file", ""),
        ("first/f.test/ca.crt", &"x".repeat((1 << 20) + 1)),
    ]);
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        (
            "a.test",
            "ca.crt: it holds no certificate in PEM form that can be read",
        ),
        (
            "b.test",
            "ca.crt: it holds no certificate in PEM form that can be read",
        ),
        (
            "c.test",
            "me.key: its private key is encrypted: store it without a passphrase",
        ),
        (
            "d.test",
            "me.key: it holds no private key in PEM form that can be read",
        ),
        ("e.test", "ca.crt: it is not a regular file"),
        ("f.test", "ca.crt: it is larger than 1048576 bytes"),
    ] {
        let expected = format!("first/{registry}: first/{registry}/{expected}");
        assert_eq!(files.registry_error(&loaded, registry), expected);
    }
}

/// A `hosts.toml` may name the files in its directory, whatever their names are.
#[test]
fn files_beside_a_hosts_toml_are_not_checked() {
    let files = Files::new(&[
        (
            "first/a.test/hosts.toml",
            "client = [['tls.crt', 'tls.key']]",
        ),
        ("first/a.test/tls.crt", CERTIFICATE),
        ("first/a.test/tls.key", KEY),
        ("first/a.test/ca.crt", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://a.test/"]);
    assert_eq!(loaded.certificates["a.test"].roots.len(), 1);
}

#[test]
fn of_several_client_certificates_the_first_is_used() {
    let both = format!("{CERTIFICATE}{KEY}");
    let files = Files::new(&[
        ("first/a.test/b.cert", &both),
        ("first/a.test/a.cert", CERTIFICATE),
        ("first/a.test/a.key", KEY),
        ("first/_default/me.cert", &both),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(
        files.findings(&loaded),
        [
            "first/_default: a client certificate for every registry is ignored",
            "first/a.test: of several client certificates the first is used: first/a.test/a.cert",
        ]
    );
    let identity = loaded.certificates["a.test"].identity.as_ref().unwrap();
    assert_eq!(identity.certificates, CERTIFICATE.as_bytes());
}

/// An error in the configuration of all registries makes the whole configuration invalid.
#[test]
fn a_broken_default_is_an_error() {
    let files = Files::new(&[("first/_default/hosts.toml", "server = 1")]);
    assert_eq!(
        files.load().unwrap_err(),
        "first/_default/hosts.toml:1:1: server: expected a string, found a number"
    );
    let files = Files::new(&[
        ("first/_default/hosts.toml", "server = 'mirror.test'"),
        ("first/mirror.test/me.key", KEY),
    ]);
    assert_eq!(
        files.load().unwrap_err(),
        "first/mirror.test/me.key: first/mirror.test/me.cert is missing beside it"
    );
}

#[test]
fn other_files_and_directories_are_ignored() {
    let files = Files::new(&[
        ("first/hosts.toml", "server = 'x'"),
        ("first/..data/hosts.toml", "server = 'x'"),
        ("first/not a host/hosts.toml", "server = 'x'"),
        ("first/lab/hosts.toml", "server = 'x'"),
        ("second", "a file"),
    ]);
    let loaded = files.load().unwrap();
    assert!(loaded.registries.is_empty());
    assert_eq!(
        files.findings(&loaded),
        [
            "first/lab/hosts.toml: not the name of a registry, ignored",
            "first/not a host: not the name of a registry, ignored",
        ]
    );
}

#[test]
fn the_number_of_entries_is_limited() {
    let files = Files::new(&[]);
    for number in 0..=10_000 {
        files.write(&format!("first/a.test/{number}"), "");
    }
    assert_eq!(
        files.load().unwrap_err(),
        "first/a.test: the directories for certificates hold more than 10000 entries"
    );
}

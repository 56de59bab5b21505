//! Which endpoints there are, in which order, and where their APIs are.

use std::io;

use super::*;
use crate::credentials::Secret;
use crate::hosts::RegistryHosts;

fn of(reference: &str, config: &RegistryConfig) -> Vec<Endpoint> {
    let reference: windlass_oci::Reference = reference.parse().unwrap();
    Endpoint::of(reference.repository(), config).unwrap()
}

fn endpoints(reference: &str, insecure: &[&str]) -> Vec<String> {
    let config = RegistryConfig {
        insecure: insecure.iter().map(ToString::to_string).collect(),
        ..RegistryConfig::default()
    };
    let endpoints = of(reference, &config);
    endpoints.iter().map(ToString::to_string).collect()
}

fn host(url: &str) -> HostConfig {
    HostConfig::new(Url::parse(url).unwrap())
}

/// A configuration that says something about `registry` alone.
fn configured(registry: &str, hosts: RegistryHosts) -> RegistryConfig {
    let mut config = RegistryConfig::default();
    config.registries.named.insert(registry.to_owned(), hosts);
    config
}

fn mirrors(urls: &[&str]) -> RegistryHosts {
    RegistryHosts {
        mirrors: urls.iter().map(|url| host(url)).collect(),
        ..RegistryHosts::default()
    }
}

/// EP-1.
#[test]
fn docker_hub_is_answered_by_its_registry_host() {
    assert_eq!(endpoints("alpine", &[]), ["https://registry-1.docker.io"]);
    let hub = &of("alpine", &RegistryConfig::default())[0];
    assert_eq!(hub.way().key, "docker.io");
    assert_eq!(hub.api("x").as_str(), "https://registry-1.docker.io/v2/x");
}

/// EP-1, EP-2: mirrors in their order, for any registry, and the registry behind them.
#[test]
fn mirrors_are_asked_before_the_registry() {
    for registry in ["docker.io", "quay.io", "registry.test:5000"] {
        let hosts = mirrors(&["https://b.test", "http://a.test:8080"]);
        let found = of(&format!("{registry}/x/y"), &configured(registry, hosts));
        let shown: Vec<_> = found.iter().map(|it| (it.to_string(), it.role())).collect();
        let own = match registry {
            "docker.io" => "https://registry-1.docker.io".to_owned(),
            registry => format!("https://{registry}"),
        };
        let expected = [
            ("https://b.test".to_owned(), EndpointRole::Mirror),
            ("http://a.test:8080".to_owned(), EndpointRole::Mirror),
            (own, EndpointRole::Registry),
        ];
        assert_eq!(shown, expected);
    }
    let config = configured("quay.io", mirrors(&["https://b.test"]));
    assert_eq!(of("ghcr.io/x", &config).len(), 1);
}

/// EP-2: what is configured for everybody is for those of whom nothing is.
#[test]
fn the_default_is_for_registries_that_are_not_named() {
    let mut config = configured("quay.io", RegistryHosts::default());
    config.registries.default = mirrors(&["https://cache.test"]);
    let shown = |reference| of(reference, &config)[0].to_string();
    assert_eq!(shown("ghcr.io/x"), "https://cache.test");
    assert_eq!(shown("quay.io/x"), "https://quay.io");
}

/// EP-4, EP-7.
#[test]
fn https_unless_loopback_or_listed() {
    let (secure, plain) = ("https://registry.test:5000", "http://registry.test:5000");
    assert_eq!(endpoints("quay.io/a/b", &[]), ["https://quay.io"]);
    assert_eq!(
        endpoints("registry.test:5000/b", &["registry.test:5000"]),
        [secure, plain]
    );
    assert_eq!(
        endpoints("10.1.2.3:5000/b", &["10.0.0.0/8"]),
        ["https://10.1.2.3:5000", "http://10.1.2.3:5000"]
    );
    assert_eq!(
        endpoints("localhost:5000/b", &[]),
        ["http://localhost:5000", "https://localhost:5000"]
    );
    assert_eq!(
        endpoints("127.0.0.1:5000/b", &[]),
        ["http://127.0.0.1:5000", "https://127.0.0.1:5000"]
    );
    // By what the name resolves to, which is looked at when it is dialled.
    assert_eq!(
        endpoints("registry.test:5000/b", &["10.0.0.0/8"]),
        [secure, secure, plain]
    );
    let config = RegistryConfig {
        insecure: vec!["10.0.0.0/8".to_owned()],
        ..RegistryConfig::default()
    };
    let found = of("registry.test:5000/b", &config);
    let bounds: Vec<_> = found
        .iter()
        .map(|it| (it.way().tls.skip_verify, it.way().within.len()))
        .collect();
    assert_eq!(bounds, [(false, 0), (true, 1), (false, 1)]);
}

/// FB-8: the one registry that is configured badly says so, with the reason; the others do not suffer.
#[test]
fn an_unusable_configuration_is_an_error_that_says_why() {
    let mut config = RegistryConfig::default();
    let broken = InvalidConfig::new(io::Error::other("hosts.toml: line 3"));
    config
        .registries
        .unusable
        .insert("quay.io".to_owned(), broken);
    let reference: windlass_oci::Reference = "quay.io/x".parse().unwrap();
    let error = Endpoint::of(reference.repository(), &config).unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        format!("{error}: {source}"),
        "the configuration of quay.io cannot be used: hosts.toml: line 3"
    );
    assert_eq!(of("alpine", &config).len(), 1);
}

/// `override_path`, and what containerd makes of paths without it.
#[test]
fn the_api_is_below_the_path_of_the_host() {
    for (url, override_path, expected) in [
        ("https://m.test", false, "https://m.test/v2/x"),
        ("https://m.test/", true, "https://m.test/x"),
        ("https://m.test/prefix", false, "https://m.test/prefix/v2/x"),
        (
            "https://m.test/prefix/",
            false,
            "https://m.test/prefix/v2/x",
        ),
        ("https://m.test/v2", false, "https://m.test/v2/x"),
        ("https://m.test/v2/hub", false, "https://m.test/v2/hub/v2/x"),
        ("https://m.test/v2/hub", true, "https://m.test/v2/hub/x"),
    ] {
        let server = HostConfig {
            override_path,
            ..host(url)
        };
        let hosts = RegistryHosts {
            server: Some(server),
            ..RegistryHosts::default()
        };
        let endpoint = &of("quay.io/x", &configured("quay.io", hosts))[0];
        assert_eq!(
            endpoint.api("x").as_str(),
            expected,
            "{url} {override_path}"
        );
    }
}

/// A mirror is told with every request whose images it is asked for; the registry itself is not.
#[test]
fn mirrors_are_told_the_namespace() {
    let config = configured(
        "docker.io",
        mirrors(&["https://m.test", "https://registry-1.docker.io"]),
    );
    let found = of("alpine", &config);
    let urls: Vec<_> = found.iter().map(|it| it.api("a/tags/list")).collect();
    assert_eq!(
        urls[0].as_str(),
        "https://m.test/v2/a/tags/list?ns=docker.io"
    );
    assert_eq!(
        urls[1].as_str(),
        "https://registry-1.docker.io/v2/a/tags/list"
    );
    assert_eq!(urls[1], urls[2]);
    let page = Url::parse("https://m.test/v2/a/tags/list?last=x").unwrap();
    let page = found[0].with_namespace(page);
    assert_eq!(page.query(), Some("last=x&ns=docker.io"));
    assert_eq!(found[0].with_namespace(page.clone()), page);
}

/// D12: a mirror's credentials are filed under its own host, the registry's under its name.
#[test]
fn credentials_are_filed_under_the_host_they_are_for() {
    let config = configured(
        "quay.io",
        mirrors(&["https://m.test:443", "http://m.test:5000"]),
    );
    let keys = |reference: &str| -> Vec<_> {
        let found = of(reference, &config);
        found.iter().map(|it| it.way().key.clone()).collect()
    };
    assert_eq!(keys("quay.io/x"), ["m.test", "m.test:5000", "quay.io"]);
    assert_eq!(keys("registry.test:443/x"), ["registry.test:443"]);
}

/// A mirror in the clear may be configured, but gets no credentials, unless it is listed or this machine.
#[test]
fn credentials_are_not_sent_in_the_clear() {
    let mut config = configured(
        "quay.io",
        mirrors(&[
            "http://m.test",
            "http://listed.test",
            "http://127.0.0.1:5000",
            "https://m.test",
        ]),
    );
    config.insecure = vec!["listed.test".to_owned()];
    let found = of("quay.io/x", &config);
    let may: Vec<_> = found
        .iter()
        .map(|it| it.may_have_credentials(&config))
        .collect();
    assert_eq!(may, [false, true, true, true, true]);
}

#[test]
fn a_header_that_cannot_be_sent_is_an_error() {
    for (name, value) in [
        ("bad name", "x"),
        ("x-token", "hunter2\n"),
        ("Range", "bytes=1-"),
    ] {
        let mut server = host("https://m.test");
        server.headers = vec![(name.to_owned(), Secret::new(value))];
        let hosts = RegistryHosts {
            server: Some(server),
            ..RegistryHosts::default()
        };
        let reference: windlass_oci::Reference = "quay.io/x".parse().unwrap();
        let error = Endpoint::of(reference.repository(), &configured("quay.io", hosts));
        assert_eq!(
            error.unwrap_err().to_string(),
            format!("the header {name:?} that is configured for https://m.test cannot be sent")
        );
    }
}

/// I7.
#[test]
fn debug_does_not_show_headers() {
    let mut server = host("https://m.test");
    server.headers = vec![("authorization".to_owned(), Secret::new("hunter2"))];
    let hosts = RegistryHosts {
        server: Some(server),
        ..RegistryHosts::default()
    };
    let endpoint = &of("quay.io/x", &configured("quay.io", hosts))[0];
    let shown = format!("{endpoint:?} {:?}", endpoint.way());
    assert!(!shown.contains("hunter2"), "{shown}");
}

//! The endpoints of registries, their order and their API URLs.

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

/// Returns a configuration for `registry` only.
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
fn docker_hub_has_its_own_registry_host() {
    assert_eq!(endpoints("alpine", &[]), ["https://registry-1.docker.io"]);
    let hub = &of("alpine", &RegistryConfig::default())[0];
    assert_eq!(hub.settings().credential_host, "docker.io");
    assert_eq!(hub.api("x").as_str(), "https://registry-1.docker.io/v2/x");
}

/// EP-1, EP-2: mirrors in their order, for any registry, then the registry.
#[test]
fn mirrors_precede_the_registry() {
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

/// EP-2: the default applies to registries without configuration of their own.
#[test]
fn the_default_applies_to_unconfigured_registries() {
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
    // The ranges apply to the resolved address, which is checked when it is connected to.
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
        .map(|it| (it.settings().tls.skip_verify, it.settings().within.len()))
        .collect();
    assert_eq!(bounds, [(false, 0), (true, 1), (false, 1)]);
}

/// FB-8: an invalid configuration of one registry is reported with its reason and does not affect others.
#[test]
fn an_invalid_configuration_is_an_error_with_its_reason() {
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

/// `override_path`, and the same treatment of paths without it as in containerd.
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

/// A mirror gets the registry as `ns` with every request; the registry itself does not.
#[test]
fn mirrors_get_the_namespace() {
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

/// D12: a mirror's credentials are looked up by its own host, the registry's by its name.
#[test]
fn credentials_are_looked_up_by_the_host_they_are_for() {
    let config = configured(
        "quay.io",
        mirrors(&["https://m.test:443", "http://m.test:5000"]),
    );
    let keys = |reference: &str| -> Vec<_> {
        let found = of(reference, &config);
        found
            .iter()
            .map(|it| it.settings().credential_host.clone())
            .collect()
    };
    assert_eq!(keys("quay.io/x"), ["m.test", "m.test:5000", "quay.io"]);
    assert_eq!(keys("registry.test:443/x"), ["registry.test:443"]);
}

/// A mirror without TLS may be configured, but gets no credentials unless it is listed as insecure or is this
/// machine.
#[test]
fn credentials_are_not_sent_without_tls() {
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
fn an_invalid_header_is_an_error() {
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
    let shown = format!("{endpoint:?} {:?}", endpoint.settings());
    assert!(!shown.contains("hunter2"), "{shown}");
}

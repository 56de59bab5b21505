//! The examples of the documentation, and the endpoints that they configure.

use windlass_oci::RepositoryName;
use windlass_pull::PullerConfig;
use windlass_registry::{Endpoint, RegistryConfig, Secret};

use crate::support::{CERTIFICATE, Files, KEY, applied};

const PAGE: &str = include_str!("../../../../docs/configuration.md");

/// Writes the files of the example with this title.
fn example(title: &str) -> Files {
    let (_, example) = PAGE.split_once(&format!("**{title}**")).unwrap();
    let (_, example) = example.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let files = Files::new(&[
        ("company.pem", CERTIFICATE),
        ("registry.pem", CERTIFICATE),
        ("me.pem", CERTIFICATE),
        ("me.key", KEY),
    ]);
    files.write("system.toml", example.replace("/etc/ssl/", ""));
    files
}

fn config(files: &Files) -> RegistryConfig {
    applied(&files.load().unwrap()).registry
}

fn endpoints(config: &RegistryConfig, repository: &str) -> Vec<Endpoint> {
    let name: RepositoryName = repository.parse().unwrap();
    Endpoint::of(&name, config).unwrap()
}

/// Returns the endpoints of a repository, in their order, with a mark for mirrors and for those without tags.
fn described_endpoints(config: &RegistryConfig, repository: &str) -> Vec<String> {
    let endpoints = endpoints(config, repository);
    let shown = endpoints.iter().map(|endpoint| {
        let mirror = if endpoint.is_mirror() { "mirror " } else { "" };
        let tags = match endpoint.capabilities().resolve {
            true => "",
            false => " (not for tags)",
        };
        format!("{mirror}{endpoint}{tags}")
    });
    shown.collect()
}

/// EP-1, EP-2.
#[test]
fn a_mirror_of_docker_hub_goes_first() {
    let config = config(&example("A mirror for Docker Hub"));
    assert_eq!(
        described_endpoints(&config, "alpine"),
        [
            "mirror https://hub-mirror.company.example",
            "https://registry-1.docker.io",
        ]
    );
    assert_eq!(
        described_endpoints(&config, "quay.io/a/b"),
        ["https://quay.io"]
    );
}

#[test]
fn a_mirror_can_be_used_for_all_but_tags() {
    let config = config(&example(
        "A mirror for quay.io that is not trusted with tags",
    ));
    assert_eq!(
        described_endpoints(&config, "quay.io/a/b"),
        [
            "mirror https://artifacts.company.example (not for tags)",
            "https://quay.io",
        ]
    );
    let [mirror] = &*config.registries.named["quay.io"].mirrors else {
        panic!("one mirror")
    };
    assert_eq!(mirror.url.path(), "/quay");
    assert_eq!(mirror.connect.unwrap().as_secs(), 1);
    assert_eq!(
        described_endpoints(&config, "alpine"),
        ["https://registry-1.docker.io"]
    );
}

/// EP-10.
#[test]
fn a_private_ca_does_not_change_the_endpoints() {
    let config = config(&example("A private CA"));
    let registry = "registry.company.example";
    assert_eq!(
        described_endpoints(&config, &format!("{registry}/a/b")),
        [format!("https://{registry}")]
    );
    assert_eq!(config.extra_roots, [CERTIFICATE.as_bytes()]);
    let tls = &config.certificates[registry];
    assert_eq!(tls.roots, [CERTIFICATE.as_bytes()]);
    assert_eq!(tls.identity.as_ref().unwrap().key.expose(), KEY);
    assert_eq!(config.certificates.len(), 1);
}

#[test]
fn a_registry_can_have_its_own_proxy() {
    let files = example("A proxy for one registry");
    let mut config = PullerConfig::default();
    config.registry.proxies.https = Some(Secret::new("http://environment.test"));
    files.load().unwrap().apply(&mut config);
    let config = config.registry;
    assert_eq!(
        described_endpoints(&config, "ghcr.io/a/b"),
        ["https://ghcr.io"]
    );
    assert_eq!(config.proxies.https, None);
    let own = config.registries.named["ghcr.io"].proxies.as_ref().unwrap();
    let address = own.https.as_ref().unwrap().expose();
    assert_eq!(address, "http://proxy.company.example:3128");
    assert!(config.registries.default.proxies.is_none());
}

/// EP-4, EP-7.
#[test]
fn insecure_registries_have_two_schemes() {
    let config = config(&example("A lab without certificates"));
    for (repository, expected) in [
        ("lab:5000/a", vec!["https://lab:5000", "http://lab:5000"]),
        (
            "10.20.3.4:5000/a",
            vec!["https://10.20.3.4:5000", "http://10.20.3.4:5000"],
        ),
        ("10.21.0.1:5000/a", vec!["https://10.21.0.1:5000"]),
        (
            "localhost:5000/a",
            vec!["http://localhost:5000", "https://localhost:5000"],
        ),
        // The address of the name may be in the range.
        (
            "name.example/a",
            vec![
                "https://name.example",
                "https://name.example",
                "http://name.example",
            ],
        ),
    ] {
        assert_eq!(
            described_endpoints(&config, repository),
            expected,
            "{repository}"
        );
    }
}

#[test]
fn one_server_can_replace_all_registries() {
    let config = config(&example("Nothing but the company's mirror"));
    for repository in ["alpine", "quay.io/a/b", "lab:5000/a"] {
        assert_eq!(
            described_endpoints(&config, repository),
            ["https://everything.company.example"],
            "{repository}"
        );
    }
}

/// EP-2, EP-7: the configuration of Docker and containerd is used.
#[test]
fn files_of_other_programs_configure_endpoints() {
    let config = config(&Files::new(&[
        (
            "daemon.json",
            r#"{
                "registry-mirrors": ["https://one.example", "http://two.example:5000/"],
                "insecure-registries": ["two.example:5000"]
            }"#,
        ),
        (
            "first/_default/hosts.toml",
            "server = 'https://last.example'\n[host.'https://default.example']",
        ),
        (
            "first/quay.io/hosts.toml",
            "[host.'http://quay.example:5000/proxy']\ncapabilities = ['pull']",
        ),
        ("first/own.example/ca.crt", CERTIFICATE),
    ]));
    for (repository, expected) in [
        (
            "alpine",
            vec![
                "mirror https://one.example",
                "mirror http://two.example:5000",
                "https://registry-1.docker.io",
            ],
        ),
        (
            "quay.io/a/b",
            vec![
                "mirror http://quay.example:5000 (not for tags)",
                "https://quay.io",
            ],
        ),
        (
            "other.example/a",
            vec!["mirror https://default.example", "https://last.example"],
        ),
        ("own.example/a", vec!["https://own.example"]),
    ] {
        assert_eq!(
            described_endpoints(&config, repository),
            expected,
            "{repository}"
        );
    }
}

/// EP-7.
#[test]
fn dockers_file_can_have_insecure_ranges() {
    let config = config(&Files::new(&[(
        "daemon.json",
        r#"{"insecure-registries": ["10.0.0.0/8", "fd00::/8"]}"#,
    )]));
    for (repository, expected) in [
        ("10.1.2.3/a", vec!["https://10.1.2.3", "http://10.1.2.3"]),
        (
            "[fd00::1]:5000/a",
            vec!["https://[fd00::1]:5000", "http://[fd00::1]:5000"],
        ),
        ("11.1.2.3/a", vec!["https://11.1.2.3"]),
    ] {
        assert_eq!(
            described_endpoints(&config, repository),
            expected,
            "{repository}"
        );
    }
}

//! A machine with a configuration of everything.

use std::path::Path;

use windlass_config::{ConfigPaths, Configuration, WindlassFiles};
use windlass_pull::PullerConfig;
use windlass_registry::{Proxies, RegistryConfig, Secret};

use crate::support::overview;

fn load() -> Configuration {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let places = ConfigPaths {
        windlass: WindlassFiles::Usual(vec![
            data.join("etc/windlass/windlass.toml"),
            data.join("home/windlass/windlass.toml"),
        ]),
        certs_dirs: vec![
            data.join("etc/windlass/certs.d"),
            data.join("etc/containerd/certs.d"),
            data.join("etc/docker/certs.d"),
        ],
        daemon_json: Some(data.join("etc/docker/daemon.json")),
    };
    Configuration::load(&places).unwrap()
}

/// EP-1, EP-2, EP-7, EP-10.
#[test]
fn the_overview_has_everything_with_its_origin() {
    let loaded = load();
    let data = format!("{}/tests/data", env!("CARGO_MANIFEST_DIR"));
    let shown = serde_json::to_string_pretty(&overview(&loaded)).unwrap();
    let findings: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    let all = format!("{shown}\n{}", findings.join("\n"));
    insta::assert_snapshot!(all.replace(&data, ""));
}

/// I7.
#[test]
fn the_overview_has_no_secrets() {
    let loaded = load();
    let shown = serde_json::to_string(&overview(&loaded)).unwrap();
    for text in [shown, format!("{loaded:?}")] {
        assert!(!text.contains("hunter2"));
        assert!(!text.contains("aHVudGVyMg"));
        assert!(!text.contains("VGhpcyBpcyBub3QgYSBrZXku"));
    }
}

/// The files override the environment key by key, except for lists that add up.
#[test]
fn the_files_override_the_environment() {
    let registry = RegistryConfig {
        insecure: vec!["flag.test".to_owned()],
        extra_roots: vec![b"from SSL_CERT_FILE".to_vec()],
        proxies: Proxies {
            http: Some(Secret::new("http://environment.test")),
            https: Some(Secret::new("http://environment.test")),
            no_proxy: Some("environment.test".to_owned()),
        },
        ..RegistryConfig::default()
    };
    let mut config = PullerConfig {
        registry,
        ..PullerConfig::default()
    };
    let default = config.registry.timeouts;
    load().apply(&mut config);
    let config = config.registry;
    assert_eq!(
        config.insecure,
        ["flag.test", "lab.test:5000", "10.0.0.0/8"]
    );
    assert_eq!(config.extra_roots.len(), 2);
    let proxies = Proxies {
        http: Some(Secret::new("http://docker:hunter2@proxy.test:3128")),
        https: Some(Secret::new("http://robot:hunter2@proxy.test:3128")),
        no_proxy: Some(".test,10.0.0.0/8".to_owned()),
    };
    assert_eq!(config.proxies, proxies);
    assert_eq!(config.timeouts.connect.as_secs(), 3);
    assert_eq!(config.timeouts.stall, default.stall);
    assert!(!config.schema1);
    let registries = config.registries;
    let named: Vec<&str> = registries.named.keys().map(String::as_str).collect();
    assert_eq!(
        named,
        [
            "broken.test",
            "docker.io",
            "gcr.io",
            "internal.test",
            "quay.io"
        ]
    );
    let unusable: Vec<&str> = registries.unusable.keys().map(String::as_str).collect();
    assert_eq!(unusable, ["broken.test", "half.test"]);
    assert_eq!(registries.default.mirrors.len(), 1);
    assert_eq!(registries.named["gcr.io"].proxies, Some(Proxies::default()));
    let certified: Vec<&str> = config.certificates.keys().map(String::as_str).collect();
    assert_eq!(
        certified,
        ["internal.test", "lab.test:5000", "registry-1.docker.io"]
    );
    assert!(config.certificates["lab.test:5000"].identity.is_some());
}

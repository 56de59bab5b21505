//! A machine on which everything is configured.

use std::path::Path;

use windlass_config::{Loaded, Places, WindlassFiles};
use windlass_registry::{Proxies, RegistryConfig, Secret};

fn load() -> Loaded {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let places = Places {
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
    Loaded::load(&places).unwrap()
}

/// EP-1, EP-2, EP-7, EP-10.
#[test]
fn everything_is_shown_with_where_it_comes_from() {
    let loaded = load();
    let data = format!("{}/tests/data", env!("CARGO_MANIFEST_DIR"));
    let shown = serde_json::to_string_pretty(&loaded.overview(None)).unwrap();
    let findings: Vec<String> = loaded.findings.iter().map(ToString::to_string).collect();
    let all = format!("{shown}\n{}", findings.join("\n"));
    insta::assert_snapshot!(all.replace(&data, ""));
}

/// I7.
#[test]
fn no_secret_is_shown() {
    let loaded = load();
    let shown = serde_json::to_string(&loaded.overview(None)).unwrap();
    for text in [shown, format!("{loaded:?}")] {
        assert!(!text.contains("hunter2"));
        assert!(!text.contains("aHVudGVyMg"));
        assert!(!text.contains("VGhpcyBpcyBub3QgYSBrZXku"));
    }
}

/// What the environment says is beaten key by key; what only adds up is added.
#[test]
fn applies_over_the_environment() {
    let mut config = RegistryConfig {
        insecure: vec!["flag.test".to_owned()],
        extra_roots: vec![b"from SSL_CERT_FILE".to_vec()],
        proxies: Proxies {
            http: Some(Secret::new("http://environment.test")),
            https: Some(Secret::new("http://environment.test")),
            no_proxy: Some("environment.test".to_owned()),
        },
        ..RegistryConfig::default()
    };
    let usual = config.timeouts;
    load().apply(&mut config);
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
    assert_eq!(config.timeouts.stall, usual.stall);
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

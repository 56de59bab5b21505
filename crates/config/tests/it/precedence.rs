//! Which file overrides which.

use std::os::unix::fs::PermissionsExt as _;

use windlass_config::{ConfigPaths, Configuration, SourceState, WindlassFiles};
use windlass_pull::PullerConfig;

use crate::support::{CERTIFICATE, Files, KEY, applied, hosts};

/// The hosts of a registry come from the first file that names it; lists of mirrors are never mixed.
#[test]
fn the_hosts_of_a_registry_come_from_one_file() {
    let mut files = vec![
        ("daemon.json", r#"{"registry-mirrors": ["daemon.test"]}"#),
        ("first/docker.io/hosts.toml", "server = 'hosts-toml.test'"),
        ("user.toml", "[registry.'docker.io']\nmirror = ['own.test']"),
        ("first/_default/hosts.toml", "server = 'default.test'"),
        ("system.toml", "[registry.'*']\nmirror = ['any.test']"),
    ];
    let hub = |files: &[(&str, &str)]| {
        let loaded = Files::new(files).load().unwrap();
        (hosts(&loaded, "docker.io"), hosts(&loaded, "other.test"))
    };
    let any_registry = vec!["https://any.test/".to_owned()];
    assert_eq!(
        hub(&files),
        (vec!["https://own.test/".to_owned()], any_registry.clone())
    );
    files.remove(2);
    assert_eq!(
        hub(&files),
        (
            vec!["https://hosts-toml.test/".to_owned()],
            any_registry.clone()
        )
    );
    files.remove(1);
    assert_eq!(
        hub(&files),
        (
            vec!["https://daemon.test/".to_owned()],
            any_registry.clone()
        )
    );
    files.remove(0);
    assert_eq!(hub(&files), (any_registry.clone(), any_registry));
    files.remove(1);
    let default = vec!["https://default.test/".to_owned()];
    assert_eq!(hub(&files), (default.clone(), default));
}

/// An invalid `hosts.toml` that another file overrides is no error.
#[test]
fn an_overridden_file_can_be_invalid() {
    let files = Files::new(&[
        ("system.toml", "[registry.'a.test']\nmirror = ['own.test']"),
        ("first/a.test/hosts.toml", "server = 1"),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://own.test/"]);
    assert_eq!(
        files.findings(&loaded),
        ["first/a.test/hosts.toml:1: server: broken, ignored: expected a string, found a number"]
    );
}

/// The proxy and the foreign layers of a registry are independent of its hosts, and otherwise come from `*`.
#[test]
fn settings_of_a_registry_are_merged_key_by_key() {
    let files = Files::new(&[
        (
            "system.toml",
            "[registry.'*']\nproxy = 'direct'\nforeign-layers = ['f.test']\n[registry.'a.test']\nproxy = 'p.test'",
        ),
        (
            "first/a.test/hosts.toml",
            "server = 's.test'\nproxy = 'http://other.test'",
        ),
        (
            "first/b.test/hosts.toml",
            "server = 's.test'\nproxy = 'http://other.test'",
        ),
    ]);
    let loaded = files.load().unwrap();
    let https = |registry| {
        let proxies = loaded.registry(registry).unwrap().proxies.clone().unwrap();
        proxies.value.https.map(|proxy| proxy.expose().to_owned())
    };
    assert_eq!(https("a.test").as_deref(), Some("http://p.test"));
    assert_eq!(https("b.test").as_deref(), Some("http://other.test"));
    assert_eq!(https("c.test"), None);
    let foreign = loaded.registry("a.test").unwrap().foreign_hosts.clone();
    assert_eq!(foreign.unwrap().value, ["https://f.test"]);
}

/// EP-10: the certificates of every file count.
#[test]
fn certificates_add_up() {
    let both = format!("{CERTIFICATE}{KEY}");
    let files = Files::new(&[
        ("ca.pem", CERTIFICATE),
        ("both.pem", &both),
        (
            "system.toml",
            "ca = 'ca.pem'\n[registry.'a.test']\nca = 'ca.pem'",
        ),
        (
            "user.toml",
            "ca = 'ca.pem'\n[registry.'a.test']\nca = 'ca.pem'\nclient = 'both.pem'",
        ),
        ("first/a.test/ca.crt", CERTIFICATE),
        ("second/a.test/ca.crt", CERTIFICATE),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(loaded.settings.ca.as_ref().unwrap().value.len(), 2);
    let tls = &loaded.certificates["a.test"];
    assert_eq!(tls.roots.len(), 4);
    assert!(tls.identity.is_some());
}

/// A file that cannot be read makes its registry unusable, and no other.
#[test]
fn a_missing_file_is_an_error_of_its_registry() {
    let files = Files::new(&[(
        "system.toml",
        "[registry.'a.test']\nca = 'none.pem'\n[[registry.'b.test'.mirror]]\nurl = 'm.test'\nca = 'none.pem'",
    )]);
    let loaded = files.load().unwrap();
    for (registry, expected) in [
        (
            "a.test",
            "system.toml:2:1: registry.\"a.test\".ca: none.pem: it cannot be read: No such file or directory (os error 2)",
        ),
        (
            "b.test",
            "system.toml:5:1: registry.\"b.test\".mirror[0].ca: none.pem: it cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(files.registry_error(&loaded, registry), expected);
    }
    assert!(loaded.registry("c.test").is_ok());
    let config = applied(&loaded);
    assert_eq!(config.registry.registries.unusable.len(), 2);
}

#[test]
fn a_given_file_replaces_the_others_and_must_exist() {
    let files = Files::new(&[
        ("system.toml", "downloads = 3"),
        ("only.toml", "attempts = 2"),
    ]);
    let only = |name: &str| ConfigPaths {
        windlass: WindlassFiles::Only(files.path(name)),
        ..files.paths()
    };
    let loaded = Configuration::load(&only("only.toml")).unwrap();
    let settings = loaded.settings;
    assert!(settings.downloads.is_none() && settings.attempts.is_some());
    let error = Configuration::load(&only("none.toml")).unwrap_err();
    assert_eq!(files.message(&error), "none.toml: there is no such file");
}

#[test]
fn the_files_of_other_programs_can_be_configured() {
    let files = Files::new(&[
        (
            "system.toml",
            "certs-dirs = ['elsewhere']\ndaemon-json = 'docker.json'",
        ),
        ("elsewhere/a.test/hosts.toml", "server = 'elsewhere.test'"),
        ("first/a.test/hosts.toml", "server = 'first.test'"),
        ("daemon.json", r#"{"max-concurrent-downloads": 1}"#),
        ("docker.json", r#"{"max-concurrent-downloads": 2}"#),
    ]);
    let loaded = files.load().unwrap();
    assert_eq!(hosts(&loaded, "a.test"), ["https://elsewhere.test/"]);
    assert_eq!(loaded.settings.downloads.unwrap().value, 2);
    files.write("system.toml", "daemon-json = false");
    assert!(files.load().unwrap().settings.downloads.is_none());
    files.write("system.toml", "daemon-json = 'none.json'");
    assert_eq!(
        files.load().unwrap_err(),
        "none.json: there is no such file"
    );
}

/// Without files, the engine has its defaults.
#[test]
fn without_files_nothing_is_set() {
    let files = Files::new(&[]);
    let loaded = files.load().unwrap();
    let states: Vec<SourceState> = loaded.sources.iter().map(|source| source.state).collect();
    assert_eq!(states, [SourceState::Absent; 5]);
    assert_eq!(
        format!("{:?}", applied(&loaded)),
        format!("{:?}", PullerConfig::default())
    );
}

/// EP-8, EP-9: a file with an error changes nothing, and a valid one is loaded as a whole.
#[test]
fn loading_again_is_all_or_nothing() {
    let files = Files::new(&[("daemon.json", r#"{"insecure-registries": ["a.test"]}"#)]);
    let before = files.load().unwrap();
    files.write(
        "daemon.json",
        r#"{"insecure-registries": ["b.test", "-"], "registry-mirrors": ["m.test"]}"#,
    );
    assert_eq!(
        files.load().unwrap_err(),
        "daemon.json: insecure-registries[1]: expected HOST, HOST:PORT or a range such as 10.0.0.0/8"
    );
    files.write(
        "daemon.json",
        r#"{"insecure-registries": ["b.test"], "registry-mirrors": ["m.test"]}"#,
    );
    let after = files.load().unwrap();
    assert_eq!(
        before.settings.insecure_registries.unwrap().value,
        ["a.test"]
    );
    assert_eq!(
        after.settings.insecure_registries.as_ref().unwrap().value,
        ["b.test"]
    );
    assert_eq!(hosts(&after, "docker.io"), ["https://m.test/"]);
}

/// Files of other programs that the user may not read are ignored, and are findings.
#[test]
fn unreadable_files_of_other_programs_are_ignored() {
    let files = Files::new(&[
        ("daemon.json", "{}"),
        ("first/a.test/ca.crt", CERTIFICATE),
        ("second/b.test/ca.crt", CERTIFICATE),
    ]);
    for closed in ["daemon.json", "first", "second/b.test"] {
        let mode = std::fs::Permissions::from_mode(0o000);
        std::fs::set_permissions(files.path(closed), mode).unwrap();
    }
    let loaded = files.load().unwrap();
    let findings = files.findings(&loaded);
    let broken = loaded.registry("b.test").is_err();
    for closed in ["daemon.json", "first", "second/b.test"] {
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(files.path(closed), mode).unwrap();
    }
    // Root can read all files.
    if loaded.certificates.contains_key("a.test") {
        return;
    }
    assert_eq!(
        findings,
        [
            "first: cannot be read, ignored: permission denied",
            "daemon.json: cannot be read, ignored: permission denied",
        ]
    );
    assert!(broken);
}

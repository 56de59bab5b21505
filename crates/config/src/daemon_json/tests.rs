//! The keys about registries and pulls in Docker's `daemon.json`.

use windlass_registry::Secret;

use super::*;
use crate::source::FileLocation;

fn read_text(text: &str) -> Result<DaemonJson, String> {
    let read = read_docker_file(Path::new("daemon.json"), text, &mut Vec::new());
    read.map_err(|error| format!("{error}: {}", error.problem))
}

/// Returns the mirrors of Docker Hub in a file.
fn mirrors(text: &str) -> Vec<String> {
    let mirrors = read_text(text).unwrap().mirrors.unwrap().value;
    mirrors.iter().map(ToString::to_string).collect()
}

fn value<T>(setting: Option<Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value)
}

/// EP-1, EP-2: a mirror without scheme gets https.
#[test]
fn reads_each_mirror_once_and_in_order() {
    let text = r#"{"registry-mirrors": ["m1.test", "http://m2.test:5000/", "https://m1.test/"]}"#;
    assert_eq!(mirrors(text), ["https://m1.test/", "http://m2.test:5000/"]);
}

/// EP-3, except for paths: current versions of Docker accept them, so files have them.
#[test]
fn a_mirror_can_have_a_path() {
    let text = r#"{"registry-mirrors": ["https://m.test/hub/"]}"#;
    assert_eq!(mirrors(text), ["https://m.test/hub"]);
}

/// EP-3.
#[test]
fn rejects_mirrors_that_are_not_an_address() {
    for (mirror, reason) in [
        ("ftp://m.test", "the scheme must be `http` or `https`"),
        (
            "https://m.test/?a",
            "an address cannot have a `?` or `#` part",
        ),
        (
            "https://m.test/#a",
            "an address cannot have a `?` or `#` part",
        ),
        (
            "https://me:hunter2@m.test",
            "an address cannot hold a user or password: use `windlass login`",
        ),
    ] {
        let text = format!(r#"{{"registry-mirrors": ["a.test", "{mirror}"]}}"#);
        let expected = format!("daemon.json: registry-mirrors[1]: {reason}");
        assert_eq!(read_text(&text).unwrap_err(), expected);
    }
}

/// EP-7, EP-8: one invalid element makes the file invalid.
#[test]
fn insecure_registries_are_hosts_and_ranges() {
    let mut findings = Vec::new();
    let text =
        r#"{"insecure-registries": ["lab:5000", "http://old.test", "10.1.0.0/16", "LAB:5000"]}"#;
    let read = read_docker_file(Path::new("daemon.json"), text, &mut findings).unwrap();
    assert_eq!(
        value(read.settings.insecure_registries).unwrap(),
        ["lab:5000", "old.test", "10.1.0.0/16"]
    );
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        findings,
        ["daemon.json: insecure-registries: the scheme is ignored: only HOST or HOST:PORT counts"]
    );
    assert_eq!(
        read_text(r#"{"insecure-registries": ["lab:5000", "-bad"]}"#).unwrap_err(),
        "daemon.json: insecure-registries[1]: expected HOST, HOST:PORT or a range such as 10.0.0.0/8"
    );
}

#[test]
fn reads_proxies_and_limits_and_ignores_other_keys() {
    let read = read_text(
        r#"{"proxies": {"http-proxy": "http://me:hunter2@p.test", "https-proxy": "", "no-proxy": "a.test", "x": 1},
            "max-concurrent-downloads": 6, "max-download-attempts": null, "debug": true, "hosts": [1, {"a": 1.5}]}"#,
    )
    .unwrap();
    let location = || FileLocation::file(Path::new("daemon.json"));
    let proxy = Secret::new("http://me:hunter2@p.test");
    let expected = Settings {
        http_proxy: Some(Setting::new(Some(proxy), location())),
        no_proxy: Some(Setting::new(Some("a.test".to_owned()), location())),
        downloads: Some(Setting::new(6, location())),
        ..Settings::default()
    };
    assert_eq!(read.settings, expected);
    assert_eq!(read.mirrors, None);
}

/// C13: of two equal keys, one reader would use the first and another the last.
#[test]
fn errors_have_a_position_and_a_key() {
    for (text, expected) in [
        ("{", "daemon.json:1:1: EOF while parsing an object"),
        ("[]", "daemon.json: expected an object, found an array"),
        (
            "{\"a\": 1,\n \"a\": 2}",
            "daemon.json:2:4: duplicate key \"a\"",
        ),
        (
            r#"{"registry-mirrors": "m.test"}"#,
            "daemon.json: registry-mirrors: expected an array of strings, found a string",
        ),
        (
            r#"{"registry-mirrors": [1]}"#,
            "daemon.json: registry-mirrors[0]: expected a string, found a number",
        ),
        (
            r#"{"max-concurrent-downloads": -1}"#,
            "daemon.json: max-concurrent-downloads: expected a number from 0 to 1000",
        ),
        (
            r#"{"max-download-attempts": 0}"#,
            "daemon.json: max-download-attempts: expected a number from 1 to 1000",
        ),
        (
            r#"{"proxies": {"http-proxy": "ftp://me:hunter2@p.test"}}"#,
            "daemon.json: proxies.http-proxy: the scheme of a proxy must be `http`, `https`, `socks5` or `socks5h`",
        ),
    ] {
        assert_eq!(read_text(text).unwrap_err(), expected);
    }
    assert!(read_text(" \n").is_ok());
    let long = format!(
        r#"{{"insecure-registries": [{}"x"]}}"#,
        r#""x","#.repeat(1000)
    );
    assert_eq!(
        read_text(&long).unwrap_err(),
        "daemon.json: insecure-registries: expected at most 1000 elements"
    );
}

#[test]
fn limits_above_the_maximum_become_the_maximum() {
    let text = r#"{"max-concurrent-downloads": 5000, "max-download-attempts": 1001}"#;
    let settings = read_text(text).unwrap().settings;
    let limits = (value(settings.downloads), value(settings.attempts));
    assert_eq!(limits, (Some(1000), Some(1000)));
}

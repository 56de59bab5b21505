//! The daemon's own `daemon.json`.

use std::time::Duration;

use super::*;
use crate::log_options::{LogFormat, LogLevel};

fn read_text(text: &str) -> Result<DaemonSettings, String> {
    read(Path::new("/etc/w/daemon.json"), text, &mut Vec::new())
        .map(|file| file.settings)
        .map_err(|error| format!("{error}: {}", error.problem))
}

fn value<T: Clone>(setting: Option<&Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value.clone())
}

#[test]
fn reads_every_key() {
    let text = r#"{
        "hosts": ["unix:///run/w.sock", "fd://"], "group": "windlass",
        "tls": false, "tlsverify": true, "tlscacert": "ca.pem", "tlscert": "/c.pem", "tlskey": "k.pem",
        "data-root": "/srv/images", "log-level": "warn", "log-format": "json", "raw-logs": true,
        "labels": ["rack=12"], "shutdown-timeout": 15, "max-concurrent-uploads": 3,
        "metrics-addr": "127.0.0.1:9323", "features": {"containerd-snapshotter": true}
    }"#;
    let file = read(Path::new("/etc/w/daemon.json"), text, &mut Vec::new()).unwrap();
    let read = file.settings;
    let hosts = ["unix:///run/w.sock", "fd://"].map(str::to_owned).to_vec();
    assert_eq!(value(read.hosts.as_ref()), Some(hosts));
    assert_eq!(value(read.group.as_ref()).as_deref(), Some("windlass"));
    assert_eq!(read.is_tls_on(), Some(true));
    assert_eq!(value(read.ca.as_ref()), Some("/etc/w/ca.pem".into()));
    assert_eq!(value(read.certificate.as_ref()), Some("/c.pem".into()));
    assert_eq!(value(read.log_level.as_ref()), Some(LogLevel::Warn));
    assert_eq!(value(read.log_format.as_ref()), Some(LogFormat::Json));
    let timeout = value(read.shutdown_timeout.as_ref());
    assert_eq!(timeout, Some(Duration::from_secs(15)));
    assert_eq!(value(read.uploads.as_ref()), Some(3));
    let key = file.keys.iter().find(|key| key.value == "tlskey").unwrap();
    assert_eq!(key.origin.line, Some(3));
}

#[test]
fn unknown_keys_are_errors_with_a_position() {
    for (text, expected) in [
        (
            "{\n  \"debug\": true,\n  \"max-concurent-downloads\": 3\n}",
            "/etc/w/daemon.json:3:3: max-concurent-downloads: there is no such key; did you mean `max-concurrent-downloads`?",
        ),
        (
            "{\"proxies\":\n{\"no-proxy\": \"a\", \"ftp-proxy\": \"b\"}}",
            "/etc/w/daemon.json:2:19: proxies.ftp-proxy: there is no such key; did you mean `http-proxy`?",
        ),
        (
            "{\"a\\nb\": 1}",
            "/etc/w/daemon.json:1:3: a\\nb: there is no such key",
        ),
        (
            "{\"debug\": true,\n \"debug\": false}",
            "/etc/w/daemon.json:2:8: duplicate key \"debug\"",
        ),
    ] {
        assert_eq!(read_text(text).unwrap_err(), expected);
    }
}

#[test]
fn invalid_values_are_errors_with_a_position() {
    for (entry, expected) in [
        (
            r#""log-level": "loud""#,
            "log-level: expected `trace`, `debug`, `info`, `warn`, `error` or `fatal`",
        ),
        (
            r#""log-format": 1"#,
            "log-format: expected a string, found a number",
        ),
        (
            r#""shutdown-timeout": -1"#,
            "shutdown-timeout: expected a number from 0 to 86400",
        ),
        (
            r#""labels": ["rack"]"#,
            "labels: expected labels such as `rack=12`",
        ),
        (
            r#""metrics-addr": "localhost:1""#,
            "metrics-addr: expected IP:PORT, such as 127.0.0.1:9323",
        ),
        (
            r#""tlskey": "~/k.pem""#,
            "tlskey: `~` does not stand for the home directory here: write the whole path",
        ),
        (r#""group": """#, "group: it is empty"),
        (
            r#""hosts": "unix:///x""#,
            "hosts: expected an array of strings, found a string",
        ),
        (
            r#""registry-mirrors": ["ftp://x"]"#,
            "registry-mirrors[0]: the scheme must be `http` or `https`",
        ),
        (
            r#""features": []"#,
            "features: expected an object, found an array",
        ),
    ] {
        let refused = read_text(&format!("{{\n {entry}}}")).unwrap_err();
        assert_eq!(refused, format!("/etc/w/daemon.json:2:2: {expected}"));
    }
}

#[test]
fn keys_without_effect_are_one_finding() {
    let text =
        r#"{"bridge": "none", "iptables": false, "storage-driver": "overlay2", "mtu": null}"#;
    let mut findings = Vec::new();
    let file = read(Path::new("d.json"), text, &mut findings).unwrap();
    assert_eq!(file.keys.len(), 3);
    let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let expected =
        "d.json: bridge, iptables, storage-driver: Docker's keys without effect here, ignored";
    assert_eq!(findings, [expected]);
}

#[test]
fn debug_overrides_the_log_level() {
    let level = |text| read_text(text).unwrap().effective_log_level();
    let debug = Some(LogLevel::Debug);
    assert_eq!(level(r#"{"debug": true, "log-level": "warn"}"#), debug);
    assert_eq!(level(r#"{"log-level": "warn", "debug": true}"#), debug);
    assert_eq!(level(r#"{"debug": false}"#), None);
}

#[test]
fn an_empty_file_has_no_settings() {
    assert_eq!(read_text("\n").unwrap(), DaemonSettings::default());
}

/// No key is both used and without effect, or there twice.
#[test]
fn every_key_is_listed_once() {
    let known = known_keys();
    let mut keys = known[""].clone();
    keys.extend(UNUSED_KEYS);
    keys.sort_unstable();
    let duplicates: Vec<_> = keys.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(duplicates, Vec::<&[&str]>::new());
}

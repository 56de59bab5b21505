//! The daemon's own file: what it may say, and how it is refused.

use super::*;

fn read_text(text: &str) -> Result<DaemonSettings, String> {
    read(Path::new("/etc/w/daemon.json"), text, &mut Vec::new())
        .map(|(read, _)| read)
        .map_err(|error| format!("{error}: {}", error.problem))
}

fn value<T: Clone>(setting: Option<&Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value.clone())
}

#[test]
fn says_how_the_daemon_is_to_be() {
    let text = r#"{
        "hosts": ["unix:///run/w.sock", "fd://"], "group": "windlass",
        "tls": false, "tlsverify": true, "tlscacert": "ca.pem", "tlscert": "/c.pem", "tlskey": "k.pem",
        "data-root": "/srv/images", "log-level": "warn", "log-format": "json", "raw-logs": true,
        "labels": ["rack=12"], "shutdown-timeout": 15, "max-concurrent-uploads": 3,
        "metrics-addr": "127.0.0.1:9323", "features": {"containerd-snapshotter": true}
    }"#;
    let read = read_text(text).unwrap();
    let hosts = ["unix:///run/w.sock", "fd://"].map(str::to_owned).to_vec();
    assert_eq!(value(read.hosts.as_ref()), Some(hosts));
    assert_eq!(value(read.group.as_ref()).as_deref(), Some("windlass"));
    assert_eq!(value(read.tls.as_ref()), Some(true));
    assert_eq!(value(read.ca.as_ref()), Some("/etc/w/ca.pem".into()));
    assert_eq!(value(read.certificate.as_ref()), Some("/c.pem".into()));
    assert_eq!(value(read.log_level.as_ref()), Some(LogLevel::Warn));
    assert_eq!(value(read.log_format.as_ref()), Some(LogFormat::Json));
    let timeout = value(read.shutdown_timeout.as_ref());
    assert_eq!(timeout, Some(Duration::from_secs(15)));
    assert_eq!(value(read.uploads.as_ref()), Some(3));
    let key = read.keys.iter().find(|key| key.value == "tlskey").unwrap();
    assert_eq!(key.origin.line, Some(3));
}

#[test]
fn a_key_that_nothing_has_is_refused_where_it_stands() {
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
            "/etc/w/daemon.json:2:8: the key \"debug\" stands there twice",
        ),
    ] {
        assert_eq!(read_text(text).unwrap_err(), expected);
    }
}

#[test]
fn a_value_that_cannot_be_is_refused_where_it_stands() {
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
fn what_is_dockers_alone_is_told_in_one_remark() {
    let text =
        r#"{"bridge": "none", "iptables": false, "storage-driver": "overlay2", "mtu": null}"#;
    let mut findings = Vec::new();
    let (read, _) = read(Path::new("d.json"), text, &mut findings).unwrap();
    assert_eq!(read.keys.len(), 3);
    let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
    let expected = "d.json: bridge, iptables, storage-driver: of Docker's keys, without a meaning here, ignored";
    assert_eq!(told, [expected]);
}

#[test]
fn debug_is_a_level_and_an_empty_file_says_nothing() {
    let level = |text| value(read_text(text).unwrap().log_level.as_ref());
    let debug = Some(LogLevel::Debug);
    assert_eq!(level(r#"{"debug": true, "log-level": "warn"}"#), debug);
    assert_eq!(level(r#"{"log-level": "warn", "debug": true}"#), debug);
    assert_eq!(level(r#"{"debug": false}"#), None);
    assert_eq!(read_text("\n").unwrap(), DaemonSettings::default());
}

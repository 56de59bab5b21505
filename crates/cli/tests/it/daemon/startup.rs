//! The configuration of the daemon: what is accepted, and what is refused.

use std::fs;

use windlass_testing::Ca;

use super::TestDaemon;
use crate::harness::Windlass;

fn validate(windlass: &Windlass, json: &str) -> String {
    fs::write(windlass.path("daemon.json"), json).unwrap();
    windlass.run(["daemon", "--validate", "--config-file", "daemon.json"])
}

#[test]
fn a_configuration_is_validated_without_side_effects() {
    let windlass = Windlass::new();
    let json = r#"{"hosts": ["unix:///nowhere/d.sock", "fd://"], "registry-mirrors": ["https://m.test"],
        "insecure-registries": ["10.0.0.0/8"], "max-concurrent-downloads": 4, "log-format": "json",
        "shutdown-timeout": 3, "features": {"containerd-snapshotter": true}, "iptables": false, "bridge": "none"}"#;
    insta::assert_snapshot!(validate(&windlass, json), @r"
    exit: 0
    --- stdout
    configuration OK
    --- stderr
    warning: [dir]/daemon.json: iptables, bridge: Docker's keys without effect here, ignored
    ");
    assert!(!windlass.root().exists());
}

#[test]
fn invalid_configurations_are_refused_in_one_line() {
    let windlass = Windlass::new();
    let files = [
        "{\n  \"hosts\": [],\n  \"insecure-registry\": []\n}",
        r#"{"hosts": ["unix:///a", "npipe://b"]}"#,
        r#"{"group": "no-such-group"}"#,
        r#"{"hosts": ["tcp://127.0.0.1:2375"]}"#,
        r#"{"hosts": ["tcp://0.0.0.0:2376"], "tls": true, "tlscacert": "ca.pem", "tlscert": "cert.pem"}"#,
        r#"{"hosts": ["tcp://0.0.0.0:2376"], "tls": false, "tlscacert": "a", "tlscert": "b", "tlskey": "c"}"#,
        r#"{"tlsverify": true, "tlscacert": "a.pem", "tlscert": "b.pem", "tlskey": "c.pem"}"#,
        r#"{"log-level": "loud"}"#,
        r#"{"debug": true, "debug": false}"#,
    ];
    let runs: Vec<_> = files.iter().map(|json| validate(&windlass, json)).collect();
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: [dir]/daemon.json:3:3: insecure-registry: there is no such key; did you mean `insecure-registries`?
    hint: fix the file, or choose another one

    exit: 1
    --- stderr
    error: [dir]/daemon.json:1: hosts[1]: "npipe://b" is not an address to listen on: use unix:///PATH, tcp://IP:PORT or fd://

    exit: 1
    --- stderr
    error: there is no group "no-such-group" for the socket
    hint: create the group with `groupadd --system`, or choose another one

    exit: 1
    --- stderr
    error: tcp://127.0.0.1:2375 needs TLS with certificates on both sides, and --tlscacert, the authority of the client certificates, is missing
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward

    exit: 1
    --- stderr
    error: tcp://0.0.0.0:2376 needs TLS with certificates on both sides, and --tlskey, the key of the certificate, is missing
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward

    exit: 1
    --- stderr
    error: tcp://0.0.0.0:2376 needs TLS with certificates on both sides, and `tlsverify` is missing
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward

    exit: 1
    --- stderr
    error: reading [dir]/a.pem: No such file or directory (os error 2)

    exit: 1
    --- stderr
    error: [dir]/daemon.json:1:2: log-level: expected `trace`, `debug`, `info`, `warn`, `error` or `fatal`
    hint: fix the file, or choose another one

    exit: 1
    --- stderr
    error: [dir]/daemon.json:1:23: duplicate key "debug"
    hint: fix the file, or choose another one
    "#);
}

#[test]
fn flags_and_file_must_not_set_the_same_key() {
    let windlass = Windlass::new();
    fs::write(
        windlass.path("d.json"),
        "{\"group\": \"0\",\n\"log-level\": \"info\", \"labels\": []}",
    )
    .unwrap();
    let args = [
        "daemon",
        "--validate",
        "--config-file",
        "d.json",
        "--group",
        "0",
        "-l",
        "debug",
    ];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stderr
    error: the following directives are specified both as a flag and in the configuration file: group ([dir]/d.json:1), log-level ([dir]/d.json:2)
    hint: remove one of the two
    ");
    let args = [
        "daemon",
        "--validate",
        "--config-file",
        "d.json",
        "--label",
        "a=b",
    ];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stderr
    error: the following directives are specified both as a flag and in the configuration file: labels ([dir]/d.json:2)
    hint: remove one of the two
    ");
}

#[test]
fn flags_are_checked_too() {
    let windlass = Windlass::new();
    let runs = [
        &["--host", "tcp://127.0.0.1:2375"][..],
        &["--host", "/run/d.sock"],
        &["--registry-mirror", "ftp://m.test"],
        &["--config-file", "nowhere.json"],
        &["--tlsverify", "--tlscacert", "ca.pem"],
    ]
    .map(|args| windlass.run(["daemon", "--validate"].iter().chain(args)));
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: tcp://127.0.0.1:2375 needs TLS with certificates on both sides, and --tlscacert, the authority of the client certificates, is missing
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward

    exit: 2
    --- stderr
    error: invalid value '/run/d.sock' for '--host <ADDRESS>': "/run/d.sock" is not an address to listen on: use unix:///PATH, tcp://IP:PORT or fd://

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid value 'ftp://m.test' for '--registry-mirror <URL>': the scheme must be `http` or `https`

    For more information, try '--help'.

    exit: 1
    --- stderr
    error: [dir]/nowhere.json: there is no such file
    hint: fix the file, or choose another one

    exit: 1
    --- stderr
    error: --tlsverify needs TLS with certificates on both sides, and --tlscert, the certificate of the daemon, is missing
    hint: use --tlscacert, --tlscert and --tlskey; for local clients use a unix socket, which `ssh -L` can forward
    "#);
}

#[test]
fn invalid_certificates_are_reported() {
    let windlass = Windlass::new();
    let ca = Ca::new();
    let own = ca.server(&["127.0.0.1"]);
    for (name, pem) in [
        ("ca", ca.pem()),
        ("cert", &own.certificate),
        ("key", "no key"),
    ] {
        fs::write(windlass.path(name), pem).unwrap();
    }
    let args = [
        "daemon",
        "--validate",
        "-H",
        "tcp://127.0.0.1:0",
        "--tlscacert",
        "ca",
        "--tlscert",
        "cert",
        "--tlskey",
        "key",
    ];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stderr
    error: key: key: the file has no unencrypted private key in PEM form
    ");
    fs::write(windlass.path("key"), own.key).unwrap();
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 0
    --- stdout
    configuration OK
    ");
}

/// T44: the error names the process that uses the store, and the first daemon is unaffected.
#[test]
fn a_second_daemon_on_the_store_fails_at_once() {
    let mut windlass = Windlass::new();
    let first = TestDaemon::start(&windlass, &[]);
    windlass.mask(&first.child.id(), "<pid>");
    let other = format!("unix://{}", windlass.path("other.sock").display());
    let second = windlass.run(["daemon", "-l", "error", "-H", &other]);
    insta::assert_snapshot!(second, @r"
    exit: 1
    --- stderr
    error: [dir]/store is in use by process <pid> (windlass daemon)
    ");
    assert!(!windlass.path("other.sock").exists());
    assert_eq!(first.get("/_ping").body, "OK");
    // A daemon with another store does not take over the socket either.
    let host = format!("unix://{}", windlass.path("d.sock").display());
    let third = windlass.run(["--root", "store2", "daemon", "-l", "error", "-H", &host]);
    insta::assert_snapshot!(third, @r"
    exit: 1
    --- stderr
    error: [dir]/d.sock is in use: another process listens there
    hint: stop the other process, or choose another address with --host
    ");
    assert_eq!(first.get("/_ping").body, "OK");
    assert!(first.stop().success());
}

#[test]
fn the_log_is_text_or_json() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &["--log-format", "json", "--log-level", "debug"]);
    assert_eq!(daemon.get("/_ping").status, 200);
    daemon.send(rustix::process::Signal::TERM);
    daemon.wait_for_notification("STOPPING=1");
    let log = windlass.path("log");
    assert!(daemon.wait().success());
    let log = fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages: Vec<_> = lines
        .iter()
        .filter_map(|line| line["message"].as_str())
        .collect();
    assert_eq!(messages[..3], ["windlass", "listening", "ready"]);
    assert_eq!(messages.last(), Some(&"stopped"));
    let answered = messages.iter().filter(|message| **message == "answered");
    assert_eq!(answered.count(), 1, "{messages:?}");
    assert_eq!(lines[0]["store"], windlass.root().to_str().unwrap());

    let daemon = TestDaemon::start(&windlass, &[]);
    let log = daemon.log();
    insta::assert_snapshot!(daemon.logged(&windlass, "listening"), @"INFO listening address=unix://[dir]/d.sock");
    assert!(!log.contains('\x1b'), "{log}");
}

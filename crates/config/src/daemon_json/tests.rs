//! Docker's keys, one by one.

use std::path::Path;

use super::*;

fn read_text(text: &str) -> Result<DaemonJson, String> {
    read(Path::new("daemon.json"), text, &mut Vec::new()).map_err(|error| told(&error))
}

/// The error and its cause, as a command prints them.
fn told(error: &ConfigError) -> String {
    format!("{error}: {}", error.problem)
}

/// EP-1, EP-2: a mirror without scheme gets https.
#[test]
fn mirrors_are_docker_hubs_in_order_and_once() {
    let text = r#"{"registry-mirrors": ["m1.test", "http://m2.test:5000/", "https://m1.test/"]}"#;
    let mirrors = read_text(text).unwrap().mirrors;
    let mirrors: Vec<&str> = mirrors.iter().map(Url::as_str).collect();
    assert_eq!(mirrors, ["https://m1.test/", "http://m2.test:5000/"]);
}

/// EP-3, but for paths: today's Docker takes them, and a file that Docker works with is no reason to stop.
#[test]
fn a_mirror_may_be_below_a_path() {
    let text = r#"{"registry-mirrors": ["https://m.test/hub/"]}"#;
    let [mirror] = &*read_text(text).unwrap().mirrors else {
        panic!("one mirror")
    };
    assert_eq!(mirror.as_str(), "https://m.test/hub");
}

/// EP-3.
#[test]
fn refuses_mirrors_that_are_more_than_an_address() {
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

/// EP-7, EP-8: one bad entry refuses the list.
#[test]
fn insecure_registries_are_hosts_and_ranges() {
    let mut findings = Vec::new();
    let text =
        r#"{"insecure-registries": ["lab:5000", "http://old.test", "10.1.0.0/16", "LAB:5000"]}"#;
    let read = read(Path::new("daemon.json"), text, &mut findings).unwrap();
    assert_eq!(
        read.insecure.unwrap(),
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
fn reads_proxies_and_limits_and_ignores_what_is_dockers_own() {
    let read = read_text(
        r#"{"proxies": {"http-proxy": "http://me:hunter2@p.test", "https-proxy": "", "no-proxy": "a.test", "x": 1},
            "max-concurrent-downloads": 6, "max-download-attempts": null, "debug": true, "hosts": [1, {"a": 1.5}]}"#,
    )
    .unwrap();
    let proxy = Proxy::Through(windlass_registry::Secret::new("http://me:hunter2@p.test"));
    assert_eq!(read.http, Some(proxy));
    assert_eq!(read.https, None);
    assert_eq!(read.no_proxy.as_deref(), Some("a.test"));
    assert_eq!((read.downloads, read.attempts), (Some(6), None));
    assert!(read.insecure.is_none());
}

/// C13: of two equal keys one reader takes the first, another the last.
#[test]
fn says_where_it_cannot_be_read() {
    for (text, expected) in [
        ("{", "daemon.json:1:1: EOF while parsing an object"),
        ("[]", "daemon.json: expected an object, found an array"),
        (
            "{\"a\": 1,\n \"a\": 2}",
            "daemon.json:2:4: the key \"a\" stands there twice",
        ),
        (
            r#"{"registry-mirrors": "m.test"}"#,
            "daemon.json: registry-mirrors: expected an array of strings, found a string",
        ),
        (
            r#"{"registry-mirrors": [1]}"#,
            "daemon.json: registry-mirrors: expected a string, found a number",
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
fn what_is_as_good_as_no_limit_is_taken() {
    let text = r#"{"max-concurrent-downloads": 5000, "max-download-attempts": 1001}"#;
    let read = read_text(text).unwrap();
    assert_eq!((read.downloads, read.attempts), (Some(1000), Some(1000)));
}

//! Every key of a `hosts.toml`.

use std::fs;
use std::time::Duration;

use windlass_registry::HostCapabilities;

use super::*;

const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUUAdpIBKaem/3U5R5G6rdsWtKj5UwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHY2EudGVzdDAgFw0yNjExMjQwMjA1MzZaGA8yMTI2MTAzMTAy
MDUzNlowEjEQMA4GA1UEAwwHY2EudGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABAEI4XD7FIwBNZvYSrHVPOT34vBaZYc/ZYo1VCUWIVO0o9YyhiL9t0BO0WwD
UkPgI+5vzt7zYrNyX9yneHGNuDajUzBRMB0GA1UdDgQWBBQ1e9JRDNrVbg3fLRz0
A41HEtlACTAfBgNVHSMEGDAWgBQ1e9JRDNrVbg3fLRz0A41HEtlACTAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIFt6pu6r0iH5J8MEy8ain7s/7CMH
A7lr40LxPstO7qGnAiEAoaxtqlb9CNW1aZur0P73VkTbi9+Nvn7ekWQ4ok87+0Q=
-----END CERTIFICATE-----
";
const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";

/// Reads a text as a file for these registries, and returns the result and the findings.
fn read_for(scope: HostsScope<'_>, text: &str) -> (Result<ConfiguredHosts, String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    for name in ["ca.crt", "other.crt", "client.cert"] {
        fs::write(directory.path().join(name), CERTIFICATE).unwrap();
    }
    fs::write(directory.path().join("client.key"), KEY).unwrap();
    fs::write(
        directory.path().join("both.pem"),
        format!("{CERTIFICATE}{KEY}"),
    )
    .unwrap();
    fs::write(directory.path().join("empty.pem"), "").unwrap();
    let path = directory.path().join("hosts.toml");
    let mut findings = Vec::new();
    let read = read(&path, text, scope, &mut findings);
    let directory_prefix = format!("{}/", directory.path().display());
    let message = |error: &dyn std::error::Error| {
        let chain = std::iter::successors(Some(error), |error| error.source());
        let chain: Vec<String> = chain.map(ToString::to_string).collect();
        chain.join(": ").replace(&directory_prefix, "")
    };
    let findings = findings
        .iter()
        .map(|finding| finding.to_string().replace(&directory_prefix, ""));
    (read.map_err(|error| message(&error)), findings.collect())
}

fn read_text(text: &str) -> Result<ConfiguredHosts, String> {
    read_for(HostsScope::Registry("lab.test:5000"), text).0
}

fn one_mirror(keys: &str) -> Result<HostConfig, String> {
    let hosts = read_text(&format!("[host.\"https://m.test\"]\n{keys}"))?;
    let [mirror] = <[_; 1]>::try_from(hosts.mirrors).unwrap();
    Ok(mirror.value)
}

fn urls(hosts: &ConfiguredHosts) -> Vec<&str> {
    let server = hosts.server.iter().map(|server| &server.host);
    let hosts = hosts.mirrors.iter().chain(server);
    hosts.map(|host| host.value.url.as_str()).collect()
}

/// EP-2: the hosts have the order of the file, whatever their names are.
#[test]
fn hosts_have_the_order_of_the_file() {
    let text = r#"
        server = "registry.test"
        [host."https://z.test"]
        [host."a.test:5000"]
        [host."http://m.test".header]
        x = "y"
        [host."https://b.test/prefix/v2"]
        [host."http://m.test"]
        skip_verify = true
    "#;
    let hosts = read_text(text).unwrap();
    assert_eq!(
        urls(&hosts),
        [
            "https://z.test/",
            "https://a.test:5000/",
            "http://m.test/",
            "https://b.test/prefix/v2",
            "https://registry.test/"
        ]
    );
    let lines: Vec<_> = hosts.mirrors.iter().map(|host| host.origin.line).collect();
    assert_eq!(lines, [Some(3), Some(4), Some(8), Some(7)]);
    assert!(hosts.mirrors[2].value.tls.skip_verify);
}

#[test]
fn reads_the_capabilities_of_a_host() {
    let both = HostCapabilities::default();
    let only = |pull, resolve| HostCapabilities { pull, resolve };
    for (keys, expected) in [
        ("", Ok(both)),
        ("capabilities = []", Ok(both)),
        ("capabilities = ['pull', 'resolve', 'push']", Ok(both)),
        ("capabilities = ['Pull']", Ok(only(true, false))),
        ("capabilities = ['push']", Ok(only(false, false))),
        (
            "capabilities = ['puul']",
            Err(
                "hosts.toml:2:17: host.\"https://m.test\".capabilities[0]: \"puul\" is none of `pull`, `resolve`, `push`",
            ),
        ),
        (
            "capabilities = 'pull'",
            Err(
                "hosts.toml:2:1: host.\"https://m.test\".capabilities: expected an array, found a string",
            ),
        ),
    ] {
        let found = one_mirror(keys).map(|host| host.capabilities);
        assert_eq!(found, expected.map_err(str::to_owned), "{keys}");
    }
}

#[test]
fn files_are_relative_to_the_hosts_toml() {
    for (keys, roots, identity) in [
        ("ca = 'ca.crt'", 1, None),
        ("ca = ['ca.crt', './other.crt']", 2, None),
        ("client = 'both.pem'", 0, Some(true)),
        ("client = ['both.pem']", 0, Some(true)),
        ("client = [['client.cert', 'client.key']]", 0, Some(false)),
        ("client = [['both.pem', '']]", 0, Some(true)),
        ("client = []", 0, None),
    ] {
        let tls = one_mirror(keys).unwrap().tls;
        assert_eq!(tls.roots.len(), roots, "{keys}");
        let in_one_file = tls.identity.map(|identity| identity.key.expose() != KEY);
        assert_eq!(in_one_file, identity, "{keys}");
    }
}

#[test]
fn errors_name_the_file() {
    let key = "host.\"https://m.test\"";
    for (keys, expected) in [
        (
            "ca = 'none.crt'",
            "2:1: KEY.ca: none.crt: it cannot be read: No such file or directory (os error 2)",
        ),
        (
            "ca = 'empty.pem'",
            "2:1: KEY.ca: empty.pem: it holds no certificate in PEM form that can be read",
        ),
        ("ca = ''", "2:1: KEY.ca: it is empty"),
        (
            "ca = 1",
            "2:1: KEY.ca: expected a string or an array of strings, found a number",
        ),
        (
            "client = 'client.cert'",
            "2:1: KEY.client: client.cert: it holds no private key in PEM form that can be read",
        ),
        (
            "client = [['a', 'b', 'c']]",
            "2:11: KEY.client[0]: expected an array of a certificate and a key, found an array",
        ),
    ] {
        let expected = format!("hosts.toml:{}", expected.replace("KEY", key));
        assert_eq!(one_mirror(keys).unwrap_err(), expected, "{keys}");
    }
}

/// Of several client certificates the first is used, and there is a finding.
#[test]
fn the_first_client_certificate_is_used() {
    let text = "[host.\"https://m.test\"]\nclient = ['both.pem', ['client.cert', 'client.key']]";
    let (read, findings) = read_for(HostsScope::Registry("lab.test"), text);
    assert_eq!(
        findings,
        [
            "hosts.toml:2: host.\"https://m.test\".client[0]: of several client certificates the first is used: both.pem"
        ]
    );
    assert!(read.unwrap().mirrors[0].value.tls.identity.is_some());
}

/// I7: no error contains the value of a header.
#[test]
fn headers_are_texts_or_lists_of_them() {
    let host =
        one_mirror("[host.\"https://m.test\".header]\nAuthorization = 'Basic x'\nx-a = ['1', '2']");
    let headers: Vec<_> = host
        .unwrap()
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.expose()))
        .collect();
    assert_eq!(headers, ["Authorization: Basic x", "x-a: 1", "x-a: 2"]);
    for (header, expected) in [
        (
            "x = 1",
            "x: expected a string or an array of strings, found a number",
        ),
        (
            "x = \"hunter2\\r\\ny: z\"",
            "x: the value of a header can hold printable ASCII only",
        ),
        ("Host = 'x'", "Host: this header cannot be configured"),
        ("'a b' = 'x'", "\"a b\": that is not the name of a header"),
    ] {
        let error = one_mirror(&format!("[host.\"https://m.test\".header]\n{header}")).unwrap_err();
        let expected = format!("hosts.toml:3:1: host.\"https://m.test\".header.{expected}");
        assert_eq!(error, expected);
    }
}

#[test]
fn override_path_keeps_the_path() {
    for (text, expected) in [
        (
            "[host.\"https://m.test/v2/hub\"]\noverride_path = true",
            "https://m.test/v2/hub",
        ),
        (
            "[host.\"https://m.test/hub/v2\"]\noverride_path = true",
            "https://m.test/hub/v2",
        ),
        ("[host.\"https://m.test/hub/v2\"]", "https://m.test/hub/v2"),
    ] {
        let hosts = read_text(text).unwrap();
        assert_eq!(urls(&hosts), [expected], "{text}");
    }
}

#[test]
fn reads_the_dial_timeout() {
    for (text, expected) in [
        ("1s", Ok(Some(Duration::from_secs(1)))),
        ("1m1.5s", Ok(Some(Duration::from_millis(61_500)))),
        ("0", Ok(None)),
        ("", Ok(None)),
        ("-1s", Err("a length of time cannot be negative")),
        (
            "5",
            Err("expected a length of time such as \"10s\", \"300ms\" or \"1m30s\""),
        ),
    ] {
        let found = one_mirror(&format!("dial_timeout = '{text}'")).map(|host| host.connect);
        let expected = expected.map_err(|reason| {
            format!("hosts.toml:2:1: host.\"https://m.test\".dial_timeout: {reason}")
        });
        assert_eq!(found, expected, "{text}");
    }
}

/// Without `server`, the keys at the root are about the registry's own host.
#[test]
fn the_keys_at_the_root_are_about_the_server() {
    let hosts = read_text("ca = 'ca.crt'\nskip_verify = true\n[header]\nx = 'y'").unwrap();
    assert_eq!(urls(&hosts), ["https://lab.test:5000/"]);
    let (read, _) = read_for(HostsScope::Registry("docker.io"), "skip_verify = true");
    assert_eq!(urls(&read.unwrap()), ["https://registry-1.docker.io/"]);
    assert_eq!(urls(&read_text("# nothing").unwrap()), Vec::<&str>::new());
    let hosts = read_text("server = 'https://s.test/v2'\ncapabilities = ['pull']").unwrap();
    assert!(!hosts.server.unwrap().host.value.capabilities.resolve);
}

#[test]
fn ignored_keys_are_findings() {
    for (scope, text, expected) in [
        (
            HostsScope::Registry("a.test"),
            "servr = 'x'",
            "hosts.toml:1: servr: unknown key, ignored",
        ),
        (
            HostsScope::Registry("a.test"),
            "[host.\"https://m.test\"]\nplain-http = true",
            "hosts.toml:2: host.\"https://m.test\".plain-http: unknown key, ignored",
        ),
        (
            HostsScope::Registry("a.test"),
            "capabilities = ['pull']",
            "hosts.toml:1: capabilities: ignored, because there is no `server`",
        ),
        (
            HostsScope::Default,
            "skip_verify = true",
            "hosts.toml:1: ignored, because there is no `server`",
        ),
    ] {
        let (read, findings) = read_for(scope, text);
        assert!(read.unwrap().server.is_none(), "{text}");
        assert_eq!(findings, [expected], "{text}");
    }
}

#[test]
fn invalid_files_are_errors() {
    for (text, expected) in [
        (
            "[host.\"https://m.test\".host.\"https://n.test\"]",
            "1:24: host.\"https://m.test\".host: hosts cannot be nested",
        ),
        (
            "[host.\"ftp://m.test\"]",
            "1:7: host.\"ftp://m.test\": the scheme must be `http` or `https`",
        ),
        ("[[host]]", "1:3: host: expected a table, found an array"),
        (
            "host.a = 1",
            "1:6: host.a: expected a table, found a number",
        ),
        (
            "server = 5",
            "1:1: server: expected a string, found a number",
        ),
        (
            "server = 'https://me:hunter2@m.test'",
            "1:1: server: an address cannot hold a user or password: use `windlass login`",
        ),
        (
            "skip_verify = 'yes'",
            "1:1: skip_verify: expected true or false, found a string",
        ),
        (
            "override_path = 1",
            "1:1: override_path: expected true or false, found a number",
        ),
        ("server = 'a'\nserver = 'b'", "2:1: duplicate key"),
    ] {
        assert_eq!(
            read_text(text).unwrap_err(),
            format!("hosts.toml:{expected}")
        );
    }
}

/// The hosts of a registry share one proxy: several proxies, as in containerd, are an error.
#[test]
fn a_proxy_must_be_the_same_for_all_hosts() {
    let proxy = "proxy = 'http://p.test'";
    let hosts = read_text(&format!("{proxy}\n[host.\"https://m.test\"]\n{proxy}")).unwrap();
    let proxies = hosts.proxies.unwrap();
    assert_eq!(proxies.origin.line, Some(3));
    assert_eq!(proxies.value.https.unwrap().expose(), "http://p.test");
    let error = read_text(&format!("[host.\"https://m.test\"]\n{proxy}")).unwrap_err();
    assert_eq!(
        error,
        "hosts.toml: all hosts of a registry share one proxy: give each the same, or set it in windlass.toml"
    );
}

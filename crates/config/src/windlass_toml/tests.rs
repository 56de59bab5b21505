//! Every key of a `windlass.toml`.

use std::path::PathBuf;
use std::time::Duration;

use windlass_registry::{Proxies, Secret};

use super::*;
use crate::settings::DaemonJsonChoice;
use crate::source::Setting;

fn read_text(text: &str) -> Result<WindlassToml, String> {
    let read = read(
        Path::new("/etc/windlass/windlass.toml"),
        text,
        &mut Vec::new(),
    );
    read.map_err(|error| {
        format!("{error}: {}", error.problem).replace("/etc/windlass/windlass.toml:", "")
    })
}

fn value<T>(setting: Option<Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value)
}

#[test]
fn reads_every_key() {
    let settings = read_text(
        r#"
        root = "images"
        downloads = 0
        attempts = 0x10
        schema1 = true
        insecure-registries = ["lab:5000", "10.0.0.0/8"]
        certs-dirs = ["certs.d", "/etc/docker/certs.d"]
        daemon-json = false
        proxy = { https = "p.test:3128", http = "direct", no-proxy = ["a.test", "10.0.0.0/8"] }
        [timeouts]
        connect = "1s"
        response = "2s"
        stall = "3s"
        floor = 4
        token = "5s"
        ping = "6s"
        "#,
    )
    .unwrap()
    .settings;
    assert_eq!(settings.root.as_ref().unwrap().origin.line, Some(2));
    assert_eq!(value(settings.root), Some("/etc/windlass/images".into()));
    assert_eq!(value(settings.downloads), Some(0));
    assert_eq!(value(settings.attempts), Some(16));
    assert_eq!(value(settings.schema1), Some(true));
    let insecure = value(settings.insecure_registries).unwrap();
    assert_eq!(insecure, ["lab:5000", "10.0.0.0/8"]);
    let dirs = ["/etc/windlass/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    assert_eq!(value(settings.certs_dirs), Some(dirs.to_vec()));
    assert_eq!(value(settings.daemon_json), Some(DaemonJsonChoice::None));
    assert_eq!(value(settings.http_proxy), Some(None));
    assert_eq!(
        value(settings.https_proxy),
        Some(Some(Secret::new("http://p.test:3128")))
    );
    let no_proxy = value(settings.no_proxy).unwrap();
    assert_eq!(no_proxy.as_deref(), Some("a.test,10.0.0.0/8"));
    let times = [
        settings.connect_timeout,
        settings.response_timeout,
        settings.stall_timeout,
        settings.token_timeout,
        settings.ping_timeout,
    ];
    let times = times.map(|time| time.unwrap().value.as_secs());
    assert_eq!(times, [1, 2, 3, 5, 6]);
    assert_eq!(value(settings.timeout_floor), Some(4));
}

/// An address in place of the table sets both proxies.
#[test]
fn one_proxy_is_for_both_schemes() {
    let settings = read_text("\nproxy = 'p.test'").unwrap().settings;
    assert_eq!(settings.http_proxy.as_ref().unwrap().origin.line, Some(2));
    assert_eq!(
        value(settings.http_proxy),
        Some(Some(Secret::new("http://p.test")))
    );
    assert_eq!(
        value(settings.https_proxy),
        Some(Some(Secret::new("http://p.test")))
    );
    assert_eq!(settings.no_proxy, None);
}

/// EP-1, EP-2, S2-9.
#[test]
fn reads_the_hosts_of_a_registry() {
    let read = read_text(
        r#"
        [registry."index.docker.io"]
        server = "https://hub.test/hub/v2"
        proxy = "socks5://p.test"
        foreign-layers = ["https://blobs.test/", "blobs.test:8443"]
        skip-verify = true
        [[registry."index.docker.io".mirror]]
        url = "m1.test/proxy"
        capabilities = ["pull"]
        override-path = true
        dial-timeout = "300ms"
        header = { x-a = "b" }
        [[registry."index.docker.io".mirror]]
        url = "http://m2.test"
        [registry."*"]
        mirror = ["https://all.test"]
        proxy = "direct"
        [registry."localhost:5000"]
        mirror = []
        [registry.localhost]
        proxy.no-proxy = "x"
        "#,
    )
    .unwrap();
    let names: Vec<&str> = read.registries.keys().map(String::as_str).collect();
    assert_eq!(names, ["*", "docker.io", "localhost", "localhost:5000"]);
    let hub = &read.registries["docker.io"];
    let hosts = hub.hosts.as_ref().unwrap().as_ref().unwrap();
    let urls: Vec<&str> = hosts
        .mirrors
        .iter()
        .map(|host| host.value.url.as_str())
        .collect();
    assert_eq!(urls, ["https://m1.test/proxy", "http://m2.test/"]);
    let mirror = &hosts.mirrors[0].value;
    assert!(mirror.override_path && mirror.capabilities.pull && !mirror.capabilities.resolve);
    assert_eq!(mirror.connect, Some(Duration::from_millis(300)));
    assert_eq!(mirror.headers, [("x-a".to_owned(), Secret::new("b"))]);
    let server = &hosts.server.as_ref().unwrap().host.value;
    assert_eq!(server.url.as_str(), "https://hub.test/hub/v2");
    assert!(server.tls.skip_verify);
    assert_eq!(
        hub.foreign_hosts.as_ref().unwrap().value,
        ["https://blobs.test", "https://blobs.test:8443"]
    );
    let proxy = Secret::new("socks5://p.test");
    let both = Proxies {
        http: Some(proxy.clone()),
        https: Some(proxy),
        no_proxy: None,
    };
    assert_eq!(hub.proxies.as_ref().unwrap().value, both);
    let any_registry = &read.registries["*"];
    assert_eq!(
        any_registry.proxies.as_ref().unwrap().value,
        Proxies::default()
    );
    assert!(read.registries["localhost"].hosts.is_none());
    let none = read.registries["localhost:5000"].hosts.as_ref().unwrap();
    assert!(none.as_ref().unwrap().mirrors.is_empty());
}

/// Keys about certificates do not configure the hosts, which other files can do.
#[test]
fn keys_without_server_are_about_the_registrys_own_host() {
    let read = read_text(
        "[registry.\"a.test\"]\nskip-verify = true\n[registry.\"b.test\"]\nheader.x = 'y'",
    );
    let mut read = read.unwrap();
    let a = read.registries.remove("a.test").unwrap();
    assert!(a.hosts.is_none());
    assert!(a.skip_verify.unwrap().value);
    let b = read.registries.remove("b.test").unwrap();
    let server = b.hosts.unwrap().unwrap().server.unwrap().host.value;
    assert_eq!(server.url.as_str(), "https://b.test/");
    assert_eq!(server.headers.len(), 1);
}

/// EP-8: an error makes the file invalid, and has a position and a hint.
#[test]
fn errors_have_a_position_a_key_and_a_hint() {
    for (text, expected) in [
        (
            "downlods = 3",
            "1:1: downlods: there is no such key; did you mean `downloads`?",
        ),
        (
            "insecure_registries = []",
            "1:1: insecure_registries: there is no such key; did you mean `insecure-registries`?",
        ),
        ("version = 1", "1:1: version: there is no such key"),
        (
            "proxy.htps = 'x'",
            "1:7: proxy.htps: there is no such key; did you mean `https`?",
        ),
        (
            "[timeouts]\nconect = '1s'",
            "2:1: timeouts.conect: there is no such key; did you mean `connect`?",
        ),
        (
            "[registry.\"a.test\"]\nmirrors = []",
            "2:1: registry.\"a.test\".mirrors: there is no such key; did you mean `mirror`?",
        ),
        (
            "[[registry.\"a.test\".mirror]]\nurl = 'b'\nskip_verify = true",
            "3:1: registry.\"a.test\".mirror[0].skip_verify: there is no such key; did you mean `skip-verify`?",
        ),
        (
            "downloads = -1",
            "1:1: downloads: expected a number from 0 to 1000",
        ),
        (
            "attempts = 0",
            "1:1: attempts: expected a number from 1 to 1000",
        ),
        (
            "downloads = '3'",
            "1:1: downloads: expected a number, found a string",
        ),
        (
            "schema1 = 1",
            "1:1: schema1: expected true or false, found a number",
        ),
        ("root = ' '", "1:1: root: it is empty"),
        (
            "insecure-registries = ['-a']",
            "1:24: insecure-registries[0]: expected HOST, HOST:PORT or a range such as 10.0.0.0/8",
        ),
        (
            "insecure-registries = ['10.0.0.0/40']",
            "1:24: insecure-registries[0]: the length of the range is more than the address has bits",
        ),
        (
            "proxy = ['x']",
            "1:1: proxy: expected a string or a table, found an array",
        ),
        (
            "proxy = 'http://me:hunter2@p.test/x'",
            "1:1: proxy: the address of a proxy is [SCHEME://][USER:PASSWORD@]HOST[:PORT], and nothing more",
        ),
        (
            "timeouts.stall = '0s'",
            "1:10: timeouts.stall: a length of time cannot be zero here",
        ),
        (
            "timeouts.stall = 30",
            "1:10: timeouts.stall: expected a string, found a number",
        ),
        (
            "daemon-json = true",
            "1:1: daemon-json: expected a path or false, found true or false",
        ),
        (
            "[registry.lab]",
            "1:11: registry.lab: \"lab\" is not the name of a registry: expected HOST.DOMAIN, HOST:PORT or `localhost`",
        ),
        (
            "[registry.\"docker.io\"]\n[registry.\"index.docker.io\"]",
            "2:11: registry.\"index.docker.io\": this registry is configured already, by another name of it",
        ),
        (
            "[[registry.\"a.test\".mirror]]\ncapabilities = ['pull']",
            "1:1: registry.\"a.test\".mirror[0]: `url` is missing",
        ),
        (
            "[registry.\"a.test\"]\nserver = 'b'\ncapabilities = []",
            "3:1: registry.\"a.test\".capabilities: it is empty",
        ),
        (
            "[registry.\"a.test\"]\nmirror = 'b'",
            "2:1: registry.\"a.test\".mirror: expected an array, found a string",
        ),
        (
            "[registry.\"a.test\"]\nforeign-layers = ['b/c']",
            "2:19: registry.\"a.test\".foreign-layers[0]: expected only a host and a port after the scheme",
        ),
        (
            "[registry.\"*\"]\nskip-verify = true",
            "1:11: registry.\"*\": it needs a `server` beside it",
        ),
        (
            "[registry.\"*\"]\nheader.x = 'y'",
            "2:1: registry.\"*\".header: it needs a `server` beside it",
        ),
        (
            "[registry.\"a.test\"]\nclient = { cert = 'x' }",
            "2:1: registry.\"a.test\".client: `key` is missing",
        ),
        ("ca = 'none.pem'", "1:1: ca: /etc/windlass/none.pem"),
    ] {
        let found = read_text(text).map(|_| text);
        assert_eq!(found, Err(expected.to_owned()));
    }
}

#[test]
fn keys_of_a_later_file_override_earlier_ones() {
    let system = "downloads = 3\nattempts = 3\n[proxy]\nhttp = 'a'\nhttps = 'a'\n[registry.'a.test']\nmirror = ['m1.test', 'm2.test']\n[registry.'b.test']\nproxy = 'direct'";
    let user = "downloads = 5\nproxy.http = 'b'\n[registry.'a.test']\nproxy = 'direct'\n[registry.'c.test']\nmirror = ['m3.test']";
    let read = read_text(user).unwrap().over(read_text(system).unwrap());
    let settings = read.settings;
    let limits = (value(settings.downloads), value(settings.attempts));
    assert_eq!(limits, (Some(5), Some(3)));
    assert_eq!(
        value(settings.http_proxy),
        Some(Some(Secret::new("http://b")))
    );
    assert_eq!(
        value(settings.https_proxy),
        Some(Some(Secret::new("http://a")))
    );
    let a = &read.registries["a.test"];
    assert_eq!(a.hosts.as_ref().unwrap().as_ref().unwrap().mirrors.len(), 2);
    assert!(a.proxies.is_some());
    assert_eq!(read.registries.len(), 3);
}

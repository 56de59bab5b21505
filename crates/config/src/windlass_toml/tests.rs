//! Every key of a `windlass.toml`.

use windlass_registry::{Proxies, Secret};

use super::*;

fn read_text(text: &str) -> Result<Own, String> {
    let read = read(
        Path::new("/etc/windlass/windlass.toml"),
        text,
        &mut Vec::new(),
    );
    read.map_err(|error| {
        format!("{error}: {}", error.problem).replace("/etc/windlass/windlass.toml:", "")
    })
}

fn through(address: &str) -> Proxy {
    Proxy::Through(Secret::new(address))
}

fn value<T>(setting: Option<Setting<T>>) -> Option<T> {
    setting.map(|setting| setting.value)
}

#[test]
fn reads_every_key() {
    let own = read_text(
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
    .unwrap();
    assert_eq!(own.root.as_ref().unwrap().origin.line, Some(2));
    assert_eq!(value(own.root), Some("/etc/windlass/images".into()));
    assert_eq!(value(own.downloads), Some(0));
    assert_eq!(value(own.attempts), Some(16));
    assert_eq!(value(own.schema1), Some(true));
    assert_eq!(value(own.insecure).unwrap(), ["lab:5000", "10.0.0.0/8"]);
    let dirs = ["/etc/windlass/certs.d", "/etc/docker/certs.d"].map(PathBuf::from);
    assert_eq!(own.certs_dirs, Some(dirs.to_vec()));
    assert_eq!(own.daemon_json, Some(DaemonFile::None));
    assert_eq!(value(own.proxies.http), Some(Proxy::Direct));
    assert_eq!(
        value(own.proxies.https),
        Some(through("http://p.test:3128"))
    );
    assert_eq!(
        value(own.proxies.no_proxy).as_deref(),
        Some("a.test,10.0.0.0/8")
    );
    let times = [
        own.timeouts.connect,
        own.timeouts.response,
        own.timeouts.stall,
        own.timeouts.token,
        own.timeouts.ping,
    ];
    let times = times.map(|time| time.unwrap().value.as_secs());
    assert_eq!(times, [1, 2, 3, 5, 6]);
    assert_eq!(value(own.timeouts.floor), Some(4));
}

/// EP-1, EP-2, S2-9.
#[test]
fn reads_who_answers_for_a_registry() {
    let own = read_text(
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
    let names: Vec<&str> = own.registries.keys().map(String::as_str).collect();
    assert_eq!(names, ["*", "docker.io", "localhost", "localhost:5000"]);
    let hub = &own.registries["docker.io"];
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
    let everybody = &own.registries["*"];
    assert_eq!(
        everybody.proxies.as_ref().unwrap().value,
        Proxies::default()
    );
    assert!(own.registries["localhost"].hosts.is_none());
    let none = own.registries["localhost:5000"].hosts.as_ref().unwrap();
    assert!(none.as_ref().unwrap().mirrors.is_empty());
}

/// Keys about certificates alone leave it to other files who answers.
#[test]
fn keys_without_server_are_about_the_registrys_own_host() {
    let own = read_text(
        "[registry.\"a.test\"]\nskip-verify = true\n[registry.\"b.test\"]\nheader.x = 'y'",
    );
    let mut own = own.unwrap();
    let a = own.registries.remove("a.test").unwrap();
    assert!(a.hosts.is_none());
    assert!(a.skip_verify.unwrap().value);
    let b = own.registries.remove("b.test").unwrap();
    let server = b.hosts.unwrap().unwrap().server.unwrap().host.value;
    assert_eq!(server.url.as_str(), "https://b.test/");
    assert_eq!(server.headers.len(), 1);
}

/// EP-8: an error refuses the file, and says where it is and what to do.
#[test]
fn says_where_and_what_is_wrong() {
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
            "2:19: registry.\"a.test\".foreign-layers[0]: expected only a host and a port behind the scheme",
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
fn a_later_files_keys_win() {
    let system = "downloads = 3\nattempts = 3\n[proxy]\nhttp = 'a'\nhttps = 'a'\n[registry.'a.test']\nmirror = ['m1.test', 'm2.test']\n[registry.'b.test']\nproxy = 'direct'";
    let user = "downloads = 5\nproxy.http = 'b'\n[registry.'a.test']\nproxy = 'direct'\n[registry.'c.test']\nmirror = ['m3.test']";
    let own = read_text(user).unwrap().over(read_text(system).unwrap());
    assert_eq!(
        (value(own.downloads), value(own.attempts)),
        (Some(5), Some(3))
    );
    assert_eq!(value(own.proxies.http), Some(through("http://b")));
    assert_eq!(value(own.proxies.https), Some(through("http://a")));
    let a = &own.registries["a.test"];
    assert_eq!(a.hosts.as_ref().unwrap().as_ref().unwrap().mirrors.len(), 2);
    assert!(a.proxies.is_some());
    assert_eq!(own.registries.len(), 3);
}

//! Docker Hub behind a cache and a proxy, as in many companies. The tests do not contact the real one.

use std::fs;

use serde_json::json;
use windlass_testing::real::{DockerRegistry, LoggedRequest};
use windlass_testing::{Ca, HttpProxy, Registry};

use crate::Case;
use crate::fixture::Fixture;
use crate::registry_client::RegistryClient;
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

/// The registry host of `docker.io`.
const HUB: &str = "registry-1.docker.io";

pub(crate) const CASES: &[Case] = &[Case {
    name: "hub::daemon_json_configures_its_mirror_and_the_proxy_for_the_fallback",
    needs: REGISTRY,
    test: mirror,
}];

/// EP-1, FB-13, T29: configured in Docker's own file, with a reference that names no registry.
fn mirror(shared: &SharedState) {
    let client = RegistryClient::new(shared, "hub");
    let ca = Ca::new();
    let hub = DockerRegistry::builder(&client.directory.join("hub"));
    let hub = hub.tls(&ca).name(HUB).start().unwrap();
    shared.push(&hub, Fixture::Small, "library/small");
    let cache = DockerRegistry::builder(&client.directory.join("cache"));
    let cache = cache.cache_of(&hub).start().unwrap();
    let proxy = HttpProxy::builder().name(&format!("{HUB}:443"), hub.address());
    let proxy = proxy.start();
    let [pem, daemon] = ["ca.pem", "daemon.json"].map(|name| client.directory.join(name));
    fs::write(&pem, ca.pem()).unwrap();
    client.configure(&format!(
        "ca = {:?}\ndaemon-json = {:?}\n",
        pem.to_str().unwrap(),
        daemon.to_str().unwrap()
    ));
    let configure = |mirror: &str| {
        let proxies = json!({ "http-proxy": proxy.url(), "https-proxy": proxy.url() });
        let file = json!({ "registry-mirrors": [mirror], "proxies": proxies, "debug": true });
        fs::write(&daemon, file.to_string()).unwrap();
    };
    let windlass = &client.windlass;

    configure(&cache.url());
    let shown = windlass.succeeds(&["config", "show", "docker.io"]);
    let pulled = windlass.succeeds(&["pull", "small:gzip"]);

    let (cache_host, dead) = (cache.address().to_string(), Registry::start());
    dead.stop_listening();
    let dead_host = dead.host();
    let masks = [
        (&*cache_host, "cache.test"),
        (&dead_host, "dead.test"),
        (&proxy.url(), "[proxy]"),
    ];
    insta::assert_snapshot!(windlass.show(&shown, &masks), @r"
    exit: 0
    --- stdout
    docker.io
      1. http://cache.test  mirror
         used for     pull, resolve
         TLS          none: plain http
         credentials  none
         from         [dir]/daemon.json
      2. https://registry-1.docker.io  registry
         used for     pull, resolve
         TLS          verified
         proxy        [proxy]
         credentials  none
         from         default
    ");
    insta::assert_snapshot!(windlass.show(&pulled, &masks), @r"
    exit: 0
    --- stdout
    docker.io/library/small:gzip@sha256:[digest]
    --- stderr
    Pulling small:gzip for linux/amd64: 1 layer, 121 B to download
    Pulled small:gzip in [time]s  121 B down, 5 B unpacked  (mirror: cache.test)
    ");
    let requests = cache.requests().unwrap();
    assert!(requests.iter().any(LoggedRequest::is_blob_download));
    assert!(
        requests.iter().all(|it| it.path.ends_with("?ns=docker.io")),
        "{requests:#?}"
    );
    assert_eq!(proxy.log(), [""; 0]);

    configure(dead.url());
    windlass.succeeds(&["rmi", "small:gzip"]);
    let again = windlass.succeeds(&["pull", "small:gzip"]);

    assert_eq!(again.stdout, pulled.stdout);
    insta::assert_snapshot!(windlass.show(&again, &masks), @r"
    exit: 0
    --- stdout
    docker.io/library/small:gzip@sha256:[digest]
    --- stderr
    small:gzip: library/small:gzip at http://dead.test: nothing is listening there: Connection refused (os error 111); trying another endpoint
    Pulling small:gzip for linux/amd64: 1 layer, 121 B to download
    Pulled small:gzip in [time]s  121 B down, 5 B unpacked
    ");
    let tunnels = proxy.log();
    assert!(!tunnels.is_empty());
    let tunnel = format!("CONNECT {HUB}:443 200");
    assert!(tunnels.iter().all(|it| *it == tunnel), "{tunnels:#?}");
}

//! Docker Hub behind a cache and a proxy, as in many companies. The tests do not contact the real one.

use std::fs;

use serde_json::json;
use windlass_testing::real::{DockerRegistry, LoggedRequest};
use windlass_testing::{Ca, HttpProxy, Registry};

use crate::Case;
use crate::fixture::Fixture;
use crate::registry_client::RegistryClient;
use crate::requirements::REGISTRY;
use crate::shared_state::World;

/// The registry host of `docker.io`.
const HUB: &str = "registry-1.docker.io";

pub(crate) const CASES: &[Case] = &[Case {
    name: "hub::daemon_json_configures_its_mirror_and_the_proxy_for_the_fallback",
    needs: REGISTRY,
    test: mirror,
}];

/// EP-1, FB-13, T29: configured in Docker's own file, with a reference that names no registry.
fn mirror(world: &World) {
    let client = RegistryClient::new(world, "hub");
    let ca = Ca::new();
    let hub = DockerRegistry::builder(&client.directory.join("hub"));
    let hub = hub.tls(&ca).name(HUB).start().unwrap();
    world.push(&hub, Fixture::Small, "library/small");
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
    let shown = windlass.succeeds(&["config", "show", "docker.io"]).stdout;
    let pulled = windlass.succeeds(&["pull", "small:gzip"]);

    assert!(shown.contains(&cache.url()), "{shown}");
    let name = "docker.io/library/small:gzip@sha256:";
    assert!(pulled.stdout.starts_with(name), "{pulled:#?}");
    let mirrored = format!("(mirror: {})", cache.address());
    assert!(pulled.stderr.contains(&mirrored), "{pulled:#?}");
    let requests = cache.requests().unwrap();
    assert!(requests.iter().any(LoggedRequest::is_blob_download));
    assert!(
        requests.iter().all(|it| it.path.ends_with("?ns=docker.io")),
        "{requests:#?}"
    );
    assert_eq!(proxy.log(), [""; 0]);

    let dead = Registry::start();
    dead.stop_listening();
    configure(dead.url());
    windlass.succeeds(&["rmi", "small:gzip"]);
    let again = windlass.succeeds(&["pull", "small:gzip"]);

    assert_eq!(again.stdout, pulled.stdout);
    let warning = again
        .stderr
        .lines()
        .find(|line| line.contains(&dead.host()));
    let has_warning = warning.is_some_and(|line| line.ends_with("; trying another endpoint"));
    assert!(has_warning, "{}", again.stderr);
    assert!(!again.stderr.contains("(mirror"), "{}", again.stderr);
    let tunnels = proxy.log();
    assert!(!tunnels.is_empty());
    let tunnel = format!("CONNECT {HUB}:443 200");
    assert!(tunnels.iter().all(|it| *it == tunnel), "{tunnels:#?}");
}

//! A registry with TLS whose name only proxies can resolve.

use std::fs;
use std::path::PathBuf;

use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth};
use windlass_testing::{Ca, HttpProxy, Socks5Proxy, SocksHost};

use crate::Case;
use crate::command::Ran;
use crate::registry_client::{RegistryClient, fill};
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

const NAME: &str = "reg.test/hold/small:gzip";
const PLACE: &str = "reg.test:443";

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "proxies::a_proxy_of_the_environment_gets_only_the_address",
        needs: REGISTRY,
        test: environment,
    },
    Case {
        name: "proxies::a_proxy_of_a_registry_is_used_for_it_only",
        needs: REGISTRY,
        test: of_a_registry,
    },
];

/// A registry with TLS, and the file with the certificate of its CA.
struct ProxySetup {
    registry: DockerRegistry,
    pem: PathBuf,
}

impl ProxySetup {
    fn new(shared: &SharedState, name: &str, access: RegistryAuth) -> Self {
        let directory = shared.directory(name);
        let ca = Ca::new();
        let registry = DockerRegistry::builder(&directory.join("registry"));
        let registry = registry.access(access).tls(&ca).start().unwrap();
        let pem = directory.join("ca.pem");
        fs::write(&pem, ca.pem()).unwrap();
        fill(shared, &registry);
        Self { registry, pem }
    }

    fn pem(&self) -> &str {
        self.pem.to_str().unwrap()
    }
}

/// HT-1, D13: a login and a pull through `HTTPS_PROXY`; a proxy that refuses the connection is reported.
fn environment(shared: &SharedState) {
    let setup = ProxySetup::new(shared, "proxies-environment", RegistryAuth::Basic);
    let proxy = HttpProxy::builder().login("gob", "smacked");
    let proxy = proxy.name(PLACE, setup.registry.address()).start();
    let client = RegistryClient::new(shared, "proxies-environment-client");
    client.configure(&format!("ca = {:?}\n", setup.pem()));
    let url = proxy.url().replace("http://", "http://gob:smacked@");
    let run = |arguments: &[&str]| {
        let mut command = client.windlass.command(arguments);
        Ran::from(command.env("HTTPS_PROXY", &url).output().unwrap())
    };

    let login = run(&["login", "-u", "bosun", "-p", PASSWORD, "reg.test"]);
    let pull = run(&["pull", NAME]);

    assert_eq!((login.code, pull.code), (Some(0), Some(0)), "{pull:#?}");
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    for request in requests {
        assert_eq!(request.to_string(), format!("CONNECT {PLACE} 200"));
        assert!(
            !request.headers.contains_key("authorization"),
            "{request:?}"
        );
    }
    proxy.refuse(403);
    let refused = run(&["digest", NAME]);
    let masks = [(&*proxy.address().to_string(), "proxy.test")];
    insta::assert_snapshot!(client.windlass.show(&refused, &masks), @r"
    exit: 1
    --- stderr
    error: resolving the digest of reg.test/hold/small:gzip: hold/small:gzip at https://reg.test: cannot connect through the proxy: it responded with status 403
    hint: to bypass the proxy for this host, add the host to NO_PROXY
    ");
}

/// The proxy resolves names; a registry without that proxy is reached directly, and the environment's proxy is
/// ignored.
fn of_a_registry(shared: &SharedState) {
    let setup = ProxySetup::new(shared, "proxies-registry", RegistryAuth::Open);
    let proxy = Socks5Proxy::builder().login("gob", "smacked");
    let proxy = proxy.name(PLACE, setup.registry.address()).start();
    let unused = HttpProxy::builder().start();
    let client = RegistryClient::new(shared, "proxies-registry-client");
    let url = proxy.url().replace("socks5h://", "socks5h://gob:smacked@");
    client.configure(&format!(
        "ca = {:?}\n[registry.\"reg.test\"]\nproxy = {url:?}\n",
        setup.pem()
    ));

    let mut pull = client.windlass.command(&["pull", NAME]);
    let pull = Ran::from(pull.env("HTTPS_PROXY", unused.url()).output().unwrap());
    let other = client.windlass.command(&["pull", "other.test/app"]);
    let other = Ran::from({ other }.env("HTTPS_PROXY", unused.url()).output().unwrap());

    assert_eq!(pull.code, Some(0), "{pull:#?}");
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    let host = SocksHost::Name("reg.test".to_owned());
    assert!(
        requests
            .iter()
            .all(|it| (&it.host, it.port, it.reply) == (&host, 443, 0)),
        "{requests:#?}"
    );
    assert_eq!(other.code, Some(1), "{other:#?}");
    assert!(!unused.log().is_empty());
    assert!(
        unused
            .log()
            .iter()
            .all(|it| it == "CONNECT other.test:443 502")
    );
    let shown = client.windlass.succeeds(&["config", "show", "reg.test"]);
    let masks = [(&*proxy.address().to_string(), "proxy.test")];
    insta::assert_snapshot!(client.windlass.show(&shown, &masks), @r"
    exit: 0
    --- stdout
    reg.test
      1. https://reg.test  registry
         used for     pull, resolve
         TLS          verified
         proxy        socks5h://hidden@proxy.test
         credentials  none
         from         default
    ");
}

//! Authentication with a password, and the number of requests.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth, USER};

use crate::Case;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "access::credentials_come_from_dockers_configuration",
        needs: REGISTRY,
        test: basic,
    },
    Case {
        name: "access::a_second_pull_is_up_to_date_and_requests_no_layer",
        needs: REGISTRY,
        test: second_pull,
    },
];

/// HT-4, HT-7 to HT-11: without credentials, with wrong ones, with the right ones.
fn basic(shared: &SharedState) {
    let directory = shared.directory("basic");
    let registry = DockerRegistry::start(&directory.join("registry"), RegistryAuth::Basic).unwrap();
    let layout = shared.directory("basic-layout");
    Fixture::Small.build(shared, &layout).unwrap();
    registry.push(&layout, "gzip", "private/small").unwrap();
    let reference = format!("{}/private/small:gzip", registry.address());
    let windlass = Windlass::new(&directory);
    let host = registry.address().to_string();

    let mut refusals = Vec::new();
    for credentials in [None, Some("bosun:wrong")] {
        if let Some(credentials) = credentials {
            log_in(&directory, &host, credentials);
        }
        let ran = windlass.run(&["pull", &reference]);
        refusals.push(windlass.show(&ran, &[(&host, "registry.test")]));
        assert_eq!(windlass.images(), [""; 0]);
    }
    insta::assert_snapshot!(refusals.join("\n"), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/private/small:gzip: private/small:gzip at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`

    exit: 1
    --- stderr
    error: pulling registry.test/private/small:gzip: private/small:gzip at http://registry.test: authentication required
    hint: the registry rejects the credentials in [dir]/docker/config.json: log in again with `windlass login registry.test`
    ");

    log_in(&directory, &host, &format!("{USER}:{PASSWORD}"));
    windlass.succeeds(&["pull", &reference]);
    assert_eq!(windlass.images().len(), 1);
}

/// Writes the file that `docker login` writes.
pub(crate) fn log_in(directory: &Path, host: &str, credentials: &str) {
    let credentials = BASE64_STANDARD.encode(credentials);
    let config = serde_json::json!({ "auths": { host: { "auth": credentials } } });
    fs::create_dir_all(directory.join("docker")).unwrap();
    fs::write(directory.join("docker/config.json"), config.to_string()).unwrap();
}

fn second_pull(shared: &SharedState) {
    let directory = shared.directory("second-pull");
    let windlass = Windlass::new(&directory);
    let registry = DockerRegistry::start(&directory.join("registry"), RegistryAuth::Open).unwrap();
    let layout = shared.directory("second-pull-layout");
    Fixture::Whiteouts.build(shared, &layout).unwrap();
    registry.push(&layout, "mixed", "whiteouts").unwrap();
    let reference = format!("{}/whiteouts:mixed", registry.address());
    let downloads = || {
        let requests = registry.requests().unwrap();
        requests
            .iter()
            .filter(|request| request.is_blob_download())
            .count()
    };

    let first = windlass.succeeds(&["pull", &reference]);
    let after_first = downloads();
    let second = windlass.succeeds(&["pull", &reference]);

    // Three layers and the config; the second pull downloads none of them.
    assert_eq!((after_first, downloads()), (4, 4));
    let host = registry.address().to_string();
    insta::assert_snapshot!(windlass.show(&second, &[(&host, "registry.test")]), @r"
    exit: 0
    --- stdout
    registry.test/whiteouts:mixed@sha256:[digest]
    --- stderr
    registry.test/whiteouts:mixed is up to date
    ");
    assert_eq!(first.stdout, second.stdout);
}

//! Credential files in podman's format, shared with `skopeo`.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth, USER, command, run};

use crate::Case;
use crate::command::Ran;
use crate::registry_client::{RegistryClient, fill, named};
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "logins::windlass_uses_credentials_of_skopeo",
        needs: REGISTRY,
        test: from_skopeo,
    },
    Case {
        name: "logins::skopeo_uses_credentials_of_windlass",
        needs: REGISTRY,
        test: to_skopeo,
    },
];

/// A registry with a password.
struct LoginSetup {
    registry: DockerRegistry,
    client: RegistryClient,
    host: String,
}

impl LoginSetup {
    fn new(shared: &SharedState, name: &str) -> Self {
        let client = RegistryClient::new(shared, name);
        let directory = client.directory.join("registry");
        let registry = DockerRegistry::start(&directory, RegistryAuth::Basic).unwrap();
        fill(shared, &registry);
        Self {
            host: registry.address().to_string(),
            registry,
            client,
        }
    }

    /// Requests the digest of the small image.
    fn request(&self, change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self
            .client
            .windlass
            .command(&["digest", &named(&self.registry)]);
        change(&mut command);
        Ran::from(command.output().unwrap())
    }

    #[track_caller]
    fn assert_allowed(&self, change: impl FnOnce(&mut Command)) {
        let ran = self.request(change);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }

    /// Returns the output of a request that has to fail.
    fn denied(&self, change: impl FnOnce(&mut Command)) -> String {
        let ran = self.request(change);
        let masks = [(&*self.host, "registry.test")];
        self.client.windlass.show(&ran, &masks)
    }
}

/// `REGISTRY_AUTH_FILE`, `--authfile`, `DOCKER_AUTH_CONFIG`, the user's own file; entries for a registry, and for a
/// part of one, which override the former.
fn from_skopeo(shared: &SharedState) {
    let setup = LoginSetup::new(shared, "from-skopeo");
    let directory = &setup.client.directory;
    let whole = directory.join("whole.json");
    skopeo("login", &whole, &setup.host);

    insta::assert_snapshot!(setup.denied(|_| ()), @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
    setup.assert_allowed(|command| {
        command.env("REGISTRY_AUTH_FILE", &whole);
    });
    setup.assert_allowed(|command| {
        command.arg("--authfile").arg(&whole);
    });
    setup.assert_allowed(|command| {
        command.env("DOCKER_AUTH_CONFIG", fs::read_to_string(&whole).unwrap());
    });

    let part = directory.join("part.json");
    skopeo("login", &part, &format!("{}/hold", setup.host));
    let mut both: Value = serde_json::from_slice(&fs::read(&part).unwrap()).unwrap();
    let wrong = BASE64_STANDARD.encode("bosun:wrong");
    both["auths"][&setup.host] = serde_json::json!({ "auth": wrong });
    fs::write(&part, both.to_string()).unwrap();
    setup.assert_allowed(|command| {
        command.env("REGISTRY_AUTH_FILE", &part);
    });
    skopeo("logout", &part, &format!("{}/hold", setup.host));
    let denied = setup.denied(|command| {
        command.env("REGISTRY_AUTH_FILE", &part);
    });
    insta::assert_snapshot!(denied, @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: the registry rejects the credentials in [dir]/part.json: log in again with `windlass login registry.test`
    ");

    let own = directory.join(".config/containers/auth.json");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::rename(&whole, &own).unwrap();
    let ran = setup
        .client
        .windlass
        .succeeds(&["pull", &named(&setup.registry)]);
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
}

/// Docker's file, and a named one; entries of other registries stay, and logging out removes the entry.
fn to_skopeo(shared: &SharedState) {
    let setup = LoginSetup::new(shared, "to-skopeo");
    let (client, host) = (&setup.client, &setup.host);
    let docker = client.directory.join("docker/config.json");
    fs::create_dir(docker.parent().unwrap()).unwrap();
    let others = r#"{"auths": {"other.test": {"auth": "Ym9zdW46eA=="}}, "psFormat": "x"}"#;
    fs::write(&docker, others).unwrap();

    let welcome = client.log_in(host, PASSWORD);
    assert_eq!(welcome.code, Some(0), "{welcome:#?}");
    assert!(may_inspect(&docker, &setup.registry));
    client.windlass.succeeds(&["logout", host]);
    assert!(!may_inspect(&docker, &setup.registry));
    let left: Value = serde_json::from_slice(&fs::read(&docker).unwrap()).unwrap();
    assert_eq!(left, serde_json::from_str::<Value>(others).unwrap());

    let named = client.directory.join("named.json");
    let file = named.to_str().unwrap();
    let arguments = [
        "login",
        "-u",
        USER,
        "-p",
        PASSWORD,
        "--authfile",
        file,
        host,
    ];
    client.windlass.succeeds(&arguments);
    assert!(may_inspect(&named, &setup.registry));
    insta::assert_snapshot!(setup.denied(|_| ()), @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
    skopeo("logout", &named, host);
    let denied = setup.denied(|command| {
        command.arg("--authfile").arg(&named);
    });
    insta::assert_snapshot!(denied, @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: hold/small:gzip at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
}

/// Logs in or out with `skopeo`.
fn skopeo(what: &str, file: &Path, place: &str) {
    let mut skopeo = command("skopeo");
    skopeo.arg(what).arg("--authfile").arg(file);
    if what == "login" {
        skopeo.args([
            "--tls-verify=false",
            "--username",
            USER,
            "--password",
            PASSWORD,
        ]);
    }
    run(skopeo.arg(place)).unwrap();
}

fn may_inspect(file: &Path, registry: &DockerRegistry) -> bool {
    let mut skopeo = command("skopeo");
    skopeo.args(["inspect", "--raw", "--tls-verify=false", "--authfile"]);
    skopeo
        .arg(file)
        .arg(format!("docker://{}", named(registry)));
    skopeo.output().unwrap().status.success()
}

//! Mirrors and credential helpers.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use windlass_testing::real::{
    DockerRegistry, LoggedRequest, PASSWORD, RegistryAuth, USER, command, run,
};

use crate::Case;
use crate::command::Ran;
use crate::registry_client::{RegistryClient, fill, named};
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "mirrors_and_helpers::a_pull_through_cache_is_a_mirror",
        needs: REGISTRY,
        test: cache,
    },
    Case {
        name: "mirrors_and_helpers::a_credential_helper_stores_the_password",
        needs: REGISTRY,
        test: helper,
    },
];

/// FB-1, FB-13, T29: the cache is used first; when it is gone the registry itself is, with a warning.
fn cache(shared: &SharedState) {
    let client = RegistryClient::new(shared, "cache");
    let upstream =
        DockerRegistry::start(&client.directory.join("upstream"), RegistryAuth::Open).unwrap();
    fill(shared, &upstream);
    let mirror = DockerRegistry::builder(&client.directory.join("mirror"))
        .cache_of(&upstream)
        .start()
        .unwrap();
    let hosts = client.directory.join(".config/windlass/certs.d");
    let hosts = hosts.join(upstream.address().to_string());
    fs::create_dir_all(&hosts).unwrap();
    let toml = format!(
        "server = {:?}\n[host.{:?}]\ncapabilities = [\"pull\", \"resolve\"]\n",
        upstream.url(),
        mirror.url()
    );
    fs::write(hosts.join("hosts.toml"), toml).unwrap();
    let name = named(&upstream);

    let pulled = client.windlass.succeeds(&["pull", &name]);
    let mirrored = mirror.requests().unwrap();
    assert!(mirrored.iter().any(LoggedRequest::is_blob_download));
    let namespace = format!("?ns={}", upstream.address()).replace(':', "%3A");
    assert!(
        mirrored
            .iter()
            .all(|request| request.path.ends_with(&namespace)),
        "{mirrored:?}"
    );
    let [upstream_host, mirror_host] = [&upstream, &mirror].map(|it| it.address().to_string());
    let masks = [
        (&*upstream_host, "registry.test"),
        (&mirror_host, "mirror.test"),
    ];
    insta::assert_snapshot!(client.windlass.show(&pulled, &masks), @r"
    exit: 0
    --- stdout
    registry.test/hold/small:gzip@sha256:[digest]
    --- stderr
    Pulling registry.test/hold/small:gzip for linux/amd64: 1 layer, 121 B to download
    Pulled registry.test/hold/small:gzip in [time]s  121 B down, 5 B unpacked  (mirror: mirror.test)
    ");

    drop(mirror);
    client.windlass.succeeds(&["rmi", &name]);
    let before = upstream.requests().unwrap().len();
    let pulled = client.windlass.succeeds(&["pull", &name]);
    assert!(upstream.requests().unwrap().len() > before);
    insta::assert_snapshot!(client.windlass.show(&pulled, &masks), @r"
    exit: 0
    --- stdout
    registry.test/hold/small:gzip@sha256:[digest]
    --- stderr
    registry.test/hold/small:gzip: hold/small:gzip at http://mirror.test: nothing is listening there: Connection refused (os error 111); trying another endpoint
    Pulling registry.test/hold/small:gzip for linux/amd64: 1 layer, 121 B to download
    Pulled registry.test/hold/small:gzip in [time]s  121 B down, 5 B unpacked
    ");
}

/// T30: credentials of a helper are in no file; the helper runs when a registry requires them.
fn helper(shared: &SharedState) {
    let client = RegistryClient::new(shared, "helper");
    let registry =
        DockerRegistry::start(&client.directory.join("registry"), RegistryAuth::Basic).unwrap();
    fill(shared, &registry);
    let host = registry.address().to_string();
    let programs = client.directory.join("programs");
    fs::create_dir(&programs).unwrap();
    let kept = client.directory.join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nget) read -r host; [ -s {0} ] && cat {0} || \
         {{ echo credentials not found in native keychain; exit 1; }};;\nerase) rm -f {0};;\nesac\n",
        kept.display()
    );
    write_program(&programs.join("docker-credential-locker"), &script);
    fs::create_dir(client.directory.join("docker")).unwrap();
    let config = client.directory.join("docker/config.json");
    fs::write(&config, r#"{"credsStore":"locker"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let windlass = |arguments: &[&str]| {
        let mut command = client.windlass.command(arguments);
        Ran::from(command.env("PATH", &path).output().unwrap())
    };

    let arguments = ["login", "-u", USER, "-p", PASSWORD, &host];
    assert_eq!(windlass(&arguments).code, Some(0));
    let stored = serde_json::from_slice::<Value>(&fs::read(&kept).unwrap()).unwrap();
    let expected = json!({ "ServerURL": host, "Username": USER, "Secret": PASSWORD });
    assert_eq!(stored, expected);
    let entries = serde_json::from_slice::<Value>(&fs::read(&config).unwrap()).unwrap();
    assert_eq!(
        entries,
        json!({ "auths": { &host: {} }, "credsStore": "locker" })
    );
    assert_eq!(windlass(&["pull", &named(&registry)]).code, Some(0));
    assert_eq!(windlass(&["logout", &host]).code, Some(0));
    assert!(!kept.exists());
    assert_eq!(windlass(&["digest", &named(&registry)]).code, Some(1));

    write_program(
        &programs.join("docker-credential-locker"),
        "#!/bin/sh\nexit 3\n",
    );
    let broken = windlass(&["digest", &named(&registry)]);
    insta::assert_snapshot!(client.windlass.show(&broken, &[(&host, "registry.test")]), @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/hold/small:gzip: token for hold/small from http://registry.test: cannot authenticate: the credentials cannot be looked up: cannot get the credentials for registry.test from docker-credential-locker, configured in [dir]/docker/config.json: failed with exit status: 3
    hint: run `docker-credential-locker list` to check the helper, or remove it from [dir]/docker/config.json and log in with `windlass login registry.test`
    ");
}

/// `install` writes the program: a child that another test starts meanwhile could inherit this process's descriptor
/// for writing, and the program could not be run.
fn write_program(path: &Path, script: &str) {
    let source = path.with_extension("source");
    fs::write(&source, script).unwrap();
    run(command("install").args([&source, path])).unwrap();
}

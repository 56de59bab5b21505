//! `docker pull`: its output and its exit code.

use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use windlass_testing::Ca;
use windlass_testing::real::{
    DockerRegistry, LoggedRequest, PASSWORD, RegistryAuth, SocketRequest, TokenServer,
};

use super::docker::{Docker, each, each_of};
use super::host::Host;
use crate::Case;
use crate::command::Ran;
use crate::fixture::Fixture;
use crate::limited_proxy::LimitedProxy;
use crate::registry_client::{fill, named};
use crate::requirements::DOCKER;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::pulls::print_the_messages_of_docker",
        needs: DOCKER,
        test: |shared| each(shared, "pull", |docker| messages(shared, docker)),
    },
    Case {
        name: "daemon::pulls::all_tags_and_other_platforms",
        needs: DOCKER,
        test: |shared| {
            each(shared, "pull-all", |docker| {
                tags_and_platforms(shared, docker);
            });
        },
    },
    Case {
        name: "daemon::pulls::missing_images_exit_with_1",
        needs: DOCKER,
        test: |shared| each(shared, "pull-missing", |docker| missing(shared, docker)),
    },
    Case {
        name: "daemon::pulls::a_login_opens_private_registries",
        needs: DOCKER,
        test: |shared| each(shared, "pull-private", |docker| private(shared, docker)),
    },
    Case {
        name: "daemon::pulls::an_interrupted_pull_is_resumed",
        needs: DOCKER,
        test: |shared| each(shared, "pull-stopped", |docker| stopped(shared, docker)),
    },
    Case {
        name: "daemon::pulls::the_mirror_of_daemon_json_serves_docker_hub",
        needs: DOCKER,
        test: mirror,
    },
];

/// ST-1, ST-5, PG-1, MF-6.
fn messages(shared: &SharedState, docker: &Docker) {
    let reference = shared.reference(Fixture::Heavy, "gzip");
    let repository = reference.strip_suffix(":gzip").unwrap();

    let first = docker.does(&["pull", &reference]);
    let lines: Vec<&str> = first.lines().collect();
    assert_eq!(lines[0], "gzip: Pulling from heavy");
    for step in ["Pulling fs layer", "Download complete", "Pull complete"] {
        let steps = lines
            .iter()
            .filter(|line| line.ends_with(&format!(": {step}")));
        assert_eq!(steps.count(), 2, "{step}: {first}");
    }
    let [.., digest, status, name] = lines[..] else {
        panic!("{first}");
    };
    let digest = digest.strip_prefix("Digest: ").unwrap();
    let newer = format!("Status: Downloaded newer image for {reference}");
    assert_eq!((status, name), (&*newer, &*reference));

    let again = docker.does(&["pull", &reference]);
    let expected = [
        "gzip: Pulling from heavy",
        &format!("Digest: {digest}"),
        &format!("Status: Image is up to date for {reference}"),
        &reference,
    ];
    assert_eq!(again.lines().collect::<Vec<_>>(), expected);
    assert_eq!(
        docker.does(&["pull", "-q", &reference]),
        format!("{reference}\n")
    );

    docker.does(&["rmi", &reference]);
    let by_digest = format!("{repository}@{digest}");
    let pulled = docker.does(&["pull", &by_digest]);
    assert!(
        pulled.starts_with(&format!("{by_digest}: Pulling from heavy\n")),
        "{pulled}"
    );
    assert!(pulled.ends_with(&format!("{by_digest}\n")), "{pulled}");
    let listed = ["images", "--digests", "--format", "{{.Tag}} {{.Digest}}"];
    assert_eq!(docker.does(&listed), format!("<none> {digest}\n"));
}

fn tags_and_platforms(shared: &SharedState, docker: &Docker) {
    let kinds = shared.reference(Fixture::Kinds, "gzip");
    let repository = kinds.strip_suffix(":gzip").unwrap();
    docker.does(&["pull", "--quiet", "--all-tags", repository]);
    let mut tags: Vec<String> = docker
        .does(&["images", "--format", "{{.Tag}}"])
        .lines()
        .map(str::to_owned)
        .collect();
    tags.sort();
    let mut expected = Fixture::Kinds.tags().to_vec();
    expected.sort_unstable();
    assert_eq!(tags, expected);

    let both = shared.reference(Fixture::MultiArch, "both");
    docker.does(&["pull", "--platform", "linux/arm64", &both]);
    let architecture = [
        "image",
        "inspect",
        "--format",
        "{{.Os}}/{{.Architecture}}",
        &both,
    ];
    assert_eq!(docker.does(&architecture), "linux/arm64\n");
    let words = ["no matching manifest for linux/s390x"];
    docker.fails(&["pull", "--platform", "linux/s390x", &both], &words);
    // The existing image is unchanged.
    assert_eq!(docker.does(&architecture), "linux/arm64\n");
}

/// API-3, API-4, API-6.
fn missing(shared: &SharedState, docker: &Docker) {
    let reference = shared.reference(Fixture::Small, "gzip");
    let nope = reference.replace(":gzip", ":nope");
    let unknown = format!("manifest for {nope} not found: manifest unknown: manifest unknown");
    docker.fails(
        &["pull", &nope],
        &["Error response from daemon: ", &unknown],
    );
    docker.fails(
        &["pull", "127.0.0.1:1/x"],
        &["Error response from daemon: ", "127.0.0.1:1"],
    );
    docker.fails(&["pull", "BAD"], &["must be lowercase"]);
    assert_eq!(docker.does(&["images", "--quiet", "--all"]), "");
    docker.fails(&["image", "inspect", "nope"], &["No such image: nope"]);
    docker.fails(&["history", "nope"], &["No such image: nope:latest"]);
    docker.fails(&["tag", "nope", "a"], &["No such image: nope:latest"]);
    docker.fails(&["rmi", "nope"], &["No such image: nope"]);
    docker.fails(&["save", "nope"], &["No such image: nope"]);
    docker.fails(
        &["push", &nope],
        &["An image does not exist locally with the tag: "],
    );
}

fn private(shared: &SharedState, docker: &Docker) {
    let directory = shared.directory("private");
    let server = TokenServer::builder().start().unwrap();
    let tokens = RegistryAuth::Tokens(server.authority());
    for (name, access, reason) in [
        ("basic", RegistryAuth::Basic, "authentication required"),
        ("tokens", tokens, "wrong credentials"),
    ] {
        let registry = DockerRegistry::start(&directory.join(name), access).unwrap();
        fill(shared, &registry);
        let (host, reference) = (registry.address().to_string(), named(&registry));
        docker.fails(&["pull", &reference], &["authentication required"]);
        let wrong = docker.log_in(&host, "wrong");
        assert_eq!(wrong.code, Some(1), "{name}: {wrong:#?}");
        let unauthorized = format!("Error response from daemon: unauthorized: {reason}\n");
        assert_eq!(wrong.stderr, unauthorized);
        let welcome = docker.log_in(&host, PASSWORD);
        assert_eq!(welcome.code, Some(0), "{name}: {welcome:#?}");
        assert_eq!(welcome.stdout.trim_end(), "Login Succeeded");
        docker.does(&["pull", &reference]);
        docker.does(&["logout", &host]);
        // `inspect` needs no login, but another pull does.
        docker.does(&["image", "inspect", &reference]);
        let refused = docker.run(&["pull", &reference]);
        assert_eq!(refused.code, Some(1), "{name}: {refused:#?}");
        let log = fs::read_to_string(docker.host.directory.join("daemon.log")).unwrap();
        assert!(!log.contains(PASSWORD) && !log.contains("wrong"), "{log}");
    }
}

/// An offset in the first of two layers of a megabyte each.
const MIDWAY: u64 = 512 << 10;
/// The deadline of the daemon to notice that a client has disconnected.
const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// API-5: a pull without any client left stops, and its partial downloads are kept.
fn stopped(shared: &SharedState, docker: &Docker) {
    shared.reference(Fixture::Heavy, "gzip");
    let limited_proxy = LimitedProxy::before(shared.registry().address(), MIDWAY);
    let reference = format!("{}/heavy:gzip", limited_proxy.address());
    let mut pull = docker.command(&["pull", &reference]);
    let pull = pull.spawn().unwrap();
    limited_proxy.wait_until_limit();
    // What the proxy has forwarded may still be on its way.
    let ingest = docker.host.directory.join("store/ingest");
    wait_until("no blob byte is in the store", || has_blob_bytes(&ingest));

    kill_process(Pid::from_child(&pull), Signal::INT).unwrap();
    let ran = Ran::from(pull.wait_with_output().unwrap());
    // Depending on its version, the CLI exits with a code or ends by the signal.
    assert_ne!(ran.code, Some(0), "{ran:#?}");
    wait_until_idle(&docker.host);
    assert_eq!(docker.does(&["images", "--quiet", "--all"]), "");

    let ranges = || {
        let requests = shared.registry().requests().unwrap();
        requests
            .iter()
            .filter(|request| request.status == 206)
            .count()
    };
    let before = ranges();
    limited_proxy.remove_limit();
    docker.does(&["pull", &reference]);
    // The log of the registry is written a little later than its responses.
    wait_until("nothing was kept", || ranges() > before);
}

/// Returns whether a partial blob in `ingest` has any bytes.
fn has_blob_bytes(ingest: &Path) -> bool {
    let entries = fs::read_dir(ingest).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.path().extension().is_none())
        .any(|entry| entry.metadata().is_ok_and(|metadata| metadata.len() > 0))
}

fn wait_until_idle(host: &Host) {
    wait_until("pulls run still", || {
        let info = SocketRequest::new("GET", "/info").send(host.socket());
        let info = String::from_utf8(info.unwrap().body).unwrap();
        info.contains(r#"["Pulls running","0"]"#)
    });
}

#[track_caller]
fn wait_until(otherwise: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < TIMEOUT, "{otherwise}");
        thread::sleep(POLL);
    }
}

/// EP-1, EP-2: the key of Docker's own configuration.
fn mirror(shared: &SharedState) {
    let directory = shared.directory("mirror-of-hub");
    let ca = Ca::new();
    let hub = DockerRegistry::builder(&directory.join("hub"));
    let hub = hub.tls(&ca).start().unwrap();
    shared.push(&hub, Fixture::Small, "library/small");
    let cache = DockerRegistry::builder(&directory.join("cache"));
    let cache = cache.cache_of(&hub).start().unwrap();
    let file = directory.join("daemon.json");
    let mirrors = json!({ "registry-mirrors": [cache.url()] });
    fs::write(&file, mirrors.to_string()).unwrap();
    let start = || {
        Host::configured(shared, "behind-a-mirror", |client| {
            client.configure(&format!("daemon-json = {:?}\n", file.to_str().unwrap()));
        })
    };
    each_of(start, |docker| {
        let pulled = docker.does(&["pull", "small:gzip"]);
        assert!(
            pulled.starts_with("gzip: Pulling from library/small\n"),
            "{pulled}"
        );
        assert!(
            pulled.ends_with("docker.io/library/small:gzip\n"),
            "{pulled}"
        );
        let named = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        assert_eq!(docker.does(&named), "small:gzip\n");
        let digests = [
            "inspect",
            "--format",
            "{{index .RepoDigests 0}}",
            "small:gzip",
        ];
        let digest = docker.does(&digests);
        assert!(digest.starts_with("small@sha256:"), "{digest}");
    });
    let requests = cache.requests().unwrap();
    assert!(requests.iter().any(LoggedRequest::is_blob_download));
}

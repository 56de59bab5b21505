//! Files with credentials that others write, and that others read: podman's form, by `skopeo`'s hand.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth, USER, command, run};

use crate::Case;
use crate::command::Ran;
use crate::door::{Door, fill, named};
use crate::needs::REGISTRY;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "logins::what_skopeo_keeps_lets_windlass_in",
        needs: REGISTRY,
        test: from_skopeo,
    },
    Case {
        name: "logins::what_windlass_keeps_lets_skopeo_in",
        needs: REGISTRY,
        test: to_skopeo,
    },
];

/// A registry with a password.
struct Locked {
    registry: DockerRegistry,
    door: Door,
    host: String,
}

impl Locked {
    fn new(world: &World, name: &str) -> Self {
        let door = Door::new(world, name);
        let directory = door.directory.join("registry");
        let registry = DockerRegistry::start(&directory, RegistryAuth::Basic).unwrap();
        fill(world, &registry);
        Self {
            host: registry.address().to_string(),
            registry,
            door,
        }
    }

    /// Asks for the digest of the small image.
    fn ask(&self, change: impl FnOnce(&mut Command)) -> Ran {
        let mut command = self
            .door
            .windlass
            .command(&["digest", &named(&self.registry)]);
        change(&mut command);
        Ran::from(command.output().unwrap())
    }

    #[track_caller]
    fn lets_in(&self, change: impl FnOnce(&mut Command)) {
        let ran = self.ask(change);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
    }

    #[track_caller]
    fn keeps_out(&self, change: impl FnOnce(&mut Command)) {
        let ran = self.ask(change);
        assert_eq!(ran.code, Some(1), "{ran:#?}");
        assert!(
            ran.stderr.contains("authentication required"),
            "{}",
            ran.stderr
        );
    }
}

/// `REGISTRY_AUTH_FILE`, `--authfile`, `DOCKER_AUTH_CONFIG`, the user's own file; for a registry, and for a
/// part of one, which goes before it.
fn from_skopeo(world: &World) {
    let locked = Locked::new(world, "from-skopeo");
    let directory = &locked.door.directory;
    let whole = directory.join("whole.json");
    skopeo("login", &whole, &locked.host);

    locked.keeps_out(|_| ());
    locked.lets_in(|command| {
        command.env("REGISTRY_AUTH_FILE", &whole);
    });
    locked.lets_in(|command| {
        command.arg("--authfile").arg(&whole);
    });
    locked.lets_in(|command| {
        command.env("DOCKER_AUTH_CONFIG", fs::read_to_string(&whole).unwrap());
    });

    let part = directory.join("part.json");
    skopeo("login", &part, &format!("{}/hold", locked.host));
    let mut both: Value = serde_json::from_slice(&fs::read(&part).unwrap()).unwrap();
    let wrong = BASE64_STANDARD.encode("bosun:wrong");
    both["auths"][&locked.host] = serde_json::json!({ "auth": wrong });
    fs::write(&part, both.to_string()).unwrap();
    locked.lets_in(|command| {
        command.env("REGISTRY_AUTH_FILE", &part);
    });
    skopeo("logout", &part, &format!("{}/hold", locked.host));
    locked.keeps_out(|command| {
        command.env("REGISTRY_AUTH_FILE", &part);
    });

    let own = directory.join(".config/containers/auth.json");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    fs::rename(&whole, &own).unwrap();
    let ran = locked
        .door
        .windlass
        .succeeds(&["pull", &named(&locked.registry)]);
    assert!(!ran.stderr.contains(PASSWORD), "{}", ran.stderr);
}

/// Docker's file, and one that is named; what stands in it for others stays, and logging out takes it away.
fn to_skopeo(world: &World) {
    let locked = Locked::new(world, "to-skopeo");
    let (door, host) = (&locked.door, &locked.host);
    let docker = door.directory.join("docker/config.json");
    fs::create_dir(docker.parent().unwrap()).unwrap();
    let others = r#"{"auths": {"other.test": {"auth": "Ym9zdW46eA=="}}, "psFormat": "x"}"#;
    fs::write(&docker, others).unwrap();

    let welcome = door.log_in(host, PASSWORD);
    assert_eq!(welcome.code, Some(0), "{welcome:#?}");
    assert!(may_inspect(&docker, &locked.registry));
    door.windlass.succeeds(&["logout", host]);
    assert!(!may_inspect(&docker, &locked.registry));
    let left: Value = serde_json::from_slice(&fs::read(&docker).unwrap()).unwrap();
    assert_eq!(left, serde_json::from_str::<Value>(others).unwrap());

    let named = door.directory.join("named.json");
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
    door.windlass.succeeds(&arguments);
    assert!(may_inspect(&named, &locked.registry));
    locked.keeps_out(|_| ());
    skopeo("logout", &named, host);
    locked.keeps_out(|command| {
        command.arg("--authfile").arg(&named);
    });
}

/// Has `skopeo` log in or out.
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

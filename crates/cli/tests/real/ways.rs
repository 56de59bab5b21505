//! Ways to registries: a mirror, and who keeps the password.

use std::fs;
use std::path::Path;

use windlass_testing::real::{
    DockerRegistry, LoggedRequest, PASSWORD, RegistryAuth, USER, command, run,
};

use crate::Case;
use crate::command::Ran;
use crate::door::{Door, fill, named};
use crate::needs::REGISTRY;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "ways::a_pull_through_cache_is_a_mirror",
        needs: REGISTRY,
        test: cache,
    },
    Case {
        name: "ways::a_credential_helper_keeps_the_password",
        needs: REGISTRY,
        test: helper,
    },
];

/// FB-1, FB-13, T29: the cache is asked first, and when it is gone the registry itself, which is said.
fn cache(world: &World) {
    let door = Door::new(world, "cache");
    let upstream =
        DockerRegistry::start(&door.directory.join("upstream"), RegistryAuth::Open).unwrap();
    fill(world, &upstream);
    let mirror = DockerRegistry::builder(&door.directory.join("mirror"))
        .cache_of(&upstream)
        .start()
        .unwrap();
    let hosts = door.directory.join(".config/windlass/certs.d");
    let hosts = hosts.join(upstream.address().to_string());
    fs::create_dir_all(&hosts).unwrap();
    let toml = format!(
        "server = {:?}\n[host.{:?}]\ncapabilities = [\"pull\", \"resolve\"]\n",
        upstream.url(),
        mirror.url()
    );
    fs::write(hosts.join("hosts.toml"), toml).unwrap();
    let name = named(&upstream);

    let pulled = door.windlass.succeeds(&["pull", &name]);
    let mirrored = mirror.requests().unwrap();
    assert!(mirrored.iter().any(LoggedRequest::is_blob_download));
    assert!(
        mirrored.iter().all(|request| request.path.contains("ns=")),
        "{mirrored:?}"
    );
    assert!(pulled.stderr.contains("(mirror: "), "{}", pulled.stderr);

    let address = mirror.address().to_string();
    drop(mirror);
    door.windlass.succeeds(&["rmi", &name]);
    let before = upstream.requests().unwrap().len();
    let pulled = door.windlass.succeeds(&["pull", &name]);
    assert!(upstream.requests().unwrap().len() > before);
    assert!(pulled.stderr.contains(&address), "{}", pulled.stderr);
}

/// T30: what a helper keeps is in no file, and is asked for when a registry wants it.
fn helper(world: &World) {
    let door = Door::new(world, "helper");
    let registry =
        DockerRegistry::start(&door.directory.join("registry"), RegistryAuth::Basic).unwrap();
    fill(world, &registry);
    let host = registry.address().to_string();
    let programs = door.directory.join("programs");
    fs::create_dir(&programs).unwrap();
    let kept = door.directory.join("kept");
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat >{0};;\nget) read -r host; [ -s {0} ] && cat {0} || \
         {{ echo credentials not found in native keychain; exit 1; }};;\nerase) rm -f {0};;\nesac\n",
        kept.display()
    );
    write_program(&programs.join("docker-credential-locker"), &script);
    fs::create_dir(door.directory.join("docker")).unwrap();
    let config = door.directory.join("docker/config.json");
    fs::write(&config, r#"{"credsStore":"locker"}"#).unwrap();
    let path = format!("{}:/usr/bin:/bin", programs.display());
    let windlass = |arguments: &[&str]| {
        let mut command = door.windlass.command(arguments);
        Ran::from(command.env("PATH", &path).output().unwrap())
    };

    let arguments = ["login", "-u", USER, "-p", PASSWORD, &host];
    assert_eq!(windlass(&arguments).code, Some(0));
    assert!(fs::read_to_string(&kept).unwrap().contains(PASSWORD));
    assert!(!fs::read_to_string(&config).unwrap().contains("auth\""));
    assert_eq!(windlass(&["pull", &named(&registry)]).code, Some(0));
    assert_eq!(windlass(&["logout", &host]).code, Some(0));
    assert!(!kept.exists());
    assert_eq!(windlass(&["digest", &named(&registry)]).code, Some(1));

    write_program(
        &programs.join("docker-credential-locker"),
        "#!/bin/sh\nexit 3\n",
    );
    let broken = windlass(&["digest", &named(&registry)]);
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.stderr.contains("docker-credential-locker"),
        "{}",
        broken.stderr
    );
}

/// By another program: a child that another test starts meanwhile must not have it open for writing, or it
/// cannot be run.
fn write_program(path: &Path, script: &str) {
    let source = path.with_extension("source");
    fs::write(&source, script).unwrap();
    run(command("install").args([&source, path])).unwrap();
}

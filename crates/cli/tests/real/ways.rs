//! Ways to registries: mirrors, proxies, and who keeps the password.

use std::fs;
use std::path::Path;

use windlass_testing::real::{Access, DockerRegistry, LoggedRequest, PASSWORD, USER};
use windlass_testing::{Ca, HttpProxy, Socks5Proxy};

use crate::Case;
use crate::command::Ran;
use crate::door::{Door, fill, named};
use crate::fixture::Fixture;
use crate::needs::REGISTRY;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "ways::a_pull_through_cache_is_a_mirror",
        needs: REGISTRY,
        test: cache,
    },
    Case {
        name: "ways::docker_hub_is_had_from_the_mirrors_of_daemon_json",
        needs: REGISTRY,
        test: hub_mirror,
    },
    Case {
        name: "ways::registries_are_reached_through_proxies",
        needs: REGISTRY,
        test: proxies,
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
    let upstream = DockerRegistry::start(&door.directory.join("upstream"), Access::Open).unwrap();
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

/// EP-1: `registry-mirrors` of Docker's own file, for a name of Docker Hub.
fn hub_mirror(world: &World) {
    let door = Door::new(world, "hub-mirror");
    let registry = DockerRegistry::start(&door.directory.join("registry"), Access::Open).unwrap();
    let layout = world.directory("hub-layout");
    Fixture::Small.build(world, &layout).unwrap();
    registry.push(&layout, "gzip", "library/small").unwrap();
    let daemon = door.directory.join("daemon.json");
    let mirrors = serde_json::json!({ "registry-mirrors": [registry.url()], "debug": true });
    fs::write(&daemon, mirrors.to_string()).unwrap();
    door.configure(&format!("daemon-json = {:?}\n", daemon.to_str().unwrap()));

    let pulled = door.windlass.succeeds(&["pull", "small:gzip"]);

    assert!(
        pulled
            .stdout
            .starts_with("docker.io/library/small:gzip@sha256:"),
        "{pulled:?}"
    );
    let shown = door.windlass.succeeds(&["config", "show", "docker.io"]);
    assert!(shown.stdout.contains(&registry.url()), "{}", shown.stdout);
}

/// HT-1: by the environment, and for one registry; the made-up name is known to the proxies only.
fn proxies(world: &World) {
    let ca = Ca::new();
    let directory = world.directory("proxies");
    let registry = DockerRegistry::builder(&directory.join("registry"))
        .tls(&ca)
        .start()
        .unwrap();
    let pem = directory.join("ca.pem");
    fs::write(&pem, ca.pem()).unwrap();
    fill(world, &registry);
    let name = "reg.test/hold/small:gzip";

    let proxy = HttpProxy::builder();
    let proxy = proxy.name("reg.test:443", registry.address()).start();
    let door = Door::new(world, "proxies-http");
    door.configure(&format!("ca = {:?}\n", pem.to_str().unwrap()));
    let mut pull = door.windlass.command(&["pull", name]);
    let ran = Ran::from(pull.env("HTTPS_PROXY", proxy.url()).output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");

    let proxy = Socks5Proxy::builder().login("gob", "smacked");
    let proxy = proxy.name("reg.test:443", registry.address()).start();
    let door = Door::new(world, "proxies-socks");
    let url = proxy.url().replace("socks5h://", "socks5h://gob:smacked@");
    door.configure(&format!(
        "ca = {:?}\n[registry.\"reg.test\"]\nproxy = {url:?}\n",
        pem.to_str().unwrap()
    ));
    door.windlass.succeeds(&["pull", name]);
    let shown = door.windlass.succeeds(&["config", "show", "reg.test"]);
    assert!(!shown.stdout.contains("smacked"), "{}", shown.stdout);
}

/// T30: what a helper keeps is in no file, and is asked for when a registry wants it.
fn helper(world: &World) {
    let door = Door::new(world, "helper");
    let registry = DockerRegistry::start(&door.directory.join("registry"), Access::Basic).unwrap();
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
    let run = |arguments: &[&str]| {
        let mut command = door.windlass.command(arguments);
        Ran::from(command.env("PATH", &path).output().unwrap())
    };

    let arguments = ["login", "-u", USER, "-p", PASSWORD, &host];
    assert_eq!(run(&arguments).code, Some(0));
    assert!(fs::read_to_string(&kept).unwrap().contains(PASSWORD));
    assert!(!fs::read_to_string(&config).unwrap().contains("auth\""));
    assert_eq!(run(&["pull", &named(&registry)]).code, Some(0));
    assert_eq!(run(&["logout", &host]).code, Some(0));
    assert!(!kept.exists());
    assert_eq!(run(&["digest", &named(&registry)]).code, Some(1));

    write_program(
        &programs.join("docker-credential-locker"),
        "#!/bin/sh\nexit 3\n",
    );
    let broken = run(&["digest", &named(&registry)]);
    assert_eq!(broken.code, Some(1));
    assert!(
        broken.stderr.contains("docker-credential-locker"),
        "{}",
        broken.stderr
    );
}

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

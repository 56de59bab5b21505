//! Compose and skopeo as clients of the daemon.

use std::fs;

use windlass_testing::real::{command, run};

use super::host::Host;
use crate::Case;
use crate::command::Ran;
use crate::fixture::Fixture;
use crate::requirements::{COMPOSE, REGISTRY};
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::tools::compose_pulls_what_services_need",
        needs: COMPOSE,
        test: compose,
    },
    Case {
        name: "daemon::tools::skopeo_copies_images_from_and_to_the_daemon",
        needs: REGISTRY,
        test: skopeo,
    },
];

fn compose(shared: &SharedState) {
    let host = Host::start(shared, "compose");
    let [small, heavy] = [Fixture::Small, Fixture::Heavy].map(|it| shared.reference(it, "gzip"));
    let project = host.directory.join("project");
    fs::create_dir(&project).unwrap();
    let file = format!(
        "version: \"3\"\nservices:\n  one:\n    image: {small}\n  two:\n    image: {heavy}\n"
    );
    fs::write(project.join("docker-compose.yml"), file).unwrap();
    let compose = |arguments: &[&str]| {
        let mut compose = command("docker-compose");
        host.show(&mut compose);
        Ran::from(
            compose
                .args(arguments)
                .current_dir(&project)
                .output()
                .unwrap(),
        )
    };

    let pulled = compose(&["pull"]);
    assert_eq!(pulled.code, Some(0), "{pulled:#?}");
    for service in ["one", "two"] {
        let done = format!("Pulling {service} ... done");
        assert!(pulled.stderr.contains(&done), "{pulled:#?}");
    }
    let mut images = host.windlass.images();
    images.sort();
    images.dedup();
    assert_eq!(images.len(), 2);
    assert_eq!(compose(&["pull", "--quiet"]).code, Some(0));
    let up = compose(&["up", "--detach"]);
    assert_eq!(up.code, Some(1), "{up:#?}");
    assert!(
        up.stderr.contains("this daemon manages images only"),
        "{up:#?}"
    );

    let missing = small.replace(":gzip", ":nope");
    let file = format!("version: \"3\"\nservices:\n  one:\n    image: {missing}\n");
    fs::write(project.join("docker-compose.yml"), file).unwrap();
    let failed = compose(&["pull"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(
        failed
            .stderr
            .contains(&format!("manifest for {missing} not found")),
        "{failed:#?}"
    );
}

/// Debian's skopeo pins a version of the API that is older than any that Docker still supports.
fn skopeo(shared: &SharedState) {
    let host = Host::start(shared, "skopeo");
    let small = shared.reference(Fixture::Small, "gzip");
    host.windlass.succeeds(&["pull", &small]);
    let id = host.windlass.images().remove(0);
    let url = host.url();
    let copy = |side: &str, from: &str, to: &str| {
        let mut skopeo = command("skopeo");
        skopeo.args(["--insecure-policy", "copy", "--quiet"]);
        skopeo.args([&format!("--{side}-daemon-host"), &url, from, to]);
        run(&mut skopeo).unwrap();
    };
    let dir = format!("dir:{}", host.directory.join("dir").display());

    copy("src", &format!("docker-daemon:{small}"), &dir);
    host.removes(&small);
    copy("dest", &dir, "docker-daemon:docker.io/library/back:1");

    assert_eq!(host.windlass.images(), [id]);
    shared
        .windlass_tree(Fixture::Small)
        .assert_same(&host.windlass.unpacked("back:1"));
    let mut inspect = command("skopeo");
    inspect.args([
        "inspect",
        "--config",
        "--daemon-host",
        &url,
        "docker-daemon:back:1",
    ]);
    run(&mut inspect).unwrap();
}

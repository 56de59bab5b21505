//! Images in and out of the daemon: archives, file systems, registries.

use std::fs;

use windlass_testing::LayerBuilder;
use windlass_testing::real::{DockerRegistry, PASSWORD, RegistryAuth};

use super::docker::{Docker, each};
use crate::Case;
use crate::fixture::Fixture;
use crate::requirements::DOCKER;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::transfers::a_saved_image_is_loaded_unchanged",
        needs: DOCKER,
        test: |shared| each(shared, "save", |docker| archived(shared, docker)),
    },
    Case {
        name: "daemon::transfers::a_file_system_becomes_an_image",
        needs: DOCKER,
        test: |shared| each(shared, "import", imported),
    },
    Case {
        name: "daemon::transfers::images_are_pushed_with_their_digest",
        needs: DOCKER,
        test: |shared| each(shared, "push", |docker| pushed(shared, docker)),
    },
];

fn archived(shared: &SharedState, docker: &Docker) {
    let [small, heavy] = [Fixture::Small, Fixture::Heavy].map(|it| shared.reference(it, "gzip"));
    docker.does(&["pull", "-q", &small]);
    docker.does(&["pull", "-q", &heavy]);
    let file = docker.host.directory.join("both.tar");
    let file = file.to_str().unwrap();
    let inspect = [
        "image",
        "inspect",
        "--format",
        "{{.Id}} {{.RootFS.Layers}}",
        &small,
        &heavy,
    ];
    let before = docker.does(&inspect);

    docker.does(&["save", "-o", file, &small, &heavy]);
    docker.does(&["rmi", &small, &heavy]);
    let loaded = docker.does(&["load", "-i", file]);
    let mut loaded: Vec<&str> = loaded.lines().collect();
    loaded.sort_unstable();
    let expected = [&heavy, &small].map(|name| format!("Loaded image: {name}"));
    assert_eq!(loaded, expected);
    assert_eq!(docker.does(&inspect), before);

    // Through standard output and input; the image is still the one of its registry.
    let mut save = docker.command(&["save", &heavy]);
    let archive = save.output().unwrap().stdout;
    docker.does(&["rmi", &heavy]);
    let loaded = docker.reads(&["load", "-q"], &archive);
    assert_eq!(
        loaded.stdout,
        format!("Loaded image: {heavy}\n"),
        "{loaded:#?}"
    );
    let pulled = docker.does(&["pull", &heavy]);
    assert!(!pulled.contains("Pulling fs layer"), "{pulled}");

    let garbage = docker.reads(&["load"], b"garbage");
    assert_eq!(garbage.code, Some(1), "{garbage:#?}");
    assert!(!garbage.stderr.is_empty());
}

fn imported(docker: &Docker) {
    let root = LayerBuilder::new()
        .dir("etc")
        .file("etc/motd", "welcome\n")
        .tar();
    let file = docker.host.directory.join("root.tar");
    fs::write(&file, &root).unwrap();
    let file = file.to_str().unwrap();
    let changes = [
        "--change",
        "CMD [\"/hello\"]",
        "--change",
        "ENV A=1",
        "--message",
        "by hand",
    ];
    let arguments = [&["import"][..], &changes, &[file, "made:1"]].concat();
    let id = docker.does(&arguments);
    let id = id.trim_end();
    assert!(id.starts_with("sha256:"), "{id}");
    let format = "{{.Id}} {{.Config.Cmd}} {{.Config.Env}} {{.Comment}}";
    let inspected = docker.does(&["image", "inspect", "--format", format, "made:1"]);
    assert_eq!(inspected, format!("{id} [/hello] [A=1] by hand\n"));
    let piped = docker.reads(&["import", "-", "made:2"], &root);
    assert_eq!(piped.code, Some(0), "{piped:#?}");
    let layers = "{{.RootFS.Layers}}";
    let layers = docker.does(&["image", "inspect", "--format", layers, "made:1", "made:2"]);
    let layers: Vec<&str> = layers.lines().collect();
    assert_eq!(layers[0], layers[1]);
}

fn pushed(shared: &SharedState, docker: &Docker) {
    let small = shared.reference(Fixture::Small, "gzip");
    docker.does(&["pull", "-q", &small]);
    let format = "{{index .RepoDigests 0}}";
    let digest = docker.does(&["image", "inspect", "--format", format, &small]);
    let digest = digest.trim_end().split_once('@').unwrap().1.to_owned();
    let directory = shared.directory("pushed-by-docker");
    let registry = DockerRegistry::start(&directory, RegistryAuth::Basic).unwrap();
    let repository = format!("{}/a/small", registry.address());
    let [one, two] = ["1", "2"].map(|tag| format!("{repository}:{tag}"));
    docker.does(&["tag", &small, &one]);
    docker.does(&["tag", &small, &two]);

    let refused = docker.run(&["push", &one]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    let welcome = docker.log_in(&registry.address().to_string(), PASSWORD);
    assert_eq!(welcome.code, Some(0), "{welcome:#?}");
    let output = docker.does(&["push", &one]);
    let first = format!("The push refers to repository [{repository}]\n");
    assert!(output.starts_with(&first), "{output}");
    assert_eq!(pushed_tags(&output), [format!("1: digest: {digest}")]);
    let output = docker.does(&["push", "--all-tags", &repository]);
    let expected = ["1", "2"].map(|tag| format!("{tag}: digest: {digest}"));
    assert_eq!(pushed_tags(&output), expected);
    // Scripts read the digest from here afterwards.
    let digests = docker.does(&[
        "image",
        "inspect",
        "--format",
        "{{json .RepoDigests}}",
        &one,
    ]);
    let mut digests: Vec<String> = serde_json::from_str(&digests).unwrap();
    digests.sort();
    let names = [&small.replace(":gzip", ""), &repository];
    let mut expected = names.map(|name| format!("{name}@{digest}"));
    expected.sort();
    assert_eq!(digests, expected);

    docker.does(&["rmi", "-f", &one, &two, &small]);
    let pulled = docker.does(&["pull", &two]);
    let digests: Vec<_> = (pulled.lines())
        .filter(|line| line.starts_with("Digest: "))
        .collect();
    assert_eq!(digests, [format!("Digest: {digest}")]);
}

/// Returns the lines of a push about its tags, without the sizes of the manifests.
fn pushed_tags(output: &str) -> Vec<&str> {
    let lines = output.lines();
    lines
        .filter_map(|line| Some(line.split_once(" size: ")?.0))
        .collect()
}

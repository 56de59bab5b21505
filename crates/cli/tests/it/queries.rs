//! `windlass manifest`, `digest` and `tags`: queries to a registry that need no store.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

fn image(platform: &str) -> PackedImage {
    ImageBuilder::new()
        .platform(platform)
        .layer(LayerBuilder::of_size_seeded(1000, 7))
        .pack()
}

/// A registry with an index of two images as `app:1`.
fn registry() -> (Registry, Windlass) {
    let registry = Registry::start();
    let (amd, arm) = (image(PLATFORM), image("linux/arm64"));
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&amd.digest, "<amd64>");
    windlass.mask(&arm.digest, "<arm64>");
    windlass.mask(&arm.config_digest, "<config of arm64>");
    let index = registry.push_index(IndexBuilder::new().image(amd).image(arm), "app:1");
    windlass.mask(&index.digest, "<index>");
    (registry, windlass)
}

/// The index is printed indented; with a platform, its manifest is printed.
#[test]
fn a_manifest_is_shown_and_nothing_is_stored() {
    let (registry, windlass) = registry();
    let name = registry.name("app:1");
    let index = windlass.run(["manifest", &name]);
    let arm = windlass.run(["manifest", "--platform", "linux/arm64/v8", &name]);
    insta::assert_snapshot!([index, arm].join("\n"), @r#"
    exit: 0
    --- stdout
    {
        "manifests": [
            {
                "digest": "<amd64>",
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "platform": {
                    "architecture": "amd64",
                    "os": "linux"
                },
                "size": 402
            },
            {
                "digest": "<arm64>",
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "platform": {
                    "architecture": "arm64",
                    "os": "linux"
                },
                "size": 402
            }
        ],
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "schemaVersion": 2
    }

    exit: 0
    --- stdout
    {
        "config": {
            "digest": "<config of arm64>",
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "size": 310
        },
        "layers": [
            {
                "digest": "sha256:[digest]",
                "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                "size": 1150
            }
        ],
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "schemaVersion": 2
    }
    "#);
    assert!(!windlass.root().exists());
}

/// `--raw` prints the exact bytes that the digest is computed from.
#[test]
fn a_raw_manifest_has_the_bytes_of_the_digest() {
    let registry = Registry::start();
    let image = registry.push(image(PLATFORM), "app:1");
    let windlass = Windlass::with(&registry);
    let mut command = windlass.command(["manifest", "--raw", &registry.name("app:1")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", windlass.show(&output));
    assert_eq!(output.stdout, image.manifest);
}

/// MF-10: the digest of a tag with an index is the index's. The query costs one request.
#[test]
fn a_digest_is_printed_alone() {
    let (registry, windlass) = registry();
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(["digest", &name]), @r"
    exit: 0
    --- stdout
    <index>
    ");
    assert_eq!(registry.log(), ["HEAD /v2/app/manifests/1 200"]);
    insta::assert_snapshot!(windlass.run(["digest", "--platform=linux/arm64", &name]), @r"
    exit: 0
    --- stdout
    <arm64>
    ");
    assert!(!windlass.root().exists());
}

#[test]
fn tags_are_listed_a_line_each() {
    let registry = Registry::builder().tags_per_page(2).start();
    for tag in ["app:1", "app:2", "app:latest"] {
        registry.push(image(PLATFORM), tag);
    }
    let windlass = Windlass::with(&registry);
    let name = registry.name("app");
    let text = windlass.run(["tags", &name]);
    let json = windlass.run(["tags", "--json", &name]);
    let tagged = windlass.run(["tags", &registry.name("app:1")]);
    insta::assert_snapshot!([text, json, tagged].join("\n"), @r#"
    exit: 0
    --- stdout
    1
    2
    latest

    exit: 0
    --- stdout
    {"repository":"registry.test/app","tag":"1"}
    {"repository":"registry.test/app","tag":"2"}
    {"repository":"registry.test/app","tag":"latest"}

    exit: 2
    --- stderr
    error: expected the name of a repository, without tag and digest, not "registry.test/app:1"
    "#);
    assert!(!windlass.root().exists());
}

/// Missing manifests and platforms are reported as for a pull.
#[test]
fn missing_manifests_are_reported() {
    let (registry, windlass) = registry();
    let (name, missing) = (registry.name("app:1"), registry.name("app:2"));
    let runs = [
        windlass.run(["manifest", &missing]),
        windlass.run(["digest", &missing]),
        windlass.run(["tags", &registry.name("other")]),
        windlass.run(["manifest", "--platform", "linux/s390x", &name]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 1
    --- stderr
    error: reading the manifest of registry.test/app:2: app:2 at http://registry.test: no such manifest
    hint: check the name and the tag

    exit: 1
    --- stderr
    error: resolving the digest of registry.test/app:2: app:2 at http://registry.test: no such manifest
    hint: check the name and the tag

    exit: 1
    --- stderr
    error: listing the tags of registry.test/other: tags of other at http://registry.test: no such repository
    hint: check the name and the tag

    exit: 1
    --- stderr
    error: reading the manifest of registry.test/app:1: no matching manifest for linux/s390x: the index has linux/amd64, linux/arm64
    hint: choose an available platform: --platform linux/amd64
    ");
}

/// `--authfile` replaces the other places for credentials, for the command that has it.
#[test]
fn an_authfile_overrides_other_credentials() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    registry.push(image(PLATFORM), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.log_in(&registry, "gopher", "hunter2");
    std::fs::rename(
        windlass.path("home/.docker/config.json"),
        windlass.path("auth.json"),
    )
    .unwrap();
    let name = registry.name("app");
    let args = ["tags", "--authfile", "auth.json", &name];
    assert_eq!(windlass.stdout(args), "1\n");
    let mut command = windlass.command(["tags", &name]);
    let by_environment = command.env("REGISTRY_AUTH_FILE", "auth.json").output();
    let without = windlass.run(["tags", &name]);
    let not_there = windlass.run(["tags", "--authfile", "nothing.json", &name]);
    let runs = [windlass.show(&by_environment.unwrap()), without, not_there];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 0
    --- stdout
    1

    exit: 1
    --- stderr
    error: listing the tags of registry.test/app: tags of app at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`

    exit: 1
    --- stderr
    error: listing the tags of registry.test/app: token for app from http://registry.test: cannot authenticate: the credentials cannot be looked up: the credential file nothing.json does not exist
    hint: fix that file, or choose another one with --authfile
    ");
}

#[test]
fn an_interrupt_stops_a_query() {
    let registry = Registry::start();
    registry.push(image(PLATFORM), "app:1");
    let gate = registry.tags("app").hold();
    let windlass = Windlass::with(&registry);
    let mut command = windlass.command(["tags", &registry.name("app")]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    gate.wait_for(1);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    gate.open();
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 130
    --- stderr
    Stopped.
    ");
}

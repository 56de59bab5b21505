//! Bad input: exit code 1, a line with what failed and where, a hint where there is one. No image becomes visible,
//! nothing outside the store is touched, and the next pull works.

use windlass_testing::{
    ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry, descriptor,
};

use crate::harness::{PLATFORM, Windlass};

const LAYER_SIZE: usize = 1 << 20;

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(LAYER_SIZE))
        .pack()
}

fn args(name: &str) -> [&str; 5] {
    ["pull", "--progress=none", "--platform", PLATFORM, name]
}

/// Pulls `app:1`, which must fail and leave nothing behind; returns the output.
fn refused(registry: &Registry, mut windlass: Windlass, image: &PackedImage) -> String {
    windlass.mask(&image.digest, "<manifest>");
    windlass.mask(&image.config_digest, "<config>");
    for layer in &image.layers {
        windlass.mask(&layer.digest, "<layer>");
        windlass.mask(&layer.diff_id, "<diff ID>");
    }
    let before = windlass.outside_the_store();
    let output = windlass.run(args(&registry.name("app:1")));
    assert_eq!(
        windlass.outside_the_store(),
        before,
        "something outside the store was touched"
    );
    assert_eq!(
        windlass.stdout(["images", "-q"]),
        "",
        "something is visible"
    );
    assert_next_pull_works(registry, &windlass);
    output
}

fn assert_next_pull_works(registry: &Registry, windlass: &Windlass) {
    registry.push(image(), "good:1");
    windlass.pull(&registry.name("good:1"));
}

#[test]
fn an_invalid_reference() {
    let windlass = Windlass::new();
    let cases = [
        "Upper/Case",
        "https://registry.test/app",
        "a b",
        "scratch",
        "app:-1",
        "",
    ];
    let output = cases.map(|case| windlass.run(args(case)));
    insta::assert_snapshot!(output.join("\n"), @r#"
    exit: 1
    --- stderr
    error: invalid reference "Upper/Case": the repository name must be lowercase

    exit: 1
    --- stderr
    error: invalid reference "https://registry.test/app": write the name without "https://"

    exit: 1
    --- stderr
    error: invalid reference "a b": "a b" in the repository name is not made of lowercase letters and digits, with '.', '_', '__' or '-' between them

    exit: 1
    --- stderr
    error: invalid reference "scratch": the name "scratch" is reserved

    exit: 1
    --- stderr
    error: invalid reference "app:-1": invalid tag "-1": expected 1 to 128 letters, digits, '_', '.' or '-', not beginning with '.' or '-'

    exit: 1
    --- stderr
    error: invalid reference "": the repository name is empty
    "#);
}

#[test]
fn an_unknown_repository() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image()), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: no such repository
    hint: check the name and the tag
    ");
}

#[test]
fn an_unknown_tag() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:2");
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: no such manifest
    hint: check the name and the tag
    ");
}

#[test]
fn an_invalid_platform_and_one_that_there_is_not() {
    let registry = Registry::start();
    let other = ImageBuilder::new()
        .platform("linux/arm64")
        .layer(LayerBuilder::of_size(1000))
        .pack();
    registry.push_index(IndexBuilder::new().image(other), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(["pull", "--platform", "a/b/c/d", &name]), @r#"
    exit: 1
    --- stderr
    error: invalid platform "a/b/c/d": expected os/architecture[/variant], such as linux/arm64
    "#);
    insta::assert_snapshot!(refused(&registry, windlass, &image()), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: no matching manifest for linux/amd64: the index has linux/arm64
    hint: choose an available platform: --platform linux/arm64
    ");
}

/// Pulls without credentials and with a wrong password, which fail, and with the right one.
fn refused_logins(registry: &Registry) -> String {
    let image = registry.push(image(), "app:1");
    let windlass = Windlass::with(registry);
    let name = registry.name("app:1");
    let anonymous = windlass.run(args(&name));
    windlass.log_in(registry, "gopher", "wrong");
    let wrong = windlass.run(args(&name));
    windlass.log_in(registry, "gopher", "hunter2");
    windlass.pull(&name);
    assert_eq!(registry.blob_requests(&image.layers[0].digest).len(), 1);
    [anonymous, wrong].join("\n")
}

#[test]
fn no_credentials_and_wrong_ones() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    insta::assert_snapshot!(refused_logins(&registry), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`

    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: authentication required
    hint: the registry rejects the credentials in [dir]/home/.docker/config.json: log in again with `windlass login registry.test`
    ");
}

/// The hint does not suggest to log in again, because that would change nothing.
#[test]
fn credentials_that_only_a_helper_has() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.configure_docker(&serde_json::json!({ "credsStore": "desktop" }));
    insta::assert_snapshot!(windlass.run(args(&registry.name("app:1"))), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: token for app from http://registry.test: cannot authenticate: the credentials cannot be looked up: cannot get the credentials for registry.test from docker-credential-desktop, configured in [dir]/home/.docker/config.json: not found on PATH
    hint: run `docker-credential-desktop list` to check the helper, or remove it from [dir]/home/.docker/config.json and log in with `windlass login registry.test`
    ");
}

#[test]
fn no_credentials_and_wrong_ones_for_a_token() {
    let registry = Registry::builder()
        .bearer()
        .account("gopher", "hunter2")
        .start();
    insta::assert_snapshot!(refused_logins(&registry), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: token for app from http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`

    exit: 1
    --- stderr
    error: pulling registry.test/app:1: token for app from http://registry.test: authentication required
    hint: the registry rejects the credentials in [dir]/home/.docker/config.json: log in again with `windlass login registry.test`
    ");
}

#[test]
fn a_registry_that_is_down() {
    let registry = Registry::start();
    let host = registry.host();
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&host, "registry.test");
    let name = registry.name("app:1");
    drop(registry);
    insta::assert_snapshot!(windlass.run(args(&name)), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: nothing is listening there: Connection refused (os error 111)
    tried: app:1 at https://registry.test: nothing is listening there: Connection refused (os error 111)
    hint: check that a registry runs at registry.test
    ");
}

#[test]
fn a_manifest_that_does_not_match_its_digest() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    registry.manifest("1").corrupt(20).then_ok();
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: expected <manifest>, got sha256:[digest]
    hint: the registry or a proxy delivers wrong bytes; nothing was stored
    ");
}

#[test]
fn a_layer_that_does_not_match_its_digest() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    registry
        .blob(&image.layers[0].digest)
        .corrupt(4000)
        .then_ok();
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: the bytes received for <layer> have the digest sha256:[digest]
    hint: the registry or a proxy delivers wrong bytes; nothing was stored
    ");
}

#[test]
fn a_layer_of_another_size() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(LAYER_SIZE))
        .manifest(|manifest| manifest["layers"][0]["size"] = 1000.into());
    let image = registry.push(image.pack(), "app:1");
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: blob <layer> of app at http://registry.test: more than the expected 1000 bytes: at least 1049033
    hint: the registry or a proxy delivers wrong bytes; nothing was stored
    ");
}

#[test]
fn a_layer_with_another_diff_id() {
    let registry = Registry::start();
    let other = LayerBuilder::of_size_seeded(1000, 9).pack().diff_id;
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(LAYER_SIZE));
    let image = image.config(|config| {
        config["rootfs"]["diff_ids"][0] = other.to_string().into();
    });
    let image = registry.push(image.pack(), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&other, "<the config's diff ID>");
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: the diff ID of layer <layer> is <diff ID>, but the config has <the config's diff ID>
    hint: the registry or a proxy delivers wrong bytes; nothing was stored
    ");
}

#[test]
fn a_layer_that_is_not_a_tar() {
    let registry = Registry::start();
    let layer = LayerBuilder::from_tar(b"this is no tar, however long one looks at it".repeat(100));
    let image = ImageBuilder::new().platform(PLATFORM).layer(layer);
    let image = registry.push(image.pack(), "app:1");
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: invalid tar at byte 0: this is neither a tar nor a known compression
    hint: the image is malformed; nothing was stored. Report it to the image's publisher
    ");
}

#[test]
fn a_layer_that_is_cut_short() {
    let registry = Registry::start();
    let whole = LayerBuilder::of_size(LAYER_SIZE).pack();
    let half = whole.bytes.slice(..LAYER_SIZE / 2);
    let digest = registry.put_blob("app", half.clone());
    // The descriptor matches the bytes, which are half a gzip stream.
    let image = ImageBuilder::new().platform(PLATFORM).layer(whole).pack();
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.manifest).unwrap();
    let media_type = manifest["layers"][0]["mediaType"]
        .as_str()
        .unwrap()
        .to_owned();
    manifest["layers"][0] = descriptor(&media_type, digest, half.len() as u64);
    registry.push(image.clone(), "whole");
    let target = registry.put_manifest("app", &image.media_type, manifest.to_string());
    registry.put_blob("app", image.config.clone());
    registry.tag("app", "1", &target);
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&digest, "<half a layer>");
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <half a layer>: invalid gzip stream: it is truncated
    hint: the image is malformed; nothing was stored. Report it to the image's publisher
    ");
}

/// The names lead to the sandbox's own directory, not beyond it.
#[test]
fn a_layer_with_names_outside_the_root() {
    let registry = Registry::start();
    let layer = LayerBuilder::new().file("../../../escaped", "x");
    let image = registry.push(
        ImageBuilder::new().platform(PLATFORM).layer(layer).pack(),
        "app:1",
    );
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: entry ../../../escaped: its name leaves the root
    hint: the image is malformed; nothing was stored. Report it to the image's publisher
    ");
}

/// Messages of a registry cannot send escape sequences to the terminal (R9).
#[test]
fn a_registry_with_a_message() {
    let registry = Registry::start();
    let body = r#"{"errors":[{"code":"DENIED","message":"no\u001b[2J\r\nPulled everything"}]}"#;
    registry.manifest("1").status(403).body(body).then_ok();
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(refused(&registry, windlass, &image()), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: no\u{1b}[2J\r\nPulled everything
    hint: ask the administrator of the registry, or log in with another account: `windlass login registry.test`
    ");
}

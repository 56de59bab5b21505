//! `windlass copy` between scripted registries, files and the store.

use std::fs;

use serde_json::{Value, json};
use windlass_testing::{
    Gate, ImageBuilder, IndexBuilder, LayerBuilder, PackedIndex, Registry, descriptor,
};

use crate::harness::{PLATFORM, Windlass};
use crate::transfers::{image, interrupted, start};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

fn index() -> PackedIndex {
    let of = |platform: &str, size| {
        ImageBuilder::new()
            .platform(platform)
            .layer(LayerBuilder::of_size(size))
    };
    IndexBuilder::new()
        .image(of("linux/amd64", 1000).pack())
        .image(of("linux/arm64", 2000).pack())
        .attestation()
        .pack()
}

fn place(registry: &Registry, name: &str) -> String {
    format!("docker://{}", registry.name(name))
}

/// Pushes an artifact that refers to `subject`; returns its descriptor.
fn put_artifact(registry: &Registry, subject: &str, name: &str) -> Value {
    let config = registry.put_blob("app", "{}");
    let layer = registry.put_blob("app", name.to_owned());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": "application/example",
        "config": descriptor("application/vnd.oci.empty.v1+json", config, 2),
        "layers": [descriptor("text/plain", layer, name.len() as u64)],
        "subject": { "mediaType": MANIFEST, "digest": subject, "size": 7 },
    })
    .to_string();
    let size = manifest.len() as u64;
    descriptor(
        MANIFEST,
        registry.put_manifest("app", MANIFEST, manifest),
        size,
    )
}

/// The same, but returns the digest only.
fn artifact(registry: &Registry, subject: &str, name: &str) -> String {
    let artifact = put_artifact(registry, subject, name);
    artifact["digest"].as_str().unwrap().to_owned()
}

fn has(registry: &Registry, repository: &str, digest: &str) -> bool {
    let url = format!("/v2/{repository}/manifests/{digest}");
    let log = registry.log();
    log.iter().any(|line| *line == format!("PUT {url} 201"))
}

#[test]
fn a_whole_index_is_copied_between_registries() {
    let from = Registry::start();
    let index = from.push_index(index(), "app:1");
    let to = Registry::builder().writable().start();
    let mut windlass = Windlass::with(&to);
    windlass.mask(&from.host(), "from.test");
    let (source, destination) = (place(&from, "app:1"), place(&to, "far/app:2"));
    insta::assert_snapshot!(windlass.run(["copy", "--all", "--progress=plain", &source, &destination]), @r"
    exit: 0
    --- stdout
    sha256:[digest]
    --- stderr
    Copied from.test/app:1 to registry.test/far/app:2
    ");
    assert!(
        !windlass.root().exists(),
        "a copy between registries needs no store"
    );
    let json = windlass
        .command(["copy", "--all", "--json", &source, &destination])
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["digest"], index.digest.to_string());
    assert_eq!(json["artifacts"], 0);
    for image in &index.images {
        assert!(has(&to, "far/app", &image.digest.to_string()));
    }
    // The second copy sends nothing but manifests.
    let posts = to.requests().into_iter().filter(|it| it.method == "POST");
    assert_eq!(posts.count(), 6);
}

#[test]
fn one_platform_is_its_manifest() {
    let from = Registry::start();
    let index = from.push_index(index(), "app:1");
    let to = Registry::builder().writable().start();
    let windlass = Windlass::with(&to);
    let (source, destination) = (place(&from, "app:1"), place(&to, "app:1"));
    let args = [
        "copy",
        "-q",
        "--json",
        "--platform",
        "linux/arm64",
        &source,
        &destination,
    ];
    let json = windlass.command(args).output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["digest"], index.images[1].digest.to_string());
}

/// An index may name manifests that the registry does not have. One image is copied without reading the others; a whole
/// index is not copied, because it would be incomplete.
#[test]
fn a_sparse_index_is_copied_one_image_at_a_time() {
    let from = Registry::start();
    let index = from.push_index(index(), "app:1");
    let missing = &index.images[1].digest;
    from.manifest(missing.to_string()).status(404).forever();
    let to = Registry::builder().writable().start();
    let mut windlass = Windlass::with(&to);
    windlass.mask(&from.host(), "from.test");
    let (source, destination) = (place(&from, "app:1"), place(&to, "app:1"));
    let one = ["copy", "-q", "--platform", PLATFORM, &source, &destination];
    windlass.stdout(one);
    assert!(has(&to, "app", "1"));
    let url = format!("/v2/app/manifests/{missing}");
    assert!(from.requests().iter().all(|it| it.path != url));
    let writes = to.requests().len();
    insta::assert_snapshot!(windlass.run(["copy", "-q", "--all", &source, &destination]), @r"
    exit: 1
    --- stderr
    error: copying from.test/app:1 to registry.test/app:1: the index sha256:[digest] is incomplete: sha256:[digest] is missing
    hint: choose one image with `--platform`, or pull the image again with `--all-platforms`
    ");
    assert_eq!(to.requests().len(), writes);
}

/// Returns the requests about manifests.
fn manifest_requests(registry: &Registry) -> Vec<String> {
    let mut requests = registry.log();
    requests.retain(|request| request.contains("/manifests/"));
    requests
}

/// Within one registry blobs are mounted, and within one repository no upload starts.
#[test]
fn blobs_are_mounted_within_a_registry() {
    let registry = Registry::builder().writable().start();
    let image = registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    let copy = |to: &str| {
        let before = registry.requests().len();
        windlass.stdout(["copy", &place(&registry, "app:1"), &place(&registry, to)]);
        registry.requests().split_off(before)
    };
    let requests = copy("app:2");
    assert!(
        requests.iter().all(|it| it.method != "POST"),
        "{requests:#?}"
    );
    let requests = copy("other:1");
    let mounted = requests
        .iter()
        .filter(|it| it.method == "POST" && it.status == Some(201));
    assert_eq!(mounted.count(), image.layers.len() + 1);
    let transfers = requests.iter().filter(|it| {
        it.method == "PATCH" || it.method != "HEAD" && it.path.contains("/blobs/sha256:")
    });
    let transfers: Vec<_> = transfers.map(ToString::to_string).collect();
    assert_eq!(transfers, [""; 0]);
}

#[test]
fn referrers_are_copied_on_request() {
    let from = Registry::builder().referrers_per_page(1).start();
    let image = from.push(image(), "app:1");
    let subject = image.digest.to_string();
    let first = artifact(&from, &subject, "one");
    let second = artifact(&from, &subject, "two");
    let about = artifact(&from, &first, "about one");
    // As cosign stores it: found by its tag, and by nothing else.
    let signature = from.push(ImageBuilder::new().layer(LayerBuilder::of_size(10)), "app");
    let tag = format!("{}.sig", subject.replace(':', "-"));
    from.tag("app", &tag, &signature.digest);
    let source = place(&from, "app:1");

    let to = Registry::builder().writable().start();
    let windlass = Windlass::with(&to);
    windlass.stdout(["copy", &source, &place(&to, "app:1")]);
    assert!(!has(&to, "app", &first));
    let json = |args: &[&str]| {
        let output = windlass.command(args).output().unwrap();
        assert!(output.status.success(), "{}", windlass.show(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let copied = json(&[
        "copy",
        "--json",
        "--referrers",
        &source,
        &place(&to, "app:1"),
    ]);
    assert_eq!(copied["artifacts"], 4);
    for digest in [&first, &second, &about] {
        assert!(has(&to, "app", digest), "{digest}");
    }
    assert!(has(&to, "app", &tag));
    // This registry has no referrers API, so the copy uses the fallback tag.
    assert!(has(&to, "app", &subject.replace(':', "-")));

    // Through an OCI layout and an archive to a registry with a paged referrers API.
    let layout = windlass.path("layout");
    let layout = format!("oci:{}:it", layout.display());
    let archive = format!("oci-archive:{}", windlass.path("all.tar.gz").display());
    let last = Registry::builder().writable().referrers_per_page(1).start();
    let way = [
        place(&to, "app:1"),
        layout.clone(),
        archive,
        place(&last, "app:1"),
    ];
    for (from, to) in way.iter().zip(&way[1..]) {
        let copied = json(&["copy", "--json", "--referrers", from, to]);
        assert_eq!(copied["artifacts"], 4, "{from} to {to}");
        assert_eq!(copied["digest"], *subject);
    }
    assert!(
        !has(&last, "app", &subject.replace(':', "-")),
        "the registry has a referrers API"
    );
    // Referrers do not get in the way of other commands.
    windlass.stdout([
        "load",
        "-i",
        windlass.path("layout").to_str().unwrap(),
        "--name",
        "it:1",
    ]);
}

/// A list of referrers is not trusted: the artifact itself has to name its subject.
#[test]
fn false_referrers_are_not_copied() {
    let from = Registry::builder().referrers_per_page(10).start();
    let image = from.push(image(), "app:1");
    let of_another = put_artifact(&from, &image.config_digest.to_string(), "x");
    let gone = windlass::image::Digest::sha256(b"gone");
    let list = json!({ "schemaVersion": 2, "manifests": [
        of_another,
        descriptor(MANIFEST, gone, 1),
        descriptor("text/plain", gone, 1),
    ] });
    from.referrers(&image.digest)
        .page("application/vnd.oci.image.index.v1+json", list.to_string())
        .then_ok();
    let to = Registry::builder().writable().start();
    let windlass = Windlass::with(&to);
    let (source, destination) = (place(&from, "app:1"), place(&to, "app:1"));
    windlass.stdout(["copy", "--referrers", &source, &destination]);
    assert!(!has(&to, "app", of_another["digest"].as_str().unwrap()));
}

#[test]
fn old_manifests_are_not_copied() {
    let from = Registry::start();
    let image = windlass_testing::Schema1Builder::new("app", "1").layer(LayerBuilder::of_size(100));
    from.push_schema1(image, "app:1");
    let to = Registry::builder().writable().start();
    let mut windlass = Windlass::with(&to);
    windlass.mask(&from.host(), "from.test");
    insta::assert_snapshot!(windlass.run(["copy", &place(&from, "app:1"), &place(&to, "app:1")]), @"
    exit: 1
    --- stderr
    error: copying from.test/app:1 to registry.test/app:1: manifests of Docker's schema 1 can be pulled, but not copied
    ");
    assert!(to.requests().is_empty());
}

/// A copy into the store is a pull: of every platform on request, and under the given name.
#[test]
fn a_copy_into_the_store_is_a_pull() {
    let from = Registry::start();
    from.push_index(index(), "app:1");
    let mut windlass = Windlass::with(&from);
    windlass.mask(&from.host(), "registry.test");
    let args = [
        "copy",
        "--progress=plain",
        "--all",
        &place(&from, "app:1"),
        "windlass:here:1",
    ];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 0
    --- stdout
    sha256:[digest]
    --- stderr
    Copied registry.test/app:1 to windlass:here:1
    ");
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 2);
    assert_eq!(
        windlass.stdout(["images", "-q", "here:1"]).lines().count(),
        1
    );
    let id = "windlass:0123456789ab0123456789ab0123456789ab0123456789ab0123456789ab0123";
    insta::assert_snapshot!(windlass.run(["copy", &place(&from, "app:1"), id]), @r"
    exit: 1
    --- stderr
    error: copying registry.test/app:1 to windlass:sha256:[digest]: an image that is copied into the store needs a name, not an ID
    ");
    insta::assert_snapshot!(windlass.run(["copy", "--referrers", &place(&from, "app:1"), "windlass:x"]), @r"
    exit: 1
    --- stderr
    error: copying registry.test/app:1 to windlass:x: the store can contain images only, and no artifacts that refer to them
    ");
}

/// A stopped copy leaves no partial archive and no new directory; existing files are unchanged.
#[test]
fn an_interrupt_leaves_nothing_partial() {
    let from = Registry::start();
    let image = from.push(image(), "app:1");
    let windlass = Windlass::with(&from);
    fs::write(windlass.path("there.tar"), "before").unwrap();
    let before = windlass.outside_the_store();
    let path = |scheme: &str, name: &str| format!("{scheme}:{}", windlass.path(name).display());
    for to in [
        path("oci", "new"),
        path("dir", "dir"),
        path("oci-archive", "there.tar"),
        path("docker-archive", "new.tar.gz"),
    ] {
        let gate = from.blob(&image.layers[1].digest).hold_after(1 << 20);
        let child = start(&windlass, &["copy", &place(&from, "app:1"), &to]);
        let output = interrupted(child, &gate);
        insta::allow_duplicates! {
            insta::assert_snapshot!(windlass.show(&output), @r"
            exit: 130
            --- stderr
            Stopped. Complete blobs are kept; no image was tagged.
            ");
        }
        gate.open();
        assert_eq!(windlass.outside_the_store(), before, "{to}");
    }
    assert_eq!(fs::read(windlass.path("there.tar")).unwrap(), b"before");
    // In an existing layout, complete blobs may have been added; its index is unchanged.
    windlass.stdout(["copy", &place(&from, "app:1"), &path("oci", "layout:1")]);
    let list = fs::read(windlass.path("layout/index.json")).unwrap();
    let other = from.push(
        ImageBuilder::new()
            .platform(PLATFORM)
            .layer(LayerBuilder::of_size(2 << 20)),
        "app:2",
    );
    let gate = from.blob(&other.layers[0].digest).hold_after(1 << 20);
    let child = start(
        &windlass,
        &["copy", &place(&from, "app:2"), &path("oci", "layout:2")],
    );
    interrupted(child, &gate);
    gate.open();
    assert_eq!(fs::read(windlass.path("layout/index.json")).unwrap(), list);
}

#[test]
fn an_interrupt_works_while_a_registry_does_not_respond() {
    let from = Registry::start();
    let image = from.push(image(), "app:1");
    let to = Registry::builder().writable().start();
    let windlass = Windlass::with(&to);
    let gate = Gate::new();
    drop(
        from.blob(&image.layers[1].digest)
            .held_by_after(&gate, 1 << 20),
    );
    let child = start(
        &windlass,
        &["copy", &place(&from, "app:1"), &place(&to, "app:1")],
    );
    let output = interrupted(child, &gate);
    assert_eq!(output.status.code(), Some(130));
    gate.open();
    assert_eq!(manifest_requests(&to), [""; 0]);
}

/// Content that does not match its digest is not copied.
#[test]
fn corrupt_blobs_are_not_copied() {
    let from = Registry::start();
    let image = from.push(image(), "app:1");
    from.blob(&image.layers[0].digest).corrupt(1).forever();
    let to = Registry::builder().writable().start();
    let mut windlass = Windlass::with(&to);
    windlass.mask(&from.host(), "from.test");
    windlass.mask(&image.layers[0].digest, "<layer>");
    let before = windlass.outside_the_store();
    let archive = format!("oci-archive:{}", windlass.path("a.tar").display());
    insta::assert_snapshot!(windlass.run(["copy", &place(&from, "app:1"), &place(&to, "app:1")]), @r"
    exit: 1
    --- stderr
    error: copying from.test/app:1 to registry.test/app:1: cannot read <layer>: its content is sha256:[digest], not <layer>
    ");
    insta::assert_snapshot!(windlass.run(["copy", &place(&from, "app:1"), &archive]), @r"
    exit: 1
    --- stderr
    error: copying from.test/app:1 to [dir]/a.tar: cannot read <layer>: its content is sha256:[digest], not <layer>
    ");
    assert_eq!(windlass.outside_the_store(), before);
    assert_eq!(manifest_requests(&to), [""; 0]);
}

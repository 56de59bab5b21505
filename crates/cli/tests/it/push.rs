//! `windlass push` against a scripted registry.

use serde_json::Value;
use windlass_testing::{Ca, Gate, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};
use crate::transfers::{image, interrupted, start};

/// The command with `app:1` of one registry in its store, tagged as `app:1` of `to`.
fn pulled(to: &Registry) -> (Windlass, PackedImage) {
    let from = Registry::start();
    let image = from.push(image(), "app:1");
    let mut windlass = Windlass::with(to);
    windlass.mask(&from.host(), "from.test");
    windlass.pull(&from.name("app:1"));
    windlass.stdout(["tag", &from.name("app:1"), &to.name("app:1")]);
    (windlass, image)
}

fn push(name: &str) -> [&str; 3] {
    ["push", "--progress=plain", name]
}

/// The requests that sent data.
fn writes(registry: &Registry) -> Vec<String> {
    let requests = registry.requests().into_iter();
    let writes = requests.filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD"));
    let mut writes: Vec<_> = writes
        .map(|request| {
            let what = if request.path.contains("/manifests/") {
                "manifest"
            } else {
                "blob"
            };
            format!(
                "{} {what} {}",
                request.method,
                request.status.unwrap_or_default()
            )
        })
        .collect();
    writes.sort();
    writes
}

/// EP-4, EP-7: plain HTTP is tried first on this machine, and a push goes on to https as a pull does. One request finds
/// out, and the certificate need not be valid.
#[test]
fn a_push_reaches_a_registry_with_tls_on_this_machine() {
    let registry = Registry::builder().tls(&Ca::new()).writable().start();
    let (windlass, _) = pulled(&registry);
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(push(&name)), @r"
    exit: 0
    --- stdout
    registry.test/app@sha256:[digest]
    --- stderr
    Pushed registry.test/app:1
    ");
    // A server with TLS responds to plain HTTP with 400.
    let pings = registry
        .log()
        .into_iter()
        .filter(|it| it.contains(" /v2/ "));
    assert_eq!(pings.collect::<Vec<_>>(), ["GET /v2/ 400", "GET /v2/ 200"]);
    windlass.stdout([
        "copy",
        &name,
        &format!("docker://{}", registry.name("copy:1")),
    ]);
}

#[test]
fn a_push_sends_the_pulled_image() {
    let registry = Registry::builder().writable().start();
    let (windlass, image) = pulled(&registry);
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(push(&name)), @r"
    exit: 0
    --- stdout
    registry.test/app@sha256:[digest]
    --- stderr
    Pushed registry.test/app:1
    ");
    // Two blobs with one request each after the one that starts the upload; the large one in chunks.
    insta::assert_snapshot!(writes(&registry).join("\n"), @r"
    PATCH blob 202
    POST blob 202
    POST blob 202
    POST blob 202
    PUT blob 201
    PUT blob 201
    PUT blob 201
    PUT manifest 201
    ");
    let fresh = Windlass::with(&registry);
    fresh.pull(&name);
    assert_eq!(
        fresh.stdout(["images", "-q"]),
        windlass.stdout(["images", "-q"])
    );

    // The second push sends only the tag; the JSON lists the blobs that are already present.
    let before = writes(&registry).len();
    let json: Value = serde_json::from_str(&{
        let output = windlass
            .command(["push", "--json", &name])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    })
    .unwrap();
    assert_eq!(json["digest"], image.digest.to_string());
    assert_eq!(json["size"], image.manifest.len());
    assert_eq!(json["reference"], name);
    assert_eq!(writes(&registry).len(), before + 1);
}

/// The registry announces the minimum size of a chunk.
#[test]
fn chunks_have_the_minimum_size_of_the_registry() {
    let registry = Registry::builder().min_chunk(1 << 20).start();
    let (windlass, _) = pulled(&registry);
    let name = registry.name("app:1");
    windlass.stdout(["push", "--chunk-size", "100kB", &name]);
    let requests = registry.requests();
    let patches = requests.iter().filter(|request| request.method == "PATCH");
    let sizes: Vec<_> = patches.map(|patch| patch.body.len()).collect();
    assert_eq!(
        sizes[..sizes.len() - 1],
        [1 << 20; 3][..sizes.len() - 1],
        "{sizes:?}"
    );
    assert!(sizes.len() > 2);
}

#[test]
fn interrupted_uploads_are_resumed() {
    let registry = Registry::builder().writable().start();
    let (windlass, image) = pulled(&registry);
    registry
        .uploads()
        .for_patch()
        .hang_up_after(1 << 20)
        .then_ok();
    windlass.stdout(push(&registry.name("app:1")));
    let requests = registry.requests();
    let patches = requests.iter().filter(|request| request.method == "PATCH");
    let ranges: Vec<_> = patches.map(|patch| patch.header("content-range")).collect();
    let rest = format!("{}-{}", 1 << 20, image.layers[1].size - 1);
    assert_eq!(ranges, [None, Some(&*rest)]);
}

#[test]
fn blobs_are_mounted_from_other_repositories() {
    let registry = Registry::builder().writable().start();
    let image = registry.push(image(), "team/base:1");
    let windlass = Windlass::with(&registry);
    windlass.pull(&registry.name("team/base:1"));
    let name = registry.name("app:1");
    windlass.stdout(["tag", &registry.name("team/base:1"), &name]);
    windlass.stdout(push(&name));
    let requests = registry.requests();
    let mounts = requests.iter().filter(|it| it.parameter("mount").is_some());
    let from: Vec<_> = mounts.map(|it| (it.parameter("from"), it.status)).collect();
    assert_eq!(
        from,
        vec![(Some("team/base".to_owned()), Some(201)); image.layers.len()]
    );

    // A blob that the registry does not mount is uploaded.
    let registry = Registry::builder().without_mounts().start();
    registry.push(self::image(), "team/base:1");
    let windlass = Windlass::with(&registry);
    windlass.pull(&registry.name("team/base:1"));
    let name = registry.name("app:1");
    windlass.stdout(["tag", &registry.name("team/base:1"), &name]);
    windlass.stdout(push(&name));
    let fresh = Windlass::with(&registry);
    fresh.pull(&name);
}

/// EP-6: mirrors are used for pulls only.
#[test]
fn pushes_do_not_use_mirrors() {
    let mirror = Registry::builder().writable().start();
    let registry = Registry::builder().writable().start();
    let (windlass, _) = pulled(&registry);
    windlass.configure(&format!(
        "[registry.\"{}\"]\nmirror = [\"{}\"]\n",
        registry.host(),
        mirror.url()
    ));
    windlass.stdout(push(&registry.name("app:1")));
    assert_eq!(mirror.log(), [""; 0]);
}

#[test]
fn a_busy_registry_is_retried_a_limited_number_of_times() {
    let registry = Registry::builder().writable().start();
    let (windlass, _) = pulled(&registry);
    let name = registry.name("app:1");
    registry
        .uploads()
        .status(429)
        .retry_after(0)
        .times(3)
        .then_ok();
    registry
        .manifest("1")
        .for_put()
        .status(503)
        .retry_after(0)
        .then_ok();
    windlass.stdout(push(&name));

    // The registry responds with nothing but 429.
    let registry = Registry::builder().writable().start();
    let (windlass, _) = pulled(&registry);
    registry
        .uploads()
        .for_post()
        .status(429)
        .retry_after(0)
        .forever();
    let output = windlass.run(push(&registry.name("app:1")));
    insta::assert_snapshot!(output, @r"
    exit: 1
    --- stderr
    error: pushing registry.test/app:1: upload of sha256:[digest] to app at http://registry.test: too many requests
    hint: try again later, or log in for a higher limit: `windlass login registry.test`
    ");
    let posts = registry
        .requests()
        .into_iter()
        .filter(|it| it.method == "POST");
    assert!(posts.count() <= 15);
    assert!(registry.requests().iter().all(|it| it.method != "PUT"));
}

/// R8.
#[test]
fn credentials_do_not_go_where_an_upload_is_sent() {
    let evil = Registry::builder()
        .on([127, 0, 0, 2].into())
        .writable()
        .start();
    let registry = Registry::builder()
        .basic("me", "hunter2")
        .writable()
        .start();
    let (mut windlass, image) = pulled(&registry);
    windlass.log_in(&registry, "me", "hunter2");
    let location = format!("{}/v2/app/blobs/uploads/1?_state=secret", evil.url());
    registry
        .uploads()
        .for_post()
        .status(202)
        .header("location", location)
        .forever();
    windlass.mask(&evil.host(), "evil.test");
    for layer in &image.layers {
        windlass.mask(&layer.digest, "<blob>");
    }
    windlass.mask(&image.config_digest, "<blob>");
    insta::assert_snapshot!(windlass.run(push(&registry.name("app:1"))), @r"
    exit: 1
    --- stderr
    error: pushing registry.test/app:1: upload of <blob> to app at http://registry.test: redirect refused: an upload to another host: http://evil.test
    ");
    assert!(evil.requests().is_empty());
}

#[test]
fn a_denied_push_has_a_hint() {
    let registry = Registry::builder()
        .basic("me", "hunter2")
        .writable()
        .start();
    let (mut windlass, image) = pulled(&registry);
    for digest in image
        .layers
        .iter()
        .map(|layer| layer.digest)
        .chain([image.config_digest])
    {
        windlass.mask(&digest, "<blob>");
    }
    insta::assert_snapshot!(windlass.run(push(&registry.name("app:1"))), @r"
    exit: 1
    --- stderr
    error: pushing registry.test/app:1: blob <blob> of app at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
}

#[test]
fn an_interrupt_stops_a_push() {
    let registry = Registry::builder().writable().start();
    let (windlass, _) = pulled(&registry);
    let gate = Gate::new();
    drop(registry.uploads().for_patch().held_by(&gate).then());
    let child = start(&windlass, &push(&registry.name("app:1")));
    let output = interrupted(child, &gate);
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 130
    --- stderr
    Stopped. Complete blobs stay in the registry.
    ");
    gate.open();
    let mut manifests = registry.log();
    manifests.retain(|request| request.starts_with("PUT ") && request.contains("/manifests/"));
    assert_eq!(manifests, [""; 0]);
}

#[test]
fn missing_images_are_not_pushed() {
    let windlass = Windlass::new();
    insta::assert_snapshot!(windlass.run(["push", "registry.test/app:1"]), @r"
    exit: 1
    --- stderr
    error: no such image: registry.test/app:1
    hint: list the local images with `windlass images`
    ");
    insta::assert_snapshot!(windlass.run(["push", "--all-tags", "registry.test/app"]), @r"
    exit: 1
    --- stderr
    error: no such image: registry.test/app
    hint: list the local images with `windlass images`
    ");
}

/// Non-distributable layers are not sent unless the command line includes them.
#[test]
fn foreign_layers_are_named_and_not_sent() {
    use windlass_testing::{ImageBuilder, LayerBuilder};
    let from = Registry::start();
    let foreign = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::new().file("a", b"free"))
        .layer(LayerBuilder::new().file("b", b"not free"))
        .manifest(|manifest| {
            let layer = &mut manifest["layers"][1];
            layer["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar".into();
            layer["urls"] = serde_json::json!(["https://elsewhere.test/layer"]);
        });
    let image = from.push(foreign, "app:1");
    let is_sent = |more: &[&str]| {
        let registry = Registry::builder().writable().start();
        let windlass = Windlass::with(&registry);
        windlass.pull(&from.name("app:1"));
        let name = registry.name("app:1");
        windlass.stdout(["tag", &from.name("app:1"), &name]);
        windlass.stdout([&["push", &name], more].concat());
        registry
            .requests()
            .iter()
            .any(|it| it.parameter("digest") == Some(image.layers[1].digest.to_string()))
    };
    assert!(!is_sent(&[]));
    assert!(is_sent(&["--allow-nondistributable-artifacts"]));
}

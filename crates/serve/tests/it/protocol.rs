//! The protocol, as clients speak it.

use std::fs;

use windlass::Digest;
use windlass_testing::{BlobCompression, ImageBuilder, IndexBuilder, LayerBuilder};

use crate::harness::{Said, Stored, image};

#[test]
fn it_says_that_it_is_a_registry() {
    let serving = Stored::nothing().serve();
    for target in ["/v2/", "/v2"] {
        let said = serving.get(target);
        assert_eq!((said.status, said.body.as_slice()), (200, &b"{}"[..]));
        assert_eq!(
            said.field("docker-distribution-api-version"),
            "registry/2.0"
        );
    }
}

/// Manifests are the exact bytes that were pulled, of the type they have.
#[test]
fn manifests_are_what_was_pulled() {
    let stored = Stored::nothing();
    let oci = stored.add(image("oci"), &["oci:1"]);
    let docker = stored.add(image("docker").docker(), &["docker:1"]);
    let serving = stored.serve();
    for (name, image) in [("oci", &oci), ("docker", &docker)] {
        let digest = image.digest.to_string();
        let tagged = serving.get(&format!("/v2/{name}/manifests/1"));
        assert_eq!(
            (tagged.status, tagged.body.as_slice()),
            (200, &*image.manifest)
        );
        assert_eq!(tagged.field("content-type"), image.media_type);
        assert_eq!(tagged.field("docker-content-digest"), digest);
        assert_eq!(tagged.field("cache-control"), "no-cache");
        let by_digest = serving.get(&format!("/v2/{name}/manifests/{digest}"));
        assert_eq!(by_digest.body, tagged.body);
        assert!(by_digest.field("cache-control").contains("immutable"));

        let head = serving.ask(
            "HEAD",
            &format!("/v2/{name}/manifests/1"),
            &["Accept: text/x"],
        );
        assert_eq!((head.status, head.body.len()), (200, 0));
        for field in [
            "content-type",
            "content-length",
            "docker-content-digest",
            "etag",
        ] {
            assert_eq!(head.field(field), tagged.field(field), "{field}");
        }
        assert_eq!(
            head.field("content-length"),
            image.manifest.len().to_string()
        );
    }
    for (target, code) in [
        ("/v2/oci/manifests/2", "MANIFEST_UNKNOWN"),
        ("/v2/oci/manifests/-", "MANIFEST_UNKNOWN"),
        ("/v2/other/manifests/1", "NAME_UNKNOWN"),
    ] {
        let said = serving.get(target);
        assert_eq!(said.error(), (404, code.to_owned()), "{target}");
        let head = serving.ask("HEAD", target, &[]);
        assert_eq!((head.status, head.body.len()), (404, 0));
    }
}

#[test]
fn what_a_client_has_already_is_not_sent() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
    let tag = serving.get("/v2/app/manifests/1").field("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", image.digest));
    let blob = format!("/v2/app/blobs/{}", image.config_digest);
    let of_blob = format!("If-None-Match: \"x\", W/\"{}\"", image.config_digest);
    for (target, condition) in [
        ("/v2/app/manifests/1", format!("If-None-Match: {tag}")),
        ("/v2/app/manifests/1", "If-None-Match: *".to_owned()),
        (blob.as_str(), of_blob),
    ] {
        let said = serving.ask("GET", target, &[&condition]);
        assert_eq!((said.status, said.body.len()), (304, 0), "{condition}");
        assert!(!said.field("etag").is_empty());
    }
    let said = serving.ask("GET", "/v2/app/manifests/1", &["If-None-Match: \"x\""]);
    assert_eq!(said.status, 200);
}

/// The index that an image came with is what its tag stands for; of the others in it nothing is here.
#[test]
fn an_index_leads_to_the_image_that_is_here() {
    let stored = Stored::nothing();
    let other = image("elsewhere").platform("plan9/mips").pack();
    let index = IndexBuilder::new().image(image("here")).image(&other);
    let index = stored.add_index(index, &["multi:1"]);
    let serving = stored.serve();
    let tagged = serving.get("/v2/multi/manifests/1");
    assert_eq!(tagged.body, index.bytes);
    assert_eq!(tagged.field("content-type"), index.media_type);
    let here = serving.get(&format!("/v2/multi/manifests/{}", index.images[0].digest));
    assert_eq!(here.body, index.images[0].manifest);
    let elsewhere = serving.get(&format!("/v2/multi/manifests/{}", other.digest));
    assert_eq!(elsewhere.error(), (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[test]
fn blobs_come_whole_and_in_parts() {
    let big = ImageBuilder::new().layer(LayerBuilder::of_size(1 << 20));
    let (stored, image) = Stored::with(big, &["app:1"]);
    let serving = stored.serve();
    let layer = &image.layers[0];
    let target = format!("/v2/app/blobs/{}", layer.digest);
    let whole = serving.get(&target);
    assert_eq!((whole.status, whole.body.as_slice()), (200, &*layer.bytes));
    assert_eq!(whole.field("accept-ranges"), "bytes");
    assert_eq!(whole.field("content-type"), "application/octet-stream");
    assert_eq!(
        whole.field("docker-content-digest"),
        layer.digest.to_string()
    );
    let head = serving.ask("HEAD", &target, &[]);
    assert_eq!(head.field("content-length"), layer.size.to_string());
    assert_eq!(head.body.len(), 0);
    let config = serving.get(&format!("/v2/app/blobs/{}", image.config_digest));
    assert_eq!(config.body, image.config);

    let size = layer.bytes.len();
    for (range, part) in [
        ("bytes=0-", 0..size),
        ("bytes=700000-", 700_000..size),
        ("bytes=100-300099", 100..300_100),
        ("bytes=-5", size - 5..size),
        ("bytes=5-99999999", 5..size),
    ] {
        let said = serving.ask("GET", &target, &[&format!("Range: {range}")]);
        let label = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(
            (said.status, said.field("content-range")),
            (206, label.as_str())
        );
        assert!(said.body == layer.bytes[part], "{range}");
    }
    let beyond = serving.ask("GET", &target, &[&format!("Range: bytes={size}-")]);
    assert_eq!(beyond.error(), (416, "RANGE_INVALID".to_owned()));
    assert_eq!(beyond.field("content-range"), format!("bytes */{size}"));
    let right = format!("If-Range: \"{}\"", layer.digest);
    let conditions: [(&[&str], u16); 4] = [
        (&["Range: bytes=1-2", &right], 206),
        (&["Range: bytes=1-2", "If-Range: \"other\""], 200),
        (&["Range: bytes=1-2,4-5"], 200),
        (&["Range: bytes=1-2", "Range: bytes=4-5"], 200),
    ];
    for (fields, status) in conditions {
        assert_eq!(
            serving.ask("GET", &target, fields).status,
            status,
            "{fields:?}"
        );
    }
    let part = serving.ask("HEAD", &target, &["Range: bytes=0-9"]);
    assert_eq!((part.status, part.field("content-length")), (206, "10"));
}

/// Nobody gets a blob by knowing its name: it is given where an image keeps it, and nowhere else.
#[test]
fn a_blob_belongs_to_the_repositories_of_its_images() {
    let stored = Stored::nothing();
    let one = stored.add(image("one"), &["one:1", "ghcr.io/a/one:1"]);
    stored.add(image("two"), &["two:1"]);
    let serving = stored.serve();
    let layer = one.layers[0].digest;
    let status = |name: &str, what: &str, digest: &Digest| {
        serving.get(&format!("/v2/{name}/{what}/{digest}")).status
    };
    assert_eq!(status("one", "blobs", &layer), 200);
    assert_eq!(status("ghcr.io/a/one", "blobs", &layer), 200);
    assert_eq!(status("two", "blobs", &layer), 404);
    assert_eq!(status("two", "manifests", &one.digest), 404);
    // What is no manifest is not given as one.
    assert_eq!(status("one", "manifests", &one.config_digest), 404);
    assert_eq!(status("one", "manifests", &layer), 404);
    let said = serving.get(&format!("/v2/two/blobs/{layer}"));
    assert_eq!(said.code(), "BLOB_UNKNOWN");
    let said = serving.get(&format!("/v2/three/blobs/{layer}"));
    assert_eq!(said.code(), "NAME_UNKNOWN");

    stored.remove("one:1");
    assert_eq!(status("one", "blobs", &layer), 404);
    assert_eq!(status("ghcr.io/a/one", "blobs", &layer), 200);
}

#[test]
fn it_cannot_be_written_to() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
    for (method, target) in [
        ("PUT", "/v2/app/manifests/1"),
        ("DELETE", "/v2/app/manifests/1"),
        ("POST", "/v2/app/blobs/uploads/"),
        ("PATCH", "/v2/app/blobs/uploads/1"),
        ("OPTIONS", "/v2/"),
        ("BREW", "/v2/"),
    ] {
        let said = serving.ask(method, target, &["Content-Length: 0"]);
        assert_eq!(said.error(), (405, "UNSUPPORTED".to_owned()), "{method}");
        assert_eq!(said.field("allow"), "GET, HEAD");
    }
    let manifest = serving.get(&format!("/v2/app/manifests/{}", image.digest));
    assert_eq!(manifest.status, 200);
}

/// What is gone or damaged is not here, for others to have it.
#[test]
fn a_file_that_vanished_is_not_here() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
    let layer = image.layers[0].digest;
    fs::write(stored.file_of(&image.digest), "damaged").unwrap();
    fs::remove_file(stored.file_of(&layer)).unwrap();
    let said = serving.get("/v2/app/manifests/1");
    assert_eq!(said.error(), (404, "MANIFEST_UNKNOWN".to_owned()));
    let said = serving.get(&format!("/v2/app/blobs/{layer}"));
    assert_eq!(said.error(), (404, "BLOB_UNKNOWN".to_owned()));
}

/// An image keeps the manifest that it came with, and may have come without a blob that this names: its layer was
/// here already, in another compression.
#[test]
fn a_blob_that_an_image_came_without_is_not_here() {
    let stored = Stored::nothing();
    let layer = || LayerBuilder::new().file("file", "shared");
    let gzip = ImageBuilder::new().layer(layer().compressed(BlobCompression::Gzip));
    let gzip = stored.add(gzip, &["gzip:1"]);
    let zstd = ImageBuilder::new()
        .layer(layer().compressed(BlobCompression::Zstd))
        .empty_step("another");
    let zstd = stored.add(zstd, &["zstd:1"]);
    let serving = stored.serve();
    let [held, other] = [&gzip, &zstd].map(|image| image.layers[0].digest);
    assert_eq!(serving.get("/v2/zstd/manifests/1").body, zstd.manifest);
    let said = serving.get(&format!("/v2/zstd/blobs/{other}"));
    assert_eq!(said.error(), (404, "BLOB_UNKNOWN".to_owned()));
    assert_eq!(serving.get(&format!("/v2/zstd/blobs/{held}")).status, 200);
}

/// A pull that runs beside it is not in the way, and what comes is served.
#[test]
fn a_store_may_change_and_even_begin_beside_it() {
    let stored = Stored::nothing();
    let serving = stored.serve();
    assert_eq!(serving.get("/v2/app/manifests/1").status, 404);
    stored.add(image("a"), &["app:1"]);
    assert_eq!(serving.get("/v2/app/manifests/1").status, 200);
    let other = stored.add(image("b"), &["app:1"]);
    assert_eq!(serving.get("/v2/app/manifests/1").body, other.manifest);
}

#[test]
fn requests_follow_one_another_on_a_connection() {
    let (stored, image) = Stored::with(image("a"), &["app:1"]);
    let serving = stored.serve();
    let host = format!("Host: {}\r\n", serving.address);
    let mut requests = format!("GET /v2/app/manifests/1 HTTP/1.1\r\n{host}\r\n").repeat(3);
    requests += &requests[..requests.len() / 3].replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let said = serving.send(requests);
    let manifests = said
        .windows(image.manifest.len())
        .filter(|bytes| *bytes == &*image.manifest);
    assert_eq!(manifests.count(), 4);
    let first = Said::parse(&said);
    assert_eq!(first.status, 200);
    let answered = serving.answered.lock().unwrap();
    let sizes: Vec<_> = answered
        .iter()
        .map(|it| (it.status, it.bytes, it.is_complete))
        .collect();
    assert_eq!(sizes, [(200, image.manifest.len() as u64, true); 4]);
}

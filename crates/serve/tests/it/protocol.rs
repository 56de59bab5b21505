//! The protocol: manifests, blobs, ranges, conditions, methods.

use std::fs;

use windlass::image::Digest;
use windlass_testing::{BlobCompression, ImageBuilder, IndexBuilder, LayerBuilder};

use crate::harness::{HttpResponse, TestStore, image};

#[test]
fn the_version_check_succeeds() {
    let server = TestStore::nothing().serve();
    for target in ["/v2/", "/v2"] {
        let response = server.get(target);
        assert_eq!(
            (response.status, response.body.as_slice()),
            (200, &b"{}"[..])
        );
        assert_eq!(
            response.field("docker-distribution-api-version"),
            "registry/2.0"
        );
    }
}

/// Manifests are the exact bytes that were pulled, with their own media type.
#[test]
fn manifests_are_served_as_pulled() {
    let store = TestStore::nothing();
    let oci = store.add(image("oci"), &["oci:1"]);
    let docker = store.add(image("docker").docker(), &["docker:1"]);
    let server = store.serve();
    for (name, image) in [("oci", &oci), ("docker", &docker)] {
        let digest = image.digest.to_string();
        let tagged = server.get(&format!("/v2/{name}/manifests/1"));
        assert_eq!(
            (tagged.status, tagged.body.as_slice()),
            (200, &*image.manifest)
        );
        assert_eq!(tagged.field("content-type"), image.media_type);
        assert_eq!(tagged.field("docker-content-digest"), digest);
        assert_eq!(tagged.field("cache-control"), "no-cache");
        let by_digest = server.get(&format!("/v2/{name}/manifests/{digest}"));
        assert_eq!(by_digest.body, tagged.body);
        assert_eq!(
            by_digest.field("cache-control"),
            "max-age=31536000, immutable"
        );

        let head = server.request(
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
        let response = server.get(target);
        assert_eq!(response.error(), (404, code.to_owned()), "{target}");
        let head = server.request("HEAD", target, &[]);
        assert_eq!((head.status, head.body.len()), (404, 0));
    }
}

#[test]
fn content_that_the_client_has_is_not_sent() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let tag = server.get("/v2/app/manifests/1").field("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", image.digest));
    let blob = format!("/v2/app/blobs/{}", image.config_digest);
    let of_blob = format!("If-None-Match: \"x\", W/\"{}\"", image.config_digest);
    for (target, condition) in [
        ("/v2/app/manifests/1", format!("If-None-Match: {tag}")),
        ("/v2/app/manifests/1", "If-None-Match: *".to_owned()),
        (blob.as_str(), of_blob),
    ] {
        let response = server.request("GET", target, &[&condition]);
        assert_eq!(
            (response.status, response.body.len()),
            (304, 0),
            "{condition}"
        );
        assert!(!response.field("etag").is_empty());
    }
    let response = server.request("GET", "/v2/app/manifests/1", &["If-None-Match: \"x\""]);
    assert_eq!(response.status, 200);
}

/// A tag returns the index that was pulled. The manifests of other platforms are missing.
#[test]
fn an_index_is_served_with_the_pulled_platform_only() {
    let store = TestStore::nothing();
    let other = image("elsewhere").platform("plan9/mips").pack();
    let index = IndexBuilder::new().image(image("here")).image(&other);
    let index = store.add_index(index, &["multi:1"]);
    let server = store.serve();
    let tagged = server.get("/v2/multi/manifests/1");
    assert_eq!(tagged.body, index.bytes);
    assert_eq!(tagged.field("content-type"), index.media_type);
    let here = server.get(&format!("/v2/multi/manifests/{}", index.images[0].digest));
    assert_eq!(here.body, index.images[0].manifest);
    let elsewhere = server.get(&format!("/v2/multi/manifests/{}", other.digest));
    assert_eq!(elsewhere.error(), (404, "MANIFEST_UNKNOWN".to_owned()));
}

#[test]
fn blobs_are_served_whole_and_by_range() {
    let big = ImageBuilder::new().layer(LayerBuilder::of_size(1 << 20));
    let (store, image) = TestStore::with(big, &["app:1"]);
    let server = store.serve();
    let layer = &image.layers[0];
    let target = format!("/v2/app/blobs/{}", layer.digest);
    let whole = server.get(&target);
    assert_eq!((whole.status, whole.body.as_slice()), (200, &*layer.bytes));
    assert_eq!(whole.field("accept-ranges"), "bytes");
    assert_eq!(whole.field("content-type"), "application/octet-stream");
    assert_eq!(
        whole.field("docker-content-digest"),
        layer.digest.to_string()
    );
    let head = server.request("HEAD", &target, &[]);
    assert_eq!(head.field("content-length"), layer.size.to_string());
    assert_eq!(head.body.len(), 0);
    let config = server.get(&format!("/v2/app/blobs/{}", image.config_digest));
    assert_eq!(config.body, image.config);

    let size = layer.bytes.len();
    for (range, part) in [
        ("bytes=0-", 0..size),
        ("bytes=700000-", 700_000..size),
        ("bytes=100-300099", 100..300_100),
        ("bytes=-5", size - 5..size),
        ("bytes=5-99999999", 5..size),
    ] {
        let response = server.request("GET", &target, &[&format!("Range: {range}")]);
        let label = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        assert_eq!(
            (response.status, response.field("content-range")),
            (206, label.as_str())
        );
        assert!(response.body == layer.bytes[part], "{range}");
    }
    let beyond = server.request("GET", &target, &[&format!("Range: bytes={size}-")]);
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
            server.request("GET", &target, fields).status,
            status,
            "{fields:?}"
        );
    }
    let part = server.request("HEAD", &target, &["Range: bytes=0-9"]);
    assert_eq!((part.status, part.field("content-length")), (206, "10"));
}

/// A blob is served under the repositories of its images only: a digest alone gives no access.
#[test]
fn a_blob_belongs_to_the_repositories_of_its_images() {
    let store = TestStore::nothing();
    let one = store.add(image("one"), &["one:1", "ghcr.io/a/one:1"]);
    store.add(image("two"), &["two:1"]);
    let server = store.serve();
    let layer = one.layers[0].digest;
    let status = |name: &str, what: &str, digest: &Digest| {
        server.get(&format!("/v2/{name}/{what}/{digest}")).status
    };
    assert_eq!(status("one", "blobs", &layer), 200);
    assert_eq!(status("ghcr.io/a/one", "blobs", &layer), 200);
    assert_eq!(status("two", "blobs", &layer), 404);
    assert_eq!(status("two", "manifests", &one.digest), 404);
    // Other blobs are not served as manifests.
    assert_eq!(status("one", "manifests", &one.config_digest), 404);
    assert_eq!(status("one", "manifests", &layer), 404);
    let response = server.get(&format!("/v2/two/blobs/{layer}"));
    assert_eq!(response.code(), "BLOB_UNKNOWN");
    let response = server.get(&format!("/v2/three/blobs/{layer}"));
    assert_eq!(response.code(), "NAME_UNKNOWN");

    store.remove("one:1");
    assert_eq!(status("one", "blobs", &layer), 404);
    assert_eq!(status("ghcr.io/a/one", "blobs", &layer), 200);
}

#[test]
fn writing_is_refused() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    for (method, target) in [
        ("PUT", "/v2/app/manifests/1"),
        ("DELETE", "/v2/app/manifests/1"),
        ("POST", "/v2/app/blobs/uploads/"),
        ("PATCH", "/v2/app/blobs/uploads/1"),
        ("OPTIONS", "/v2/"),
        ("BREW", "/v2/"),
    ] {
        let response = server.request(method, target, &["Content-Length: 0"]);
        assert_eq!(
            response.error(),
            (405, "UNSUPPORTED".to_owned()),
            "{method}"
        );
        assert_eq!(response.field("allow"), "GET, HEAD");
    }
    let manifest = server.get(&format!("/v2/app/manifests/{}", image.digest));
    assert_eq!(manifest.status, 200);
}

/// A missing or damaged file is reported as missing, so that a mirror's client goes on to the registry.
#[test]
fn missing_and_damaged_files_are_not_found() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let layer = image.layers[0].digest;
    fs::write(store.file_of(&image.digest), "damaged").unwrap();
    fs::remove_file(store.file_of(&layer)).unwrap();
    let response = server.get("/v2/app/manifests/1");
    assert_eq!(response.error(), (404, "MANIFEST_UNKNOWN".to_owned()));
    let response = server.get(&format!("/v2/app/blobs/{layer}"));
    assert_eq!(response.error(), (404, "BLOB_UNKNOWN".to_owned()));
}

/// A pull skips a blob whose layer is in the store in another compression. The manifest still names the blob.
#[test]
fn a_blob_that_was_skipped_is_not_found() {
    let store = TestStore::nothing();
    let layer = || LayerBuilder::new().file("file", "shared");
    let gzip = ImageBuilder::new().layer(layer().compressed(BlobCompression::Gzip));
    let gzip = store.add(gzip, &["gzip:1"]);
    let zstd = ImageBuilder::new()
        .layer(layer().compressed(BlobCompression::Zstd))
        .empty_step("another");
    let zstd = store.add(zstd, &["zstd:1"]);
    let server = store.serve();
    let [held, other] = [&gzip, &zstd].map(|image| image.layers[0].digest);
    assert_eq!(server.get("/v2/zstd/manifests/1").body, zstd.manifest);
    let response = server.get(&format!("/v2/zstd/blobs/{other}"));
    assert_eq!(response.error(), (404, "BLOB_UNKNOWN".to_owned()));
    assert_eq!(server.get(&format!("/v2/zstd/blobs/{held}")).status, 200);
}

#[test]
fn images_pulled_meanwhile_are_served() {
    let store = TestStore::nothing();
    let server = store.serve();
    assert_eq!(server.get("/v2/app/manifests/1").status, 404);
    store.add(image("a"), &["app:1"]);
    assert_eq!(server.get("/v2/app/manifests/1").status, 200);
    let other = store.add(image("b"), &["app:1"]);
    assert_eq!(server.get("/v2/app/manifests/1").body, other.manifest);
}

#[test]
fn a_connection_serves_several_requests() {
    let (store, image) = TestStore::with(image("a"), &["app:1"]);
    let server = store.serve();
    let host = format!("Host: {}\r\n", server.address);
    let mut requests = format!("GET /v2/app/manifests/1 HTTP/1.1\r\n{host}\r\n").repeat(3);
    requests += &requests[..requests.len() / 3].replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let response = server.send(requests);
    let manifests = response
        .windows(image.manifest.len())
        .filter(|bytes| *bytes == &*image.manifest);
    assert_eq!(manifests.count(), 4);
    let first = HttpResponse::parse(&response);
    assert_eq!(first.status, 200);
    let answered = server.log.lock().unwrap();
    let sizes: Vec<_> = answered
        .iter()
        .map(|it| (it.status, it.bytes, it.is_complete))
        .collect();
    assert_eq!(sizes, [(200, image.manifest.len() as u64, true); 4]);
}

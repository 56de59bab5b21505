//! The registry without scripts: the distribution protocol, strictly.

use serde_json::json;
use windlass_oci::Digest;
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, Registry};

use crate::client::{get, request};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

#[test]
fn an_image_is_served_as_it_was_pushed() {
    let registry = Registry::start();
    let image = registry.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(100_000)),
        "team/app:1",
    );

    assert_eq!(get(registry.address(), "/v2/", &[]).json(), json!({}));
    let manifest = get(registry.address(), "/v2/team/app/manifests/1", &[]);
    assert_eq!(manifest.status, 200);
    assert_eq!(manifest.body, image.manifest);
    assert_eq!(manifest.header("content-type"), Some(OCI_MANIFEST));
    let digest = image.digest.to_string();
    assert_eq!(manifest.header("docker-content-digest"), Some(&*digest));
    let pinned = format!("/v2/team/app/manifests/{digest}");
    assert_eq!(get(registry.address(), &pinned, &[]).body, image.manifest);
    let layer = &image.layers[0];
    for (digest, bytes) in [
        (layer.digest, &layer.bytes),
        (image.config_digest, &image.config),
    ] {
        let blob = get(
            registry.address(),
            &format!("/v2/team/app/blobs/{digest}"),
            &[],
        );
        assert!(blob.body == *bytes, "{digest}");
        assert_eq!(
            blob.header("content-length"),
            Some(&*bytes.len().to_string())
        );
    }
    assert_eq!(
        registry.log(),
        [
            "GET /v2/ 200".to_owned(),
            "GET /v2/team/app/manifests/1 200".to_owned(),
            format!("GET {pinned} 200"),
            format!("GET /v2/team/app/blobs/{} 200", layer.digest),
            format!("GET /v2/team/app/blobs/{} 200", image.config_digest),
        ]
    );
    assert_eq!(registry.bytes_sent(&layer.digest), layer.size);
    assert_eq!(registry.requested_ranges(&layer.digest), ["whole"]);
}

#[test]
fn an_index_comes_with_all_that_is_in_it() {
    let registry = Registry::start();
    let arm = ImageBuilder::new()
        .platform("linux/arm64")
        .layer(LayerBuilder::of_size(9))
        .pack();
    let index = IndexBuilder::new().index(IndexBuilder::new().docker().image(&arm));
    let index = registry.push_index(index, "app:multi");
    for digest in [index.digest, index.indexes[0].digest, arm.digest] {
        let path = format!("/v2/app/manifests/{digest}");
        assert_eq!(get(registry.address(), &path, &[]).status, 200, "{path}");
    }
}

#[test]
fn a_head_has_no_body() {
    let registry = Registry::start();
    let digest = registry.push_layer(LayerBuilder::of_size(1000), "app");
    let path = format!("/v2/app/blobs/{digest}");
    let head = request(registry.address(), "HEAD", &path, &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_ne!(head.header("content-length"), Some("0"));
    assert!(
        registry.requested_ranges(&digest).is_empty(),
        "a HEAD is no GET"
    );
}

#[test]
fn missing_resources_have_error_codes() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    let absent = Digest::sha256(b"absent");
    let cases = [
        ("/v2/other/manifests/1".to_owned(), 404, "NAME_UNKNOWN"),
        ("/v2/App/manifests/1".to_owned(), 400, "NAME_INVALID"),
        ("/v2/app/manifests/2".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("/v2/app/manifests/sha256:00".to_owned(), 400, "TAG_INVALID"),
        (format!("/v2/app/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        ("/v2/app/blobs/sha256:xyz".to_owned(), 400, "DIGEST_INVALID"),
    ];
    for (path, status, code) in cases {
        let answer = get(registry.address(), &path, &[]);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.json()["errors"][0]["code"], code, "{path}");
    }
    assert_eq!(get(registry.address(), "/v1/_ping", &[]).status, 404);
    assert_eq!(
        request(registry.address(), "PUT", "/v2/app/manifests/1", &[]).status,
        405
    );
}

/// As in Docker's registry, so that a missing Accept is detected.
#[test]
fn a_manifest_requires_accept() {
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    let status = |headers: &[&str]| {
        request(registry.address(), "GET", "/v2/app/manifests/1", headers).status
    };
    assert_eq!(status(&[]), 404);
    assert_eq!(status(&["Accept: application/json"]), 404);
    let listed = format!("Accept: application/json, {OCI_MANIFEST};q=0.5");
    assert_eq!(status(&[&listed]), 200);
    let second_line = format!("Accept: {OCI_MANIFEST}");
    assert_eq!(status(&["Accept: text/plain", &second_line]), 200);
}

#[test]
fn blobs_belong_to_repositories() {
    let registry = Registry::start();
    let digest = registry.push_layer(LayerBuilder::of_size(9), "mine");
    registry.push(ImageBuilder::new(), "yours:1");
    let path = format!("/v2/yours/blobs/{digest}");
    assert_eq!(get(registry.address(), &path, &[]).status, 404);
}

#[test]
fn a_range_is_served() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", &b"0123456789"[..]);
    let path = format!("/v2/app/blobs/{digest}");
    let part = get(registry.address(), &path, &["Range: bytes=3-5"]);
    assert_eq!((part.status, &*part.body), (206, &b"345"[..]));
    assert_eq!(part.header("content-range"), Some("bytes 3-5/10"));
    let rest = get(registry.address(), &path, &["Range: bytes=8-"]);
    assert_eq!((rest.status, &*rest.body), (206, &b"89"[..]));
    let behind = get(registry.address(), &path, &["Range: bytes=10-"]);
    assert_eq!(behind.status, 416);
    assert_eq!(behind.header("content-range"), Some("bytes */10"));
    let stale = ["Range: bytes=3-", "If-Range: \"other\""];
    assert_eq!(get(registry.address(), &path, &stale).status, 200);
    assert_eq!(
        registry.requested_ranges(&digest),
        ["bytes=3-5", "bytes=8-", "bytes=10-", "bytes=3-"]
    );
    assert_eq!(
        registry.bytes_sent(&digest) - behind.body.len() as u64,
        3 + 2 + 10
    );
}

#[test]
fn tags_come_in_pages() {
    let registry = Registry::builder().tags_per_page(2).start();
    let image = registry.push(ImageBuilder::new(), "app");
    for tag in ["c", "a", "b"] {
        registry.tag("app", tag, &image.digest);
    }
    let first = get(registry.address(), "/v2/app/tags/list", &[]);
    assert_eq!(first.json(), json!({ "name": "app", "tags": ["a", "b"] }));
    let next = "</v2/app/tags/list?last=b&n=2>; rel=\"next\"";
    assert_eq!(first.header("link"), Some(next));
    let second = get(registry.address(), "/v2/app/tags/list?last=b&n=2", &[]);
    assert_eq!(second.json(), json!({ "name": "app", "tags": ["c"] }));
    assert_eq!(second.header("link"), None);
}

#[test]
fn registries_have_addresses_of_their_own() {
    let first = Registry::start();
    let second = Registry::builder().on([127, 0, 0, 2].into()).start();
    second.put_path("/cdn/x?signature=s", &b"content"[..]);
    assert!(second.url().starts_with("http://127.0.0.2:"));
    let signed = get(second.address(), "/cdn/x?signature=s", &["Range: bytes=3-"]);
    assert_eq!((signed.status, &*signed.body), (206, &b"tent"[..]));
    assert_eq!(get(second.address(), "/cdn/x", &[]).status, 404);
    assert_eq!(get(first.address(), "/cdn/x?signature=s", &[]).status, 404);
    assert!(second.received("signature=s"));
}

#[test]
fn a_dropped_registry_is_stopped() {
    let registry = Registry::start();
    let address = registry.address();
    drop(registry);
    assert!(std::net::TcpStream::connect(address).is_err());
}

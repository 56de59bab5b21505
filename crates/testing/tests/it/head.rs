//! HEAD: normal, rejected, and wrong (T16, T17).

use windlass_oci::Digest;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::client::{Response, get, request};

const PATH: &str = "/v2/app/manifests/1";

fn head(registry: &Registry, path: &str) -> Response {
    request(registry.address(), "HEAD", path, &["Accept: */*"])
}

/// Returns the headers that describe the content.
fn headers_of(answer: &Response) -> [Option<&str>; 3] {
    ["docker-content-digest", "content-length", "content-type"].map(|name| answer.header(name))
}

#[test]
fn has_the_headers_of_a_get() {
    let registry = Registry::start();
    let image = registry.push(
        ImageBuilder::new().layer(LayerBuilder::of_size(10)),
        "app:1",
    );
    let (layer, digest) = (&image.layers[0], image.digest.to_string());
    let size = image.manifest.len().to_string();
    let manifest = head(&registry, PATH);
    assert_eq!((manifest.status, manifest.body.len()), (200, 0));
    assert_eq!(
        headers_of(&manifest),
        [&digest, &size, &image.media_type].map(|it| Some(&**it))
    );
    let blob = head(&registry, &format!("/v2/app/blobs/{}", layer.digest));
    let (digest, size) = (layer.digest.to_string(), layer.size.to_string());
    let expected = [&*digest, &*size, "application/octet-stream"].map(Some);
    assert_eq!((headers_of(&blob), blob.body.len()), (expected, 0));
    assert_eq!(head(&registry, "/v2/app/manifests/2").status, 404);
}

#[test]
fn is_scripted_apart_from_get() {
    let registry = Registry::start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let other = Digest::sha256(b"other");
    let script = registry.manifest("1").for_head();
    script
        .size(10 << 30)
        .digest(other)
        .then()
        .without_digest()
        .then_ok();
    registry
        .manifest("1")
        .for_any_method()
        .status(500)
        .times(2)
        .then_ok();
    let wrong = head(&registry, PATH);
    let other = other.to_string();
    let expected = [&*other, "10737418240", &*image.media_type].map(Some);
    assert_eq!((headers_of(&wrong), wrong.body.len()), (expected, 0));
    assert_eq!(headers_of(&head(&registry, PATH))[0], None);
    assert_eq!(head(&registry, PATH).status, 500);
    assert_eq!(get(registry.address(), PATH, &[]).status, 500);
    assert_eq!(get(registry.address(), PATH, &[]).body, image.manifest);
}

#[test]
fn may_be_unsupported() {
    let registry = Registry::builder().without_head().start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let blob = format!("/v2/app/blobs/{}", image.config_digest);
    for path in [PATH, &blob] {
        assert_eq!(head(&registry, path).status, 405, "{path}");
        assert_eq!(get(registry.address(), path, &[]).status, 200, "{path}");
    }
}

#[test]
fn digests_may_be_omitted() {
    let registry = Registry::builder().without_digests().start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let size = image.manifest.len().to_string();
    let expected = [None, Some(&*size), Some(&*image.media_type)];
    assert_eq!(headers_of(&head(&registry, PATH)), expected);
    assert_eq!(headers_of(&get(registry.address(), PATH, &[])), expected);
}

#[test]
fn schema1_is_served_under_the_digest_of_its_payload() {
    let registry = Registry::start();
    let image = windlass_testing::Schema1Builder::new("app", "1").layer(LayerBuilder::of_size(10));
    let image = registry.push_schema1(image.empty_step("CMD"), "app:1");
    let digest = image.digest.to_string();
    assert_ne!(image.digest, Digest::sha256(&image.bytes));
    for path in [PATH, &format!("/v2/app/manifests/{digest}")] {
        let answer = get(registry.address(), path, &[]);
        assert_eq!(answer.body, image.bytes);
        assert_eq!(answer.header("docker-content-digest"), Some(&*digest));
        let media_type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        assert_eq!(answer.header("content-type"), Some(media_type));
    }
    for layer in &image.layers {
        let path = format!("/v2/app/blobs/{}", layer.digest);
        assert_eq!(get(registry.address(), &path, &[]).body, layer.bytes);
    }
}

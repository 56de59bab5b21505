//! HEAD requests: the digest of a tag, the size of a blob.

use windlass_oci::{Digest, MediaType};
use windlass_registry::{ManifestHead, RegistryError};
use windlass_testing::{ImageBuilder, PackedImage, Registry, Storage};

use crate::support::{basic, noise, open, open_as, tag};

fn with_image() -> (Registry, PackedImage) {
    let registry = Registry::start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    (registry, image)
}

/// MF-3, ST-5: one HEAD request returns the current digest.
#[tokio::test]
async fn a_head_returns_the_digest_of_a_tag() {
    let (registry, image) = with_image();
    let head = open(&registry).head(&tag("1")).await.unwrap();
    let expected = ManifestHead {
        digest: image.digest,
        size: Some(image.manifest.len() as u64),
        media_type: Some(MediaType::OciManifest),
    };
    assert_eq!(head, Some(expected));
    assert_eq!(registry.log(), ["HEAD /v2/app/manifests/1 200"]);
}

/// HT-12: a HEAD request authenticates like any other.
#[tokio::test]
async fn a_head_authenticates() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    let image = registry.push(ImageBuilder::new(), "app:1");
    let repository = open_as(&registry, basic("me", "hunter2"));
    let head = repository.head(&tag("1")).await.unwrap().unwrap();
    assert_eq!(head.digest, image.digest);
}

/// A registry without a digest in the response, or without HEAD, is left to a GET; so is a rejection, whose
/// reason only the response to GET contains.
#[tokio::test]
async fn a_head_without_a_digest_is_none() {
    let (registry, _) = with_image();
    let repository = open(&registry);
    for status in [400, 401, 403, 404, 405, 500, 501, 502, 503] {
        registry.manifest("1").for_head().status(status).then_ok();
        assert_eq!(repository.head(&tag("1")).await.unwrap(), None, "{status}");
    }
    registry.manifest("1").for_head().without_digest().then_ok();
    assert_eq!(repository.head(&tag("1")).await.unwrap(), None);
    registry
        .manifest("1")
        .for_head()
        .digest("sha256:x")
        .then_ok();
    assert_eq!(repository.head(&tag("1")).await.unwrap(), None);
}

/// T34: a GET would count against the limit of the registry as well.
#[tokio::test]
async fn a_limit_on_the_rate_is_an_error() {
    let (registry, _) = with_image();
    let repository = open(&registry);
    registry.manifest("1").for_head().status(429).then_ok();
    let error = repository.head(&tag("1")).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooManyRequests { .. }),
        "{error:?}"
    );
}

/// T16: a wrong size in a HEAD response has no effect beyond the number.
#[tokio::test]
async fn a_wrong_size_is_harmless() {
    let (registry, _) = with_image();
    let size = 10 << 30;
    registry.manifest("1").for_head().size(size).then_ok();
    let head = open(&registry).head(&tag("1")).await.unwrap().unwrap();
    assert_eq!(head.size, Some(size));
}

#[tokio::test]
async fn the_size_of_a_blob_is_fetched_without_the_blob() {
    let registry = Registry::start();
    let digest = registry.put_blob("app", noise(12_345));
    assert_eq!(open(&registry).blob_size(&digest).await.unwrap(), 12_345);
    assert_eq!(registry.log(), [format!("HEAD /v2/app/blobs/{digest} 200")]);

    let registry = Registry::builder().without_head().start();
    let digest = registry.put_blob("app", noise(12_345));
    assert_eq!(open(&registry).blob_size(&digest).await.unwrap(), 12_345);
    let unknown = Digest::sha256("x");
    let error = open(&registry).blob_size(&unknown).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::BlobUnknown { .. }),
        "{error:?}"
    );
}

/// A presigned URL for GET is not valid for HEAD.
#[tokio::test]
async fn the_size_of_a_blob_in_a_storage_is_fetched_by_get() {
    let storage = Storage::start();
    let registry = Registry::builder().redirect_blobs_to(&storage, 1).start();
    let digest = registry.put_blob("app", noise(12_345));
    assert_eq!(open(&registry).blob_size(&digest).await.unwrap(), 12_345);
}

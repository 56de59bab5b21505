//! Older formats: schema 1, and version 1 of the protocol.

use windlass_registry::{
    Credentials, ManifestResponse, RegistryConfig, RegistryError, TagOrDigest,
};
use windlass_testing::{Registry, Schema1Builder};

use crate::support::{client, fetch, open, report, session, tag};

/// MF-7, HT-16: schema 1 is always in `Accept`; without the setting that accepts it, the error names the
/// setting, and with it the manifest is returned unverified.
#[tokio::test]
async fn schema1_requires_a_setting() {
    let registry = Registry::start();
    let image = registry.push_schema1(Schema1Builder::new("app", "1"), "app:1");
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "app:1 at REGISTRY: unusable manifest: the manifest is of Docker's schema 1: push the image again, \
         or allow such manifests with `schema1 = true`"
    );
    let client = client(RegistryConfig {
        schema1: true,
        ..RegistryConfig::default()
    });
    let repository = session(&client, &registry, Credentials::Anonymous);
    for target in [tag("1"), TagOrDigest::from(image.digest)] {
        let fetched = repository.manifest(&target).await.unwrap();
        let ManifestResponse::Schema1 { bytes, announced } = fetched else {
            panic!("{fetched:?}")
        };
        assert_eq!(
            (bytes, announced),
            (image.bytes.clone(), Some(image.digest))
        );
    }
    for request in registry.requests() {
        assert_eq!(
            request.header_values("accept"),
            [
                "application/vnd.oci.image.index.v1+json",
                "application/vnd.docker.distribution.manifest.list.v2+json",
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.distribution.manifest.v1+prettyjws",
                "application/vnd.docker.distribution.manifest.v1+json",
            ]
        );
    }
}

/// FB-2, FB-3, FB-11, FB-14: version 1 of the protocol is detected, not supported.
#[tokio::test]
async fn a_registry_of_version_1_is_detected() {
    let registry = Registry::start();
    registry
        .every_manifest()
        .status(404)
        .page("text/plain", "?")
        .forever();
    registry
        .ping()
        .status(404)
        .page("text/plain", "?")
        .forever();
    let error = fetch(&open(&registry)).await.unwrap_err();
    let message = |error: &RegistryError| report(error, &registry);
    assert_eq!(
        message(&error),
        "app:1 at REGISTRY: this is not an OCI registry: /v2/ returns status 404"
    );
    registry.put_path("/v1/_ping", "true");
    let error = fetch(&open(&registry)).await.unwrap_err();
    assert_eq!(
        message(&error),
        "app:1 at REGISTRY: this is not an OCI registry: it uses version 1 of the protocol, which windlass \
         does not support"
    );
}

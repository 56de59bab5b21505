//! Docker's schema 1, as converted by `docker-registry`.

use windlass_testing::real::{DockerRegistry, RegistryAuth};

use super::{RegistryFixture, can_run};
use crate::client::request;

const SIGNED_TYPE: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const SCHEMA2_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

#[test]
fn a_stored_conversion_is_served_for_any_accept() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let fixture = RegistryFixture::new();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .schema1()
        .start()
        .unwrap();
    registry
        .push_docker(fixture.layout.dir(), "it", "app")
        .unwrap();
    let typed = |tag: &str, accept: &str| {
        let path = format!("/v2/app/manifests/{tag}");
        let answer = request(
            registry.address(),
            "GET",
            &path,
            &[&format!("Accept: {accept}")],
        );
        let content_type = answer.header("Content-Type").unwrap().to_owned();
        (content_type, answer)
    };
    assert_eq!(typed("it", SCHEMA2_TYPE).0, SCHEMA2_TYPE);

    let document = registry.store_schema1("app", "it", "old").unwrap();
    registry.store_schema1("app", "it", "it").unwrap();

    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    for tag in ["old", "it"] {
        for accept in [SCHEMA2_TYPE, SIGNED_TYPE, "*/*"] {
            let (content_type, answer) = typed(tag, accept);
            assert_eq!(content_type, SIGNED_TYPE);
            let mut served = answer.json();
            assert_ne!(served["signatures"][0]["signature"], "");
            served["signatures"] = document["signatures"].clone();
            assert_eq!(served, document, "but for the signatures");
        }
    }
    assert_eq!(
        (&document["name"], &document["tag"]),
        (&"app".into(), &"it".into())
    );
    assert_eq!(document["fsLayers"].as_array().unwrap().len(), 2);
    registry.copy("app:it", &fixture.path("copy")).unwrap();
}

#[test]
fn a_registry_without_schema1_stores_none() {
    if !can_run(&["docker-registry", "skopeo", "gzip"]) {
        return;
    }
    let fixture = RegistryFixture::new();
    let registry = DockerRegistry::start(&fixture.path("registry"), RegistryAuth::Open).unwrap();
    registry
        .push_docker(fixture.layout.dir(), "it", "app")
        .unwrap();

    let refused = registry.store_schema1("app", "it", "old").unwrap_err();

    assert_eq!(refused.kind(), std::io::ErrorKind::Unsupported);
}

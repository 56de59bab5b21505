use super::index::OCI_INDEX;
use super::*;
use crate::LayerBuilder;

#[test]
fn the_documents_describe_the_image() {
    let layer = LayerBuilder::new().file("f", b"1").pack();
    let image = ImageBuilder::new()
        .platform("linux/arm64/v8")
        .empty_step("ENV A=1")
        .layer(&layer)
        .created_by("COPY f /")
        .pack();
    let config: Value = serde_json::from_slice(&image.config).unwrap();
    assert_eq!(
        config,
        json!({
            "created": "2020-01-01T00:00:00Z",
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "config": { "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
            "rootfs": { "type": "layers", "diff_ids": [layer.diff_id] },
            "history": [
                { "created": "2020-01-01T00:00:00Z", "created_by": "ENV A=1", "empty_layer": true },
                { "created": "2020-01-01T00:00:00Z", "created_by": "COPY f /" },
            ],
        })
    );
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    assert_eq!(
        manifest,
        json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(OCI_CONFIG, Digest::sha256(&image.config), image.config.len() as u64),
            "layers": [descriptor(
                "application/vnd.oci.image.layer.v1.tar+gzip",
                layer.digest,
                layer.bytes.len() as u64,
            )],
        })
    );
    assert_eq!(image.digest, Digest::sha256(&image.manifest));
}

#[test]
fn a_docker_image_has_dockers_media_types() {
    let image = ImageBuilder::new()
        .docker()
        .layer(LayerBuilder::new())
        .pack();
    let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    assert_eq!(manifest["mediaType"], DOCKER_MANIFEST);
    assert_eq!(manifest["config"]["mediaType"], DOCKER_CONFIG);
    assert_eq!(
        manifest["layers"][0]["mediaType"],
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    );
}

#[test]
fn an_index_lists_images_by_platform() {
    let arm = ImageBuilder::new().platform("linux/arm/v7").pack();
    let inner = IndexBuilder::new().image(&arm).pack();
    let index = IndexBuilder::new()
        .image(&arm)
        .attestation()
        .index(&inner)
        .pack();
    let value: Value = serde_json::from_slice(&index.bytes).unwrap();
    let manifests = value["manifests"].as_array().unwrap();
    assert_eq!(
        manifests[0]["platform"],
        json!({ "os": "linux", "architecture": "arm", "variant": "v7" })
    );
    assert_eq!(manifests[0]["digest"], json!(arm.digest));
    assert_eq!(
        manifests[1]["annotations"]["vnd.docker.reference.digest"],
        json!(arm.digest)
    );
    assert_eq!(
        manifests[2],
        descriptor(OCI_INDEX, inner.digest, inner.bytes.len() as u64)
    );
}

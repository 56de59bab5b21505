//! A repository as a source.

use std::io::Read as _;

use serde_json::json;
use windlass_copy::{
    Budget, ContentSource as _, CopyContext, CopyError, ImageChoice, RegistrySource, gather,
};
use windlass_layout::Artifact;
use windlass_oci::{Descriptor, Digest, Reference};
use windlass_operation::Operation;
use windlass_pull::{Remote, RetryPolicy};
use windlass_registry::{Caller, RegistryConfig, TagOrDigest, referrers_tag};
use windlass_testing::{
    IndexBuilder, LayerBuilder, PackedLayer, Registry, Schema1Builder, descriptor,
};

use crate::memory_source::image_for;

/// Calls `check` with the repository `app` as the source, where it may block.
fn with_source(registry: &Registry, check: impl FnOnce(&RegistrySource) + Send + 'static) {
    let reference: Reference = registry.name("app").parse().unwrap();
    let operation = Operation::blocking(move |context: &CopyContext| {
        let remote = Remote::new(RegistryConfig::default(), RetryPolicy::default()).unwrap();
        let repository = remote.repository(reference.repository(), &Caller::anonymous());
        check(&RegistrySource::new(repository.unwrap(), context.clone()));
        Ok::<(), CopyError>(())
    });
    operation.run(|_| {}).unwrap().unwrap();
}

fn tag(text: &str) -> TagOrDigest {
    TagOrDigest::Tag(text.parse().unwrap())
}

#[test]
fn the_root_is_the_manifest_of_the_tag() {
    let registry = Registry::start();
    let image = registry.push(image_for("linux/s390x"), "app:1");
    with_source(&registry, move |source| {
        let root = source.root(&tag("1")).unwrap().unwrap();
        assert_eq!(
            (root.digest, root.size, root.media_type.as_str()),
            (
                image.digest,
                image.manifest.len() as u64,
                &*image.media_type
            )
        );
    });
}

#[test]
fn a_manifest_of_schema_1_is_no_root() {
    let registry = Registry::start();
    registry.push_schema1(
        Schema1Builder::new("app", "1").layer(LayerBuilder::new()),
        "app:1",
    );
    with_source(&registry, |source| {
        assert_eq!(source.root(&tag("1")).unwrap(), None);
    });
}

#[test]
fn manifests_that_the_registry_does_not_have_are_missing() {
    let registry = Registry::start();
    let image = image_for("linux/s390x");
    let index = IndexBuilder::new().image(&image).pack();
    let media_type = index.media_type.clone();
    let digest = registry.put_manifest("app", &media_type, index.bytes);
    with_source(&registry, move |source| {
        let root = source.root(&TagOrDigest::Digest(digest)).unwrap().unwrap();
        let mut budget = Budget::default();
        let gathered = gather(source, &root, &ImageChoice::All, &mut budget).unwrap();
        assert_eq!(gathered.missing, [image.digest]);
    });
}

#[test]
fn a_manifest_with_another_size_is_rejected() {
    let registry = Registry::start();
    let image = registry.push(image_for("linux/s390x"), "app:1");
    with_source(&registry, move |source| {
        let root = source.root(&tag("1")).unwrap().unwrap();
        let size = root.size;
        let larger = Descriptor {
            size: size + 1,
            ..root
        };
        let error = source.document(&larger).unwrap_err().to_string();
        let (digest, expected) = (image.digest, size + 1);
        assert_eq!(
            error,
            format!("{digest} has {size} bytes, expected {expected}")
        );
    });
}

#[test]
fn referrers_are_those_of_the_registry_and_those_under_tags_of_cosign() {
    let registry = Registry::builder().referrers_per_page(1).start();
    let image = registry.push(image_for("linux/s390x"), "app:1");
    let artifact = |number: u8| {
        let subject = descriptor(&image.media_type, image.digest, image.manifest.len() as u64);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": image.media_type,
            "artifactType": format!("application/{number}"),
            "config": descriptor("application/vnd.oci.empty.v1+json", Digest::sha256(b"{}"), 2),
            "layers": [],
            "subject": subject,
        });
        registry.put_manifest("app", &image.media_type, manifest.to_string())
    };
    let mut expected = [artifact(1), artifact(2)]
        .map(|digest| (digest, None))
        .to_vec();
    expected.sort();
    for suffix in ["sig", "att", "sbom"] {
        let tag = format!("{}.{suffix}", referrers_tag(&image.digest));
        let signature = registry.push(image_for(&format!("linux/{suffix}")), &format!("app:{tag}"));
        expected.push((signature.digest, Some(tag)));
    }
    with_source(&registry, move |source| {
        let found = source.referrers(&image.digest).unwrap();
        let found = found
            .into_iter()
            .map(|Artifact { root, tag }| (root.digest, tag.map(|tag| tag.to_string())));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    });
}

#[test]
fn a_blob_is_read_from_a_position() {
    let registry = Registry::start();
    let layer: PackedLayer = LayerBuilder::of_size(300_000).into();
    let digest = registry.push_layer(layer.clone(), "app");
    let media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
    let blob = serde_json::from_value(descriptor(media_type, digest, layer.size)).unwrap();
    with_source(&registry, move |source| {
        for position in [0, layer.size - 1000] {
            let mut read = Vec::new();
            let mut reader = source.open(&blob, position).unwrap();
            reader.read_to_end(&mut read).unwrap();
            let start = usize::try_from(position).unwrap();
            assert_eq!(read, layer.bytes[start..], "from {position} on");
        }
    });
}

//! The documents and blobs that a copy collects.

use bytes::Bytes;
use serde_json::json;
use windlass_copy::{Budget, Gathered, ImageChoice, TreeError, gather};
use windlass_oci::{Descriptor, Digest};
use windlass_testing::{
    ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, PackedLayer, descriptor,
};

use crate::memory_source::{MemorySource, image_for};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const FOREIGN_LAYER: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";

fn collect(source: &MemorySource, root: &Descriptor, choice: &ImageChoice) -> Gathered {
    gather(source, root, choice, &mut Budget::default()).unwrap()
}

fn documents<'a>(source: &'a MemorySource, gathered: &Gathered) -> Vec<&'a str> {
    source.names(gathered.batch.documents.keys())
}

fn blobs<'a>(source: &'a MemorySource, gathered: &Gathered) -> Vec<&'a str> {
    source.names(gathered.batch.blobs.keys())
}

/// An index of an image for this machine, an attestation, and a nested index with another image.
struct Tree {
    source: MemorySource,
    host: PackedImage,
    nested: PackedImage,
    root: Descriptor,
}

fn tree() -> Tree {
    let mut source = MemorySource::default();
    let host = ImageBuilder::new()
        .layer(LayerBuilder::new().file("a", b"a"))
        .pack();
    source.image("host", &host);
    let nested = image_for("linux/s390x");
    source.image("s390x", &nested);
    let inner = IndexBuilder::new().image(&nested).pack();
    source.index("inner", &inner);
    let index = IndexBuilder::new()
        .image(&host)
        .attestation()
        .index(inner)
        .pack();
    source.image("attestation", &index.images[1]);
    let root = source.index("index", &index);
    Tree {
        source,
        host,
        nested,
        root,
    }
}

#[test]
fn one_image_is_collected_without_its_index() {
    let Tree {
        source,
        host,
        nested,
        root,
    } = tree();
    let gathered = collect(&source, &root, &ImageChoice::One(None));
    assert_eq!(gathered.root.digest, host.digest);
    assert_eq!(documents(&source, &gathered), ["host"]);
    assert_eq!(blobs(&source, &gathered), ["host config", "host layer"]);

    let platform = ImageChoice::One(Some("linux/s390x".parse().unwrap()));
    let gathered = collect(&source, &root, &platform);
    assert_eq!(gathered.root.digest, nested.digest);
    assert_eq!(documents(&source, &gathered), ["s390x"]);
}

#[test]
fn an_image_without_an_index_is_collected_without_reading_its_config() {
    let mut source = MemorySource::default();
    let image = image_for("linux/s390x");
    let root = source.image("image", &image);
    source.remove(&image.config_digest);
    let gathered = collect(&source, &root, &ImageChoice::One(None));
    assert_eq!(gathered.root, root);
    assert_eq!(blobs(&source, &gathered), ["image config", "image layer"]);
}

#[test]
fn all_includes_nested_indexes_and_attestations() {
    let Tree { source, root, .. } = tree();
    for choice in [ImageChoice::All, ImageChoice::AllIfComplete] {
        let gathered = collect(&source, &root, &choice);
        assert_eq!(gathered.root, root);
        assert_eq!(
            documents(&source, &gathered),
            ["attestation", "host", "index", "inner", "s390x"]
        );
        assert_eq!(
            blobs(&source, &gathered),
            [
                "attestation config",
                "attestation layer",
                "host config",
                "host layer",
                "s390x config",
                "s390x layer"
            ]
        );
        gathered.check_complete().unwrap();
    }
}

#[test]
fn missing_manifests_are_reported() {
    let Tree {
        mut source,
        host,
        nested,
        root,
    } = tree();
    source.remove(&nested.digest);
    let gathered = collect(&source, &root, &ImageChoice::All);
    assert_eq!(
        documents(&source, &gathered),
        ["attestation", "host", "index", "inner"]
    );
    assert_eq!(gathered.missing, [nested.digest]);
    let error = gathered.check_complete().unwrap_err().to_string();
    let (index, missing) = (root.digest, nested.digest);
    assert_eq!(
        error,
        format!("the index {index} is incomplete: {missing} is missing")
    );

    let gathered = collect(&source, &root, &ImageChoice::AllIfComplete);
    assert_eq!(gathered.root.digest, host.digest);
    assert_eq!(documents(&source, &gathered), ["host"]);
    gathered.check_complete().unwrap();

    source.remove(&root.digest);
    for choice in [
        ImageChoice::One(None),
        ImageChoice::All,
        ImageChoice::AllIfComplete,
    ] {
        let error = gather(&source, &root, &choice, &mut Budget::default()).unwrap_err();
        assert!(matches!(error, TreeError::Missing { digest } if digest == root.digest));
    }
}

#[test]
fn shared_blobs_are_collected_once_and_foreign_layers_apart() {
    let mut source = MemorySource::default();
    let shared: PackedLayer = LayerBuilder::new().file("shared", b"shared").into();
    let mut foreign: PackedLayer = LayerBuilder::new().file("foreign", b"foreign").into();
    foreign.media_type = Some(FOREIGN_LAYER.to_owned());
    let mut index = IndexBuilder::new();
    for architecture in ["s390x", "riscv64"] {
        let image = ImageBuilder::new()
            .platform(&format!("linux/{architecture}"))
            .layer(shared.clone())
            .layer(foreign.clone())
            .pack();
        source.image(architecture, &image);
        index = index.image(image);
    }
    source.blob("shared", shared.bytes.clone());
    source.blob("foreign", foreign.bytes.clone());
    let root = source.index("index", &index.pack());

    let mut gathered = collect(&source, &root, &ImageChoice::All);
    assert_eq!(
        blobs(&source, &gathered),
        ["riscv64 config", "s390x config", "shared"]
    );
    assert_eq!(source.names(gathered.batch.foreign.keys()), ["foreign"]);
    gathered.batch.include_foreign_layers(|_| true);
    assert_eq!(
        blobs(&source, &gathered),
        ["foreign", "riscv64 config", "s390x config", "shared"]
    );
}

/// Adds an index of `count` small manifests, and returns it.
fn large_index(source: &mut MemorySource, name: &str, count: usize) -> Descriptor {
    let config = descriptor("application/example", Digest::sha256(b"{}"), 2);
    let entries: Vec<_> = (0..count)
        .map(|number| {
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config,
                "layers": [],
                "annotations": { "number": format!("{name} {number}") },
            });
            let bytes = Bytes::from(manifest.to_string());
            let root = source.document("manifest", bytes, MANIFEST);
            serde_json::to_value(root).unwrap()
        })
        .collect();
    let index = entries
        .into_iter()
        .fold(IndexBuilder::new(), IndexBuilder::descriptor);
    source.index(name, &index.pack())
}

/// T24: all documents of a copy are in memory at the same time.
#[test]
fn the_number_of_documents_of_all_images_is_limited() {
    let mut source = MemorySource::default();
    let roots = ["a", "b", "c"].map(|name| large_index(&mut source, name, 4000));
    let mut budget = Budget::default();
    for root in &roots[..2] {
        let gathered = gather(&source, root, &ImageChoice::All, &mut budget).unwrap();
        assert_eq!(gathered.batch.documents.len(), 4001);
    }
    let error = gather(&source, &roots[2], &ImageChoice::All, &mut budget).unwrap_err();
    let root = roots[2].digest;
    assert!(matches!(error, TreeError::TooManyDocuments { digest, .. } if digest == root));
    assert_eq!(
        windlass_oci::text::error_chain(&error),
        format!(
            "{root} refers to too many documents: \
             more than 8192 documents, or more than 268435456 bytes of documents"
        )
    );
}

/// Requests for missing documents are limited, too.
#[test]
fn the_number_of_missing_documents_is_limited() {
    let mut source = MemorySource::default();
    let roots = ["a", "b", "c"].map(|name| large_index(&mut source, name, 4000));
    source.retain(|name| name != "manifest");
    let mut budget = Budget::default();
    for root in &roots[..2] {
        let gathered = gather(&source, root, &ImageChoice::All, &mut budget).unwrap();
        assert_eq!(gathered.missing.len(), 4000);
    }
    let error = gather(&source, &roots[2], &ImageChoice::All, &mut budget).unwrap_err();
    assert!(matches!(error, TreeError::TooManyDocuments { .. }));
}

//! The artifacts that a copy collects.

use windlass_copy::{Budget, ImageChoice, TreeError, gather, gather_referrers};
use windlass_layout::Batch;
use windlass_oci::{Descriptor, MediaType};
use windlass_registry::referrers_tag;
use windlass_testing::IndexBuilder;

use crate::memory_source::{MemorySource, image_for};

/// Collects everything below `root`, and its artifacts.
fn collect(source: &MemorySource, root: &Descriptor) -> Result<Batch, TreeError> {
    let mut budget = Budget::default();
    let mut batch = gather(source, root, &ImageChoice::All, &mut budget)?.batch;
    gather_referrers(source, &mut batch, &mut budget)?;
    Ok(batch)
}

fn artifacts<'a>(source: &'a MemorySource, root: &Descriptor) -> Vec<&'a str> {
    let batch = collect(source, root).unwrap();
    source.names(batch.artifacts.iter().map(|artifact| &artifact.root.digest))
}

fn source_with_image() -> (MemorySource, Descriptor) {
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    (source, root)
}

#[test]
fn artifacts_of_artifacts_are_collected_with_their_blobs() {
    let (mut source, root) = source_with_image();
    let signature = source.artifact("signature", &root);
    source.artifact("countersignature", &signature);
    let batch = collect(&source, &root).unwrap();
    assert_eq!(
        source.names(batch.documents.keys()),
        ["countersignature", "image", "signature"]
    );
    assert_eq!(
        source.names(batch.blobs.keys()),
        [
            "countersignature blob",
            "empty config",
            "image config",
            "image layer",
            "signature blob"
        ]
    );
    let listed = batch
        .artifacts
        .iter()
        .find(|it| it.root.digest == signature.digest);
    let listed = &listed.unwrap().root;
    assert_eq!(
        (listed.size, listed.artifact_type.as_deref()),
        (signature.size, Some("application/example"))
    );
}

#[test]
fn artifacts_of_an_index_and_of_its_images_are_collected() {
    let mut source = MemorySource::default();
    let image = image_for("linux/s390x");
    let subject = source.image("image", &image);
    source.artifact("signature of the image", &subject);
    let root = source.index("index", &IndexBuilder::new().image(image).pack());
    source.artifact("signature of the index", &root);
    assert_eq!(
        artifacts(&source, &root),
        ["signature of the image", "signature of the index"]
    );
}

#[test]
fn a_listed_artifact_with_another_subject_is_skipped() {
    let (mut source, root) = source_with_image();
    let other = source.image("other", &image_for("linux/riscv64"));
    let foreign = source.artifact("foreign signature", &other);
    source.list(&root, foreign, None);
    assert_eq!(artifacts(&source, &root), [""; 0]);
}

#[test]
fn an_artifact_under_a_tag_needs_no_subject() {
    let (mut source, root) = source_with_image();
    let signature = source.image("signature", &image_for("linux/riscv64"));
    let tag = format!("{}.sig", referrers_tag(&root.digest))
        .parse()
        .unwrap();
    source.list(&root, signature, Some(tag));
    assert_eq!(artifacts(&source, &root), ["signature"]);
}

#[test]
fn missing_and_incomplete_artifacts_are_skipped() {
    let (mut source, root) = source_with_image();
    source.artifact("signature", &root);
    let missing = source.artifact("missing", &root);
    source.remove(&missing.digest);
    let image = image_for("linux/riscv64");
    let incomplete = source.index("incomplete", &IndexBuilder::new().image(image).pack());
    let tag = format!("{}.att", referrers_tag(&root.digest))
        .parse()
        .unwrap();
    source.list(&root, incomplete, Some(tag));
    source.blob(
        "manifest of the incomplete index",
        image_for("linux/riscv64").manifest,
    );
    source.remove(&image_for("linux/riscv64").digest);
    assert_eq!(artifacts(&source, &root), ["signature"]);
}

#[test]
fn a_listed_blob_is_not_an_artifact() {
    let (mut source, root) = source_with_image();
    let signature = source.artifact("signature", &root);
    let blob = Descriptor {
        media_type: MediaType::from("text/plain"),
        digest: image_for("linux/s390x").config_digest,
        ..signature
    };
    source.list(&root, blob, None);
    assert_eq!(artifacts(&source, &root), ["signature"]);
    assert_eq!(
        source.requested(),
        ["image", "signature"],
        "the blob is not requested"
    );
}

#[test]
fn an_artifact_that_is_listed_several_times_is_collected_once() {
    let (mut source, root) = source_with_image();
    let signature = source.artifact("signature", &root);
    source.list(&root, signature.clone(), None);
    source.list(&signature, root.clone(), None);
    source.list(&signature, signature.clone(), None);
    assert_eq!(artifacts(&source, &root), ["signature"]);
    assert_eq!(source.requested(), ["image", "signature"]);
}

#[test]
fn a_chain_of_artifacts_may_have_eight() {
    let (mut source, root) = source_with_image();
    let mut last = root.clone();
    for number in 1..=8 {
        last = source.artifact(&number.to_string(), &last);
    }
    let expected = ["1", "2", "3", "4", "5", "6", "7", "8"];
    assert_eq!(artifacts(&source, &root), expected);
    source.artifact("9", &last);
    let error = collect(&source, &root).unwrap_err();
    assert!(
        matches!(error, TreeError::ReferrersTooDeep { digest, limit: 8 } if digest == last.digest)
    );
}

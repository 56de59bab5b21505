//! The images to which a manifest or index leads.

use windlass_copy::{Budget, ImageChoice, SourceImage, TreeError, images};
use windlass_oci::Descriptor;
use windlass_testing::{ImageBuilder, IndexBuilder, PackedIndex};

use crate::memory_source::{MemorySource, image_for};

fn find(
    source: &MemorySource,
    root: &Descriptor,
    choice: &ImageChoice,
) -> Result<Vec<SourceImage>, TreeError> {
    images(source, root, choice, &mut Budget::default())
}

fn one(platform: &str) -> ImageChoice {
    ImageChoice::One(Some(platform.parse().unwrap()))
}

fn names<'a>(source: &'a MemorySource, found: &[SourceImage]) -> Vec<&'a str> {
    let digests = found.iter().map(|image| &image.descriptor.digest);
    digests.map(|digest| source.name(digest)).collect()
}

/// Finds the images that `choice` selects below `root`, and returns their names.
fn found<'a>(source: &'a MemorySource, root: &Descriptor, choice: &ImageChoice) -> Vec<&'a str> {
    names(source, &find(source, root, choice).unwrap())
}

/// An index with images for three platforms, none of them that of this machine, and an attestation.
fn foreign_platforms() -> (MemorySource, Descriptor) {
    let mut source = MemorySource::default();
    let mut index = IndexBuilder::new();
    for architecture in ["s390x", "mips64le", "riscv64"] {
        let image = image_for(&format!("linux/{architecture}"));
        source.image(architecture, &image);
        index = index.image(image);
    }
    let index = index.attestation().pack();
    source.image("attestation", index.images.last().unwrap());
    let root = source.index("index", &index);
    (source, root)
}

#[test]
fn one_platform_reads_only_the_documents_of_its_image() {
    let (source, root) = foreign_platforms();
    assert_eq!(found(&source, &root, &one("linux/mips64le")), ["mips64le"]);
    assert_eq!(source.requested(), ["index", "mips64le", "mips64le config"]);
}

#[test]
fn the_image_for_this_machine_is_the_default() {
    let (mut source, _) = foreign_platforms();
    let image = image_for("linux/s390x");
    let host = ImageBuilder::new().pack();
    source.image("host", &host);
    let index = IndexBuilder::new().image(image).image(host).pack();
    let root = source.index("index", &index);
    assert_eq!(found(&source, &root, &ImageChoice::One(None)), ["host"]);
    assert_eq!(source.requested(), ["index", "host", "host config"]);
}

#[test]
fn the_first_image_is_the_default_if_none_is_for_this_machine() {
    let (mut source, root) = foreign_platforms();
    assert_eq!(found(&source, &root, &ImageChoice::One(None)), ["s390x"]);
    source.remove(&image_for("linux/s390x").digest);
    assert_eq!(found(&source, &root, &ImageChoice::One(None)), ["mips64le"]);
}

#[test]
fn all_images_are_found_in_the_order_of_the_index_without_attestations() {
    let (source, root) = foreign_platforms();
    let all = ["s390x", "mips64le", "riscv64"];
    assert_eq!(found(&source, &root, &ImageChoice::All), all);
    assert_eq!(found(&source, &root, &ImageChoice::AllIfComplete), all);
}

#[test]
fn the_best_variant_is_chosen_wherever_it_is_listed() {
    let mut source = MemorySource::default();
    let mut index = IndexBuilder::new();
    for variant in ["v5", "v7", "v6"] {
        let image = image_for(&format!("linux/arm/{variant}"));
        source.image(variant, &image);
        index = index.image(image);
    }
    let root = source.index("index", &index.pack());
    assert_eq!(found(&source, &root, &one("linux/arm/v7")), ["v7"]);
    assert_eq!(found(&source, &root, &one("linux/arm/v6")), ["v6"]);
    assert_eq!(found(&source, &root, &one("linux/arm/v8")), ["v7"]);
}

#[test]
fn images_of_nested_indexes_are_found_in_order_with_the_indexes_that_lead_to_them() {
    let mut source = MemorySource::default();
    let [first, second, third] = ["s390x", "mips64le", "riscv64"].map(|architecture| {
        let image = image_for(&format!("linux/{architecture}"));
        source.image(architecture, &image);
        image
    });
    let inner = IndexBuilder::new().image(second).pack();
    source.index("inner", &inner);
    let outer = IndexBuilder::new().image(first).index(inner).image(third);
    let root = source.index("outer", &outer.pack());

    let all = find(&source, &root, &ImageChoice::All).unwrap();
    assert_eq!(names(&source, &all), ["s390x", "mips64le", "riscv64"]);
    let paths: Vec<Vec<&str>> = all
        .iter()
        .map(|image| {
            let digests = image.indexes.iter().map(|(digest, _)| digest);
            digests.map(|digest| source.name(digest)).collect()
        })
        .collect();
    assert_eq!(
        paths,
        [vec!["outer"], vec!["outer", "inner"], vec!["outer"]]
    );
    assert_eq!(found(&source, &root, &one("linux/mips64le")), ["mips64le"]);
}

#[test]
fn missing_images_of_an_index_are_skipped() {
    let (mut source, root) = foreign_platforms();
    source.remove(&image_for("linux/s390x").digest);
    source.remove(&image_for("linux/riscv64").config_digest);
    assert_eq!(found(&source, &root, &ImageChoice::All), ["mips64le"]);

    let error = find(&source, &root, &one("linux/s390x")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no matching manifest for linux/s390x: the index lists no platforms"
    );
    source.remove(&image_for("linux/mips64le").digest);
    for choice in [ImageChoice::All, ImageChoice::One(None)] {
        let error = find(&source, &root, &choice).unwrap_err();
        assert!(matches!(error, TreeError::NoImage { digest } if digest == root.digest));
    }
}

#[test]
fn the_documents_of_an_image_without_an_index_are_required() {
    let image = image_for("linux/s390x");
    let mut source = MemorySource::default();
    let root = source.image("image", &image);
    source.remove(&image.config_digest);
    let error = find(&source, &root, &ImageChoice::All).unwrap_err();
    assert!(matches!(error, TreeError::Missing { digest } if digest == image.config_digest));
    source.remove(&image.digest);
    let error = find(&source, &root, &ImageChoice::All).unwrap_err();
    assert!(matches!(error, TreeError::Missing { digest } if digest == image.digest));
}

#[test]
fn the_platform_of_an_image_without_an_index_is_checked() {
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    assert_eq!(found(&source, &root, &one("linux/s390x")), ["image"]);
    assert_eq!(found(&source, &root, &ImageChoice::One(None)), ["image"]);
    let error = find(&source, &root, &one("linux/riscv64")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no matching manifest for linux/riscv64: the index has linux/s390x"
    );
}

#[test]
fn artifacts_in_an_index_are_skipped_and_are_not_images() {
    let mut source = MemorySource::default();
    let image = image_for("linux/s390x");
    let subject = source.image("image", &image);
    let artifact = source.artifact("signature", &subject);
    let entry = serde_json::to_value(&artifact).unwrap();
    let index = IndexBuilder::new().descriptor(entry).image(image).pack();
    let root = source.index("index", &index);
    assert_eq!(found(&source, &root, &ImageChoice::All), ["image"]);

    let error = find(&source, &artifact, &ImageChoice::All).unwrap_err();
    assert!(matches!(error, TreeError::Manifest { digest, .. } if digest == artifact.digest));
}

#[test]
fn indexes_may_be_nested_four_deep() {
    let mut source = MemorySource::default();
    let image = image_for("linux/s390x");
    source.image("image", &image);
    let mut nested: PackedIndex = IndexBuilder::new().image(image).pack();
    let mut roots = vec![source.index("1", &nested)];
    for name in ["2", "3", "4", "5"] {
        nested = IndexBuilder::new().index(nested).pack();
        roots.push(source.index(name, &nested));
    }
    assert_eq!(found(&source, &roots[3], &ImageChoice::All), ["image"]);
    let error = find(&source, &roots[4], &ImageChoice::All).unwrap_err();
    let root = roots[4].digest;
    assert!(matches!(error, TreeError::NestedTooDeeply { digest, limit: 4 } if digest == root));
}

//! Archives with two lists of images: OCI's `index.json` and Docker's `manifest.json`.

use serde_json::{Value, json};
use windlass_layout::{LayoutEntry, NamedImage};
use windlass_oci::text::error_chain;
use windlass_oci::{Digest, Reference};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage};

use crate::fixture::{Tar, root};

/// The images of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Listed {
    /// The list does not exist.
    Absent,
    /// The list has this many of the images.
    First(usize),
}

fn image(content: &str) -> PackedImage {
    let layer = LayerBuilder::new().file("f", content.as_bytes());
    ImageBuilder::new().layer(layer).pack()
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Returns a tar with the blobs of `images`.
fn blobs(images: &[PackedImage]) -> Tar {
    images.iter().fold(Tar::new(), |tar, image| {
        tar.file(&blob_path(&image.digest), &image.manifest)
            .file(&blob_path(&image.config_digest), &image.config)
            .file(&blob_path(&image.layers[0].digest), &image.layers[0].bytes)
    })
}

fn docker_entry(image: &PackedImage, names: &[&str]) -> Value {
    json!({
        "Config": blob_path(&image.config_digest),
        "RepoTags": names,
        "Layers": [blob_path(&image.layers[0].digest)],
    })
}

fn oci_entry(image: &PackedImage, name: &str) -> Value {
    let mut entry = json!(root(image));
    entry["annotations"] = json!({"io.containerd.image.name": name});
    entry
}

fn with_index(tar: Tar, entries: &[Value]) -> Tar {
    let index = json!({"schemaVersion": 2, "manifests": entries});
    tar.file("index.json", index.to_string())
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
}

fn with_list(tar: Tar, entries: &[Value]) -> Tar {
    tar.file("manifest.json", Value::from(entries).to_string())
}

fn names(entry: &LayoutEntry) -> Vec<String> {
    entry.names.iter().map(Reference::familiar).collect()
}

/// No list hides the images or the names of the other one.
#[test]
fn images_of_both_lists_are_found() {
    let images = [image("one"), image("two")];
    let states = [
        Listed::Absent,
        Listed::First(0),
        Listed::First(1),
        Listed::First(2),
    ];
    for index in states {
        for list in states {
            let mut tar = blobs(&images);
            let (mut in_index, mut in_list) = (0, 0);
            if let Listed::First(count) = index {
                in_index = count;
                let names = ["one:oci", "two:oci"];
                let entries: Vec<_> = (images.iter().zip(names).take(count))
                    .map(|(image, name)| oci_entry(image, name))
                    .collect();
                tar = with_index(tar, &entries);
            }
            if let Listed::First(count) = list {
                in_list = count;
                let names = ["one:docker", "two:docker"];
                let entries: Vec<_> = (images.iter().zip(names).take(count))
                    .map(|(image, name)| docker_entry(image, &[name]))
                    .collect();
                tar = with_list(tar, &entries);
            }
            let expected: Vec<Vec<String>> = (["one", "two"].iter().enumerate())
                .map(|(position, image)| {
                    let oci = (position < in_index).then(|| format!("{image}:oci"));
                    let docker = (position < in_list).then(|| format!("{image}:docker"));
                    oci.into_iter().chain(docker).collect()
                })
                .filter(|names: &Vec<String>| !names.is_empty())
                .collect();
            let found = match tar.open() {
                Ok(layout) => layout.entries().iter().map(names).collect(),
                Err(error) => {
                    let is_absent = (index, list) == (Listed::Absent, Listed::Absent);
                    let expected = match is_absent {
                        true => {
                            "it contains no images: it has none of oci-layout, manifest.json and \
                             index.json"
                        }
                        false => "it contains no images: its lists are empty",
                    };
                    assert_eq!(error_chain(&error), expected);
                    Vec::new()
                }
            };
            assert_eq!(found, expected, "{index:?}, {list:?}");
        }
    }
}

/// Docker 25.0 writes `null` into `index.json` for an image without a name.
#[test]
fn images_saved_by_id_are_found() {
    let image = image("one");
    let tar = with_list(
        blobs(std::slice::from_ref(&image)),
        &[docker_entry(&image, &[])],
    );
    let tar = tar
        .file("oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#)
        .file("index.json", r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":null}"#);
    let layout = tar.open().unwrap();
    let entry = layout.find(None).unwrap();
    assert_eq!(names(entry), Vec::<String>::new());
    let manifest = layout.document(&entry.root).unwrap().unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["config"]["digest"], json!(image.config_digest));
}

/// `manifest.json` names single images, `index.json` also whole indexes.
#[test]
fn names_belong_to_the_image_that_manifest_json_names() {
    let images = [image("one"), image("two")];
    let children = [json!(root(&images[0])), json!(root(&images[1]))];
    let index = json!({"schemaVersion": 2, "manifests": children}).to_string();
    let digest = Digest::sha256(&index);
    let media_type = "application/vnd.oci.image.index.v1+json";
    let mut entry = windlass_testing::descriptor(media_type, digest, index.len() as u64);
    entry["annotations"] = json!({"io.containerd.image.name": "app:1"});
    let tar = blobs(&images).file(&blob_path(&digest), &index);
    let list = [
        docker_entry(&images[0], &[]),
        docker_entry(&images[1], &["app:1"]),
    ];
    let layout = with_list(with_index(tar, &[entry]), &list).open().unwrap();
    let [entry] = layout.entries() else {
        panic!("expected one entry");
    };
    assert_eq!(names(entry), ["app:1"]);
    let expected = NamedImage {
        name: "app:1".parse().unwrap(),
        config: images[1].config_digest,
    };
    assert_eq!(entry.named_images, [expected]);
}

#[test]
fn manifest_json_decides_if_the_lists_contradict_each_other() {
    let images = [image("one"), image("two")];
    let index = [
        oci_entry(&images[0], "app:1"),
        oci_entry(&images[1], "app:2"),
    ];
    let list = [docker_entry(&images[1], &["app:1"])];
    let layout = with_list(with_index(blobs(&images), &index), &list)
        .open()
        .unwrap();
    let found: Vec<_> = layout.entries().iter().map(names).collect();
    assert_eq!(found, [vec![], vec!["app:2", "app:1"]]);
}

/// A list that exists and is invalid is an error, even if the other list is valid.
#[test]
fn an_invalid_list_is_an_error() {
    let images = [image("one")];
    let tar = with_index(blobs(&images), &[oci_entry(&images[0], "app:1")]);
    let error = tar.file("manifest.json", "{").open().unwrap_err();
    assert_eq!(error.to_string(), "manifest.json is invalid");
    let tar = with_list(blobs(&images), &[docker_entry(&images[0], &["app:1"])]);
    let error = tar.file("index.json", "{").open().unwrap_err();
    assert_eq!(error.to_string(), "index.json is invalid");
}

/// A digest in a name identifies content. It does not become a tag that the archive does not contain.
#[test]
fn names_with_a_digest_only_are_no_tags() {
    let image = image("one");
    let digest = image.digest;
    let name = |tag: &str| format!("docker.io/library/app{tag}@{digest}");
    let [without, with] = [name(""), name(":1")];
    let images = std::slice::from_ref(&image);
    let index = with_index(blobs(images), &[oci_entry(&image, &without)]);
    let list = with_list(blobs(images), &[docker_entry(&image, &[&without])]);
    for tar in [index, list] {
        assert_eq!(
            names(tar.open().unwrap().find(None).unwrap()),
            Vec::<String>::new()
        );
    }
    let index = with_index(blobs(images), &[oci_entry(&image, &with)]);
    let list = with_list(blobs(images), &[docker_entry(&image, &[&with])]);
    for tar in [index, list] {
        assert_eq!(names(tar.open().unwrap().find(None).unwrap()), ["app:1"]);
    }
}

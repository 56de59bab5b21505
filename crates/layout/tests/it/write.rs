//! Written images are read back unchanged.

use std::fs;
use std::io::{self, Read as _};

use windlass_layout::{
    ArchiveWriter, Layout, LayoutDirectory, LayoutKind, VerifyingReader, WriteError,
};
use windlass_oci::Manifest;
use windlass_testing::{ImageBuilder, PackedImage};

use crate::fixture::{batch, blobs, image, open, root, source, spool};

fn archive(kind: LayoutKind, image: &PackedImage, names: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    let writer = ArchiveWriter::new(kind, &mut out);
    let mut source = source(blobs(image));
    writer
        .write(&batch(image, names), &mut source, &mut |_| {})
        .unwrap();
    out
}

/// Checks that `layout` contains exactly this image.
fn check(layout: &Layout, image: &PackedImage, names: &[&str]) {
    let entry = layout.find(None).unwrap();
    assert_eq!(entry.root, root(image));
    let found: Vec<_> = entry.names.iter().map(ToString::to_string).collect();
    assert_eq!(found, names);
    let manifest = layout.document(&entry.root).unwrap().unwrap();
    assert_eq!(manifest, image.manifest);
    let Manifest::Image(manifest) = Manifest::parse(&manifest, None).unwrap() else {
        panic!("expected an image manifest");
    };
    for descriptor in manifest.layers.iter().chain([&manifest.config]) {
        let section = layout.blob(descriptor).unwrap().unwrap();
        let mut bytes = Vec::new();
        VerifyingReader::new(section.read_from(0), descriptor.digest, descriptor.size)
            .read_to_end(&mut bytes)
            .unwrap();
        let blobs = blobs(image);
        assert!(blobs.contains(&(descriptor.digest, bytes)));
    }
}

#[test]
fn archives_are_read_back_unchanged() {
    let names = ["docker.io/library/app:1", "quay.io/x/app:2"];
    for kind in [LayoutKind::DockerArchive, LayoutKind::OciArchive] {
        for image in [
            image().pack(),
            image().docker().pack(),
            ImageBuilder::new().pack(),
        ] {
            let bytes = archive(kind, &image, &names);
            check(&open(&bytes).unwrap(), &image, &names);
            assert_eq!(
                archive(kind, &image, &names),
                bytes,
                "the output is not reproducible"
            );
        }
    }
}

/// With an end marker, an incomplete archive would look complete.
#[test]
fn an_incomplete_archive_has_no_end_marker() {
    let image = image().pack();
    for kind in [LayoutKind::DockerArchive, LayoutKind::OciArchive] {
        let whole = archive(kind, &image, &["app:1"]);
        let batch = batch(&image, &["app:1"]);
        for failing in 0..batch.blobs.len() {
            let mut source = source(blobs(&image));
            let mut remaining = failing;
            let mut out = Vec::new();
            let error = ArchiveWriter::new(kind, &mut out)
                .write(
                    &batch,
                    &mut |blob| match remaining.checked_sub(1) {
                        Some(rest) => {
                            remaining = rest;
                            source(blob)
                        }
                        None => Err(io::ErrorKind::Other.into()),
                    },
                    &mut |_| {},
                )
                .unwrap_err();
            assert!(matches!(error, WriteError::Read { .. }), "{error:?}");
            assert!(whole.starts_with(&out), "{kind}: unexpected bytes");
            assert!(
                open(&out).is_err(),
                "{kind}: an incomplete archive is accepted"
            );
        }
        let mut out = Vec::new();
        _ = ArchiveWriter::new(kind, &mut out);
        assert!(out.is_empty());
    }
}

/// `manifest.json` alone refers to the same config and layers.
#[test]
fn older_docker_versions_read_manifest_json() {
    let image = image().pack();
    let bytes = archive(LayoutKind::DockerArchive, &image, &["app:1"]);
    let mut without = tar::Builder::new(Vec::new());
    for entry in tar::Archive::new(&*bytes).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        if !matches!(path.to_str().unwrap(), "index.json" | "oci-layout") {
            without.append(&entry.header().clone(), &*content).unwrap();
        }
    }
    let layout = open(&without.into_inner().unwrap()).unwrap();
    assert_eq!(layout.kind(), LayoutKind::DockerArchive);
    let entry = layout.find(Some("app:1")).unwrap();
    let made = layout.document(&entry.root).unwrap().unwrap();
    let (Ok(Manifest::Image(made)), Ok(Manifest::Image(was))) = (
        Manifest::parse(&made, None),
        Manifest::parse(&image.manifest, None),
    ) else {
        panic!("expected two image manifests");
    };
    assert_eq!(made.config.digest, was.config.digest);
    let digests = |manifest: &windlass_oci::ImageManifest| {
        let layers = manifest.layers.iter();
        layers.map(|layer| layer.digest).collect::<Vec<_>>()
    };
    assert_eq!(digests(&made), digests(&was));
}

#[test]
fn images_are_added_to_directories() {
    let top = tempfile::tempdir().unwrap();
    for kind in [LayoutKind::OciDirectory, LayoutKind::Directory] {
        let path = top.path().join(kind.to_string());
        let first = image().pack();
        let put = |image: &PackedImage, names: &[&str]| {
            let (directory, batch) = (
                LayoutDirectory::open(kind, &path).unwrap(),
                batch(image, names),
            );
            let mut source = source(blobs(image));
            for blob in batch.blobs.values() {
                if !directory.has_blob(blob) {
                    let mut reader = source(blob).unwrap();
                    directory.write_blob(blob, &mut reader, &|_| {}).unwrap();
                }
                assert!(directory.has_blob(blob));
            }
            directory.commit(&batch).unwrap();
            Layout::open(&path, spool()).unwrap()
        };
        let is_named = kind == LayoutKind::OciDirectory;
        let names: &[&str] = if is_named {
            &["docker.io/library/app:1"]
        } else {
            &[]
        };
        check(&put(&first, names), &first, names);
        // The same name for another image: the previous image is removed from the list.
        let second = ImageBuilder::new().pack();
        check(&put(&second, names), &second, names);
        if is_named {
            let third = put(&first, &["app:2"]);
            assert_eq!(third.entries().len(), 2);
            assert_eq!(third.find(Some("app:2")).unwrap().root, root(&first));
            assert_eq!(third.find(Some("1")).unwrap().root, root(&second));
        }
    }
}

#[test]
fn blobs_with_wrong_content_are_not_stored() {
    let top = tempfile::tempdir().unwrap();
    let directory =
        LayoutDirectory::open(LayoutKind::OciDirectory, &top.path().join("oci")).unwrap();
    let image = image().pack();
    let batch = batch(&image, &["app"]);
    for blob in batch.blobs.values() {
        let mut wrong = VerifyingReader::new(&b"wrong"[..], blob.digest, blob.size);
        let error = directory.write_blob(blob, &mut wrong, &|_| {}).unwrap_err();
        assert!(matches!(error, WriteError::Read { .. }), "{error:?}");
        assert!(!directory.has_blob(blob));
    }
    // The new directory is removed after the failure.
    drop(directory);
    assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
}

/// An existing directory may be empty or left behind by a failed attempt.
#[test]
fn an_incomplete_directory_can_be_completed() {
    let top = tempfile::tempdir().unwrap();
    let image = image().pack();
    for kind in [LayoutKind::OciDirectory, LayoutKind::Directory] {
        let path = top.path().join(kind.to_string());
        fs::create_dir(&path).unwrap();
        let batch = batch(&image, &[]);
        let put = |directory: &LayoutDirectory, limit: usize| {
            let mut source = source(blobs(&image));
            for blob in batch.blobs.values().take(limit) {
                let mut reader = source(blob).unwrap();
                directory.write_blob(blob, &mut reader, &|_| {}).unwrap();
            }
        };
        put(&LayoutDirectory::open(kind, &path).unwrap(), 1);
        let directory = LayoutDirectory::open(kind, &path).unwrap();
        put(&directory, usize::MAX);
        directory.commit(&batch).unwrap();
        check(&Layout::open(&path, spool()).unwrap(), &image, &[]);
    }
}

/// Several processes may add to one layout at the same time.
#[test]
fn concurrent_additions_are_all_listed() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("oci");
    let image = image().pack();
    let add = |name: &str| {
        let (directory, batch) = (
            LayoutDirectory::open(LayoutKind::OciDirectory, &path).unwrap(),
            batch(&image, &[name]),
        );
        let mut source = source(blobs(&image));
        for blob in batch.blobs.values() {
            let mut reader = source(blob).unwrap();
            directory.write_blob(blob, &mut reader, &|_| {}).unwrap();
        }
        directory.commit(&batch).unwrap();
    };
    add("app:0");
    std::thread::scope(|scope| {
        for number in 1..9 {
            scope.spawn(move || add(&format!("app:{number}")));
        }
    });
    let layout = Layout::open(&path, spool()).unwrap();
    assert_eq!(layout.entries()[0].names.len(), 9);
}

#[test]
fn directories_with_other_content_are_rejected() {
    let top = tempfile::tempdir().unwrap();
    fs::write(top.path().join("letter"), "dear").unwrap();
    for kind in [LayoutKind::OciDirectory, LayoutKind::Directory] {
        let error = LayoutDirectory::open(kind, top.path()).unwrap_err();
        assert!(matches!(error, WriteError::Occupied { .. }));
    }
}

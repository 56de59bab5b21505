//! The disk space that the store reports equals that of `du`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use windlass_oci::{Digest, ImageName};

use super::fixture::{ImagePlan, TestStore, check, new_layer};
use crate::{BlobKind, LayerSource, PruneSelection, RemoveOptions, Store, UsageError};

/// Returns the disk space of directories of `store` according to `du`, in bytes.
fn du(store: &Store, areas: &[&str]) -> u64 {
    let output = Command::new("du")
        .args(["-s", "--block-size=1"])
        .args(areas)
        .current_dir(store.path().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let sizes = text.lines().map(|line| line.split('\t').next().unwrap());
    sizes.map(|size| size.parse::<u64>().unwrap()).sum()
}

/// Creates files whose disk space differs from their length.
fn awkward(dir: &Path) {
    fs::write(dir.join("file"), "upper").unwrap();
    fs::write(dir.join("large"), vec![b'x'; 300_000]).unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    let mut sparse = File::create(dir.join("sparse")).unwrap();
    sparse.seek(SeekFrom::Start(20 << 20)).unwrap();
    sparse.write_all(b"end").unwrap();
    for name in ["linked", "again", "and again"] {
        fs::hard_link(dir.join("large"), dir.join(name)).unwrap();
    }
    symlink("large", dir.join("link")).unwrap();
    // Longer than a symbolic link that needs no block.
    symlink("x".repeat(3000), dir.join("long link")).unwrap();
    // A directory of more than one block, which does not shrink as it is emptied.
    let many = dir.join("many");
    fs::create_dir(&many).unwrap();
    for number in 0..300 {
        fs::write(many.join(format!("{number:0>60}")), "").unwrap();
    }
    // Deeper than the number of handles of a removal.
    let mut deep = dir.to_owned();
    for _ in 0..70 {
        deep.push("d");
        fs::create_dir(&deep).unwrap();
    }
    fs::hard_link(dir.join("large"), deep.join("linked")).unwrap();
    fs::write(deep.join("file"), "deep").unwrap();
}

/// Pulls two images with one base: the second has the layer of [`awkward`], and no tag.
fn pull_two(store: &Store) -> [ImagePlan; 2] {
    let one = ImagePlan::new("one", &["base", "one"], "i:1");
    let mut two = ImagePlan::new("two", &["base", "upper"], "i:2");
    one.pull(store).unwrap();
    let layers = two
        .layers
        .iter()
        .map(|plan| match store.layer(&plan.diff_id()).unwrap() {
            Some(held) => new_layer(plan, LayerSource::Stored(held), None),
            None => {
                let blob = super::fixture::download(store, &plan.blob());
                let draft = plan.draft_with(store, awkward);
                new_layer(plan, LayerSource::New(draft), Some(blob))
            }
        });
    let layers = layers.collect();
    let target = two.target();
    two.reference = two
        .reference
        .map(|name| name.without_tag().with_digest(target));
    store.commit(&two.with_layers(store, layers)).unwrap();
    [one, two]
}

fn dangling(store: &Store) -> PruneSelection {
    let images = store.images().unwrap();
    PruneSelection {
        images: images.iter().map(|image| image.id).collect(),
        tagged: false,
    }
}

#[test]
fn a_removal_reports_the_space_that_du_shows_as_freed() {
    let fixture = TestStore::on_disk();
    let store = fixture.own();
    let [one, two] = pull_two(&store);
    let before = du(&store, &["blobs", "layers"]);
    let removal = store
        .remove(&ImageName::Id(two.id()), RemoveOptions::default())
        .unwrap();
    let after = du(&store, &["blobs", "layers"]);
    assert!(removal.freed > 300_000, "{removal:?}");
    assert_eq!(removal.freed, before - after);

    let removal = store
        .remove(&"i:1".parse().unwrap(), RemoveOptions::default())
        .unwrap();
    assert_eq!(removal.freed, after - du(&store, &["blobs", "layers"]));
    assert_eq!(check(&store, &[one, two]), [""; 0]);
}

#[test]
fn a_pruning_frees_the_reclaimable_space() -> Result<(), UsageError> {
    let fixture = TestStore::on_disk();
    let store = fixture.own();
    let [one, two] = pull_two(&store);
    let what = dangling(&store);
    let preview = store.prune_preview(&what)?;
    // A reader without the lock gets the same result.
    assert_eq!(fixture.lookup().prune_preview(&what)?, preview);
    let measured = store.measure()?;
    let blobs = measured.blobs.iter().filter(|blob| blob.is_reclaimable);
    let layers = measured.layers.iter().filter(|layer| layer.is_reclaimable);
    let reclaimable: u64 = blobs.map(|blob| blob.on_disk).sum::<u64>()
        + layers.map(|layer| layer.on_disk).sum::<u64>();

    let before = du(&store, &["blobs", "layers"]);
    let pruned = store.prune(&what).unwrap();
    assert_eq!(pruned, preview);
    assert_eq!(pruned.freed, reclaimable);
    assert_eq!(pruned.freed, before - du(&store, &["blobs", "layers"]));
    assert_eq!(check(&store, &[one.clone(), two]), ["one"]);

    let nothing = store.prune(&dangling(&store)).unwrap();
    assert_eq!((nothing.removed.len(), nothing.freed), (0, 0));
    let all = PruneSelection {
        images: BTreeSet::from([one.id()]),
        tagged: true,
    };
    let before = du(&store, &["blobs", "layers"]);
    let pruned = store.prune(&all).unwrap();
    assert_eq!(pruned.freed, before - du(&store, &["blobs", "layers"]));
    assert_eq!(check(&store, &[]), [""; 0]);
    Ok(())
}

#[test]
fn measured_sizes_equal_those_of_du() {
    let fixture = TestStore::on_disk();
    let store = fixture.own();
    let [one, two] = pull_two(&store);
    // A stopped pull, and a leftover without a row.
    let digest = Digest::sha256("whatever");
    let (_ingest, writer) = store.ingest(&digest, 50_000).unwrap();
    let mut piece = writer.claim(u64::MAX).unwrap();
    piece
        .append(&[std::io::IoSlice::new(&[1; 12_000])])
        .unwrap();
    fs::write(fixture.path().join("layers/leftover"), vec![0; 10_000]).unwrap();

    let measured = store.measure().unwrap();
    assert_eq!(measured.layers_on_disk, du(&store, &["layers"]));
    assert_eq!(measured.blobs_on_disk, du(&store, &["blobs"]));
    assert_eq!(measured.partials_on_disk, du(&store, &["ingest"]));
    assert_eq!(fixture.lookup().measure().unwrap(), measured);

    let of_layer = |plan: &ImagePlan, number: usize| {
        let diff_id = plan.layers[number].diff_id();
        let found = measured
            .layers
            .iter()
            .find(|layer| layer.diff_id == diff_id);
        found
            .map(|layer| (layer.images, layer.is_reclaimable))
            .unwrap()
    };
    assert_eq!(of_layer(&one, 0), (2, false));
    assert_eq!(of_layer(&one, 1), (1, false));
    assert_eq!(of_layer(&two, 1), (1, true));
    let kind_of = |bytes: Vec<u8>| {
        let digest = Digest::sha256(bytes);
        let found = measured.blobs.iter().find(|blob| blob.digest == digest);
        found
            .map(|blob| (blob.kind, blob.images, blob.is_reclaimable))
            .unwrap()
    };
    assert_eq!(kind_of(one.config()), (BlobKind::Config, 1, false));
    assert_eq!(kind_of(two.manifest()), (BlobKind::Manifest, 1, true));
    assert_eq!(kind_of(one.layers[0].blob()), (BlobKind::Layer, 2, false));
}

#[test]
fn removing_partial_blobs_leaves_those_being_downloaded() {
    let fixture = TestStore::on_disk();
    let store = fixture.own();
    let begin = |text: &str| {
        let (ingest, writer) = store.ingest(&Digest::sha256(text), 50_000).unwrap();
        let mut piece = writer.claim(u64::MAX).unwrap();
        piece
            .append(&[std::io::IoSlice::new(&[1; 12_000])])
            .unwrap();
        drop(piece);
        (ingest, writer)
    };
    let coming = begin("coming");
    drop(begin("stopped"));
    let before = du(&store, &["ingest"]);
    let (removed, freed) = store.remove_partials().unwrap();
    let removed: Vec<_> = removed.into_iter().map(|blob| blob.digest).collect();
    assert_eq!(removed, [Digest::sha256("stopped")]);
    assert_eq!(freed, before - du(&store, &["ingest"]));
    drop(coming);
    let preview = store.remove_partials_preview().unwrap();
    assert_eq!(preview.1, store.disk_usage().unwrap().partials.reclaimable);
    assert_eq!(fixture.lookup().remove_partials_preview().unwrap(), preview);
    assert_eq!(store.remove_partials().unwrap(), preview);
    assert_eq!(preview.0.len(), 1);
    assert_eq!(store.partial_blobs().unwrap(), []);
}

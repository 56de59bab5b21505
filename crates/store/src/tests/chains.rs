//! Layer chains for mounts, and disk usage.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use windlass_oci::ImageName;

use super::fixture::{ImagePlan, LayerPlan, TestStore, make_opaque, new_layer, whiteout};
use crate::{ChainShape, ContentUsage, FlattenReason, LayerSource, LowerLink};

/// Stacks a layer with an implied directory `a/b` on the layers that `lower` and `middle` fill, and returns the
/// shape of the chain.
fn shape(
    lower: impl FnOnce(&Path),
    middle: impl FnOnce(&Path),
    upper: impl FnOnce(&Path),
) -> ChainShape {
    let fixture = TestStore::new();
    let store = fixture.own();
    let lower_plan = LayerPlan::new("lower");
    let middle_plan = LayerPlan::new("middle");
    let upper_plan = LayerPlan {
        implied_directories: vec![b"a/b".to_vec()],
        ..LayerPlan::new("upper")
    };
    let drafts = [
        (&lower_plan, lower_plan.draft_with(&store, lower)),
        (&middle_plan, middle_plan.draft_with(&store, middle)),
        (
            &upper_plan,
            upper_plan.draft_with(&store, |dir| {
                fs::create_dir_all(dir.join("a/b")).unwrap();
                set_mode(&dir.join("a/b"), 0o755);
                upper(dir);
            }),
        ),
    ];
    let layers = drafts.map(|(plan, draft)| new_layer(plan, LayerSource::New(draft), None));
    let plan = ImagePlan::new("one", &["lower", "middle", "upper"], "example.com/image");
    store
        .commit(&plan.with_layers(&store, layers.to_vec()))
        .unwrap();
    let image = store.image(&ImageName::Id(plan.id())).unwrap();
    let chain = store.chain(&image).unwrap();
    let names: Vec<_> = chain.layers.iter().map(|layer| *layer.diff_id()).collect();
    assert_eq!(
        names,
        [
            upper_plan.diff_id(),
            middle_plan.diff_id(),
            lower_plan.diff_id()
        ]
    );
    chain.shape
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn directory(mode: u32) -> impl FnOnce(&Path) {
    move |dir| {
        fs::create_dir_all(dir.join("a/b")).unwrap();
        set_mode(&dir.join("a/b"), mode);
    }
}

fn needs(reason: FlattenReason) -> ChainShape {
    ChainShape::NeedsFlattening {
        diff_id: LayerPlan::new("upper").diff_id(),
        path: b"a/b".to_vec(),
        reason,
    }
}

fn nothing(_: &Path) {}

/// A directory that is missing from the tar of a layer matters only where it hides something.
#[test]
fn an_implied_directory_matters_where_it_hides_something() {
    assert_eq!(shape(nothing, nothing, nothing), ChainShape::Plain);
    assert_eq!(shape(directory(0o755), nothing, nothing), ChainShape::Plain);
    let other_mode = needs(FlattenReason::DirectoryMetadata);
    assert_eq!(shape(directory(0o1777), nothing, nothing), other_mode);
    assert_eq!(
        shape(directory(0o755), directory(0o700), nothing),
        other_mode
    );
    assert_eq!(
        shape(directory(0o700), directory(0o755), nothing),
        ChainShape::Plain
    );

    let with_attribute = |dir: &Path| {
        directory(0o755)(dir);
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(dir.join("a/b"), "user.color", b"blue", flags).unwrap();
    };
    assert_eq!(shape(with_attribute, nothing, nothing), other_mode);

    let link = |dir: &Path| {
        fs::create_dir_all(dir.join("a/c")).unwrap();
        symlink("c", dir.join("a/b")).unwrap();
    };
    let not_a_directory = needs(FlattenReason::NotADirectoryBelow);
    assert_eq!(shape(link, nothing, nothing), not_a_directory);
    let file = |dir: &Path| {
        fs::create_dir(dir.join("a")).unwrap();
        fs::write(dir.join("a/b"), "").unwrap();
    };
    assert_eq!(shape(file, nothing, nothing), not_a_directory);
}

/// A directory that is already hidden cannot be hidden again.
#[test]
fn an_implied_directory_does_not_matter_above_hidden_ones() {
    let other = || directory(0o700);
    let remove = |dir: &Path| whiteout(&dir.join("a"));
    assert_eq!(shape(other(), remove, nothing), ChainShape::Plain);
    let remove = |dir: &Path| {
        fs::create_dir(dir.join("a")).unwrap();
        whiteout(&dir.join("a/b"));
    };
    assert_eq!(shape(other(), remove, nothing), ChainShape::Plain);
    let replace = |dir: &Path| {
        fs::create_dir(dir.join("a")).unwrap();
        make_opaque(&dir.join("a"));
    };
    assert_eq!(shape(other(), replace, nothing), ChainShape::Plain);
    assert_eq!(
        shape(other(), nothing, |dir| make_opaque(&dir.join("a"))),
        ChainShape::Plain
    );
    let cover = |dir: &Path| fs::write(dir.join("a"), "").unwrap();
    assert_eq!(shape(other(), cover, nothing), ChainShape::Plain);
}

#[test]
fn a_link_into_a_lower_layer_needs_flattening() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plan = ImagePlan::new("one", &["lower", "upper"], "example.com/image");
    let link = LowerLink {
        path: b"link".to_vec(),
        target: b"file".to_vec(),
    };
    plan.layers[1].lower_links = vec![link];
    plan.pull(&store).unwrap();
    let image = store.image(&ImageName::Id(plan.id())).unwrap();
    let expected = ChainShape::NeedsFlattening {
        diff_id: plan.layers[1].diff_id(),
        path: b"link".to_vec(),
        reason: FlattenReason::LowerLink,
    };
    assert_eq!(store.chain(&image).unwrap().shape, expected);
    let layer = store.layer(&plan.layers[1].diff_id()).unwrap().unwrap();
    assert_eq!(layer.metadata().lower_links, plan.layers[1].lower_links);
}

/// An overlay rejects a repeated directory; the upper one of two equal layers is enough.
#[test]
fn a_chain_has_each_layer_once() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["a", "b", "a"], "example.com/image");
    plan.pull(&store).unwrap();
    let image = store.image(&ImageName::Id(plan.id())).unwrap();
    let chain = store.chain(&image).unwrap();
    let diff_ids: Vec<_> = chain.layers.iter().map(|layer| *layer.diff_id()).collect();
    assert_eq!(
        diff_ids,
        [plan.layers[0].diff_id(), plan.layers[1].diff_id()]
    );
    assert_eq!(chain.directories()[0], chain.layers[0].path());
}

#[test]
fn usage_counts_each_layer_once() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let one = ImagePlan::new("one", &["base", "own"], "example.com/one:1");
    let mut two = ImagePlan::new("two", &["base", "other"], "example.com/two");
    two.reference = None;
    one.pull(&store).unwrap();
    two.pull(&store).unwrap();
    let usage = store.disk_usage().unwrap();
    // The size of a layer in these tests is the length of its name.
    let layers = ContentUsage {
        count: 3,
        bytes: 4 + 3 + 5,
        reclaimable: 5,
    };
    assert_eq!(usage.layers, layers);
    assert_eq!(usage.blobs.count, 7);
    let own_of_two: usize = two.config().len() + two.manifest().len() + two.layers[1].blob().len();
    assert_eq!(usage.blobs.reclaimable, own_of_two as u64);
    for image in &usage.images {
        assert_eq!(image.shared, 4);
        assert_eq!(image.shared + image.unique(), image.image.size());
    }
    assert_eq!((usage.partials, usage.drafts), (ContentUsage::default(), 0));
}

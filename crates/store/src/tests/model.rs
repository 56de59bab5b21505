//! Any sequence of pulls, tags, removals and prunings, with or without a running pull: names, counts and files
//! equal those of a small model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use windlass_oci::{Digest, ImageName, Reference};

use super::fixture::{Content, ImagePlan, TestStore, check_beside, list};
use crate::{Blob, CommitOutcome, Layer, MeasuredStore, PruneSelection, RemoveOptions, Store};

const REPOSITORIES: [&str; 2] = ["example.com/a", "example.com/b"];
const TAGS: [&str; 2] = ["1", "2"];

/// A tag, as an index into [`REPOSITORIES`] and one into [`TAGS`].
type Name = (usize, usize);

#[derive(Clone, Debug)]
enum ModelStep {
    Pull {
        image: usize,
        name: Name,
    },
    PullDigest {
        image: usize,
        repository: usize,
    },
    Tag {
        from: Name,
        to: Name,
    },
    RemoveTag(Name),
    RemoveDigest {
        image: usize,
        repository: usize,
    },
    RemoveId {
        image: usize,
        force: bool,
    },
    /// Prunes the images whose bits are set.
    Prune {
        images: u8,
        tagged: bool,
    },
    /// A pull leases the content of this image that is stored.
    Begin {
        image: usize,
    },
    /// The pull ends without a commit.
    End,
    Reopen,
}

/// The content that a running pull leases.
#[derive(Debug, Default)]
struct Pulling {
    layers: Vec<Layer>,
    blobs: Vec<Blob>,
    keeps: Content,
}

/// The expected content.
#[derive(Debug, Default)]
struct Model {
    images: BTreeSet<usize>,
    tags: BTreeMap<Name, usize>,
    digests: BTreeSet<(usize, usize)>,
    /// The content that only a pull needs, or needed at the last removal.
    beside: Content,
}

/// Images that share layers in all ways: at the base, higher up, in another order, twice.
fn plans() -> Vec<ImagePlan> {
    let layers: [&[&str]; 4] = [&["a", "b"], &["a", "b", "c"], &["b", "a"], &["c", "d", "c"]];
    let plan = |(number, layers): (usize, &&[&str])| {
        ImagePlan::new(&number.to_string(), layers, "placeholder")
    };
    layers.iter().enumerate().map(plan).collect()
}

fn reference((repository, tag): Name) -> Reference {
    format!("{}:{}", REPOSITORIES[repository], TAGS[tag])
        .parse()
        .unwrap()
}

fn digest_reference(plan: &ImagePlan, repository: usize) -> Reference {
    REPOSITORIES[repository]
        .parse::<Reference>()
        .unwrap()
        .with_digest(plan.target())
}

impl Model {
    fn names(&self, image: usize) -> (Vec<Name>, Vec<usize>) {
        let tags = self
            .tags
            .iter()
            .filter(|(_, at)| **at == image)
            .map(|(name, _)| *name);
        let digests = self
            .digests
            .iter()
            .filter(|(_, at)| *at == image)
            .map(|(at, _)| *at);
        (tags.collect(), digests.collect())
    }

    /// Returns whether the image is pruned.
    fn is_pruned(&self, image: usize, images: u8, tagged: bool) -> bool {
        images & (1 << image) != 0 && (tagged || self.names(image).0.is_empty())
    }

    /// Content that only a pull needed is removed by the next removal, unless a running pull needs it.
    fn clear_up(&mut self, content_before: &Content, keeps: &Content) {
        let both =
            |a: &BTreeSet<String>, b: &BTreeSet<String>| a.intersection(b).cloned().collect();
        self.beside = Content {
            blobs: both(&content_before.blobs, &keeps.blobs),
            layers: both(&content_before.layers, &keeps.layers),
        };
    }

    fn drop_unnamed(&mut self, image: usize) {
        let (tags, digests) = self.names(image);
        if tags.is_empty() && digests.is_empty() {
            self.images.remove(&image);
        }
    }

    /// Removes it, and returns whether that is allowed.
    fn remove_tag(&mut self, name: Name) -> bool {
        let Some(image) = self.tags.remove(&name) else {
            return false;
        };
        if !self.names(image).0.iter().any(|other| other.0 == name.0) {
            self.digests.remove(&(name.0, image));
        }
        self.drop_unnamed(image);
        true
    }

    /// Removes it, and returns whether that is allowed.
    fn remove_id(&mut self, image: usize, force: bool) -> bool {
        let (tags, digests) = self.names(image);
        let tagged: Vec<_> = tags.iter().map(|name| name.0).collect();
        let repositories: BTreeSet<_> = tagged.iter().chain(&digests).collect();
        let allowed = force || (tags.len() <= 1 && repositories.len() <= 1);
        if !allowed || !self.images.remove(&image) {
            return false;
        }
        self.tags.retain(|_, at| *at != image);
        self.digests.retain(|(_, at)| *at != image);
        true
    }
}

/// Takes a step in the store and in the model, and compares the results.
fn take(
    step: &ModelStep,
    store: &Store,
    model: &mut Model,
    pulling: &mut Pulling,
    plans: &[ImagePlan],
) {
    let (content_before, before) = (content(store), store.measure().unwrap());
    let mut freed = None;
    match *step {
        ModelStep::Pull { image, name } => {
            let plan = ImagePlan {
                reference: Some(reference(name)),
                ..plans[image].clone()
            };
            let outcome = plan.pull(store).unwrap().outcome;
            let previous = model.tags.insert(name, image);
            assert_eq!(outcome == CommitOutcome::UpToDate, previous == Some(image));
            model.digests.insert((name.0, image));
            model.images.insert(image);
        }
        ModelStep::PullDigest { image, repository } => {
            let reference = Some(digest_reference(&plans[image], repository));
            let outcome = ImagePlan {
                reference,
                ..plans[image].clone()
            }
            .pull(store)
            .unwrap()
            .outcome;
            let is_new = model.digests.insert((repository, image));
            assert_eq!(outcome == CommitOutcome::Downloaded, is_new);
            model.images.insert(image);
        }
        ModelStep::Tag { from, to } => {
            let tagged = store.tag(&ImageName::Reference(reference(from)), &reference(to));
            let image = model.tags.get(&from).copied();
            assert_eq!(tagged.is_ok(), image.is_some());
            model.tags.extend(image.map(|image| (to, image)));
        }
        ModelStep::RemoveTag(name) => {
            let removed = store.remove(
                &ImageName::Reference(reference(name)),
                RemoveOptions::default(),
            );
            assert_eq!(removed.is_ok(), model.remove_tag(name));
            freed = removed.ok();
        }
        ModelStep::RemoveDigest { image, repository } => {
            let reference = digest_reference(&plans[image], repository);
            let removed = store.remove(&ImageName::Reference(reference), RemoveOptions::default());
            let was_there = model.digests.remove(&(repository, image));
            assert_eq!(removed.is_ok(), was_there);
            if was_there {
                model.drop_unnamed(image);
            }
            freed = removed.ok();
        }
        ModelStep::RemoveId { image, force } => {
            let removed = store.remove(&ImageName::Id(plans[image].id()), RemoveOptions { force });
            assert_eq!(removed.is_ok(), model.remove_id(image, force));
            freed = removed.ok();
        }
        ModelStep::Prune { images, tagged } => {
            let numbers: Vec<_> = (0..plans.len())
                .filter(|image| model.is_pruned(*image, images, tagged))
                .collect();
            let chosen = (0..plans.len()).filter(|image| images & (1 << image) != 0);
            let what = PruneSelection {
                images: chosen.map(|image| plans[image].id()).collect(),
                tagged,
            };
            let preview = store.prune_preview(&what).unwrap();
            let pruned = store.prune(&what).unwrap();
            assert_eq!(preview.removed, pruned.removed);
            if pulling.keeps == Content::default() && model.beside == Content::default() {
                assert_eq!(preview.freed, pruned.freed);
            }
            for image in numbers {
                model.remove_id(image, true);
            }
            freed = Some(pruned);
        }
        ModelStep::Begin { image } => pulling.begin(store, &plans[image]),
        ModelStep::End => *pulling = Pulling::default(),
        ModelStep::Reopen => {}
    }
    if let Some(removal) = freed {
        model.clear_up(&content_before, &pulling.keeps);
        let freed_bytes = total(&before) - total(&store.measure().unwrap());
        assert_eq!(removal.freed, freed_bytes, "the reported bytes are freed");
    }
}

impl Pulling {
    fn begin(&mut self, store: &Store, plan: &ImagePlan) {
        for layer in &plan.layers {
            let Some(content_before) = store.layer(&layer.diff_id()).unwrap() else {
                continue;
            };
            self.keeps.layers.insert(layer.diff_id().digest().hex());
            self.keeps.blobs.insert(Digest::sha256(layer.blob()).hex());
            self.layers.push(content_before);
        }
        for bytes in [plan.config(), plan.manifest()] {
            let digest = Digest::sha256(bytes);
            if let Some(content_before) = store.blob(&digest).unwrap() {
                self.keeps.blobs.insert(digest.hex());
                self.blobs.push(content_before);
            }
        }
    }
}

/// Returns the content on the disk.
fn content(store: &Store) -> Content {
    let path = store.path().unwrap();
    let names = |area: &str| list(&path.join(area)).into_iter().collect();
    Content {
        blobs: names("blobs/sha256"),
        layers: names("layers/sha256"),
    }
}

fn total(measured: &MeasuredStore) -> u64 {
    measured.blobs_on_disk + measured.layers_on_disk
}

/// Compares all content of the store with the model.
fn compare(store: &Store, model: &Model, plans: &[ImagePlan]) {
    let expected: Vec<_> = model.images.iter().map(ToString::to_string).collect();
    assert_eq!(check_beside(store, plans, &model.beside), expected);
    let measured = store.measure().unwrap();
    let blobs = measured
        .blobs
        .iter()
        .map(|blob| (blob.on_disk, blob.is_reclaimable));
    let layers = measured
        .layers
        .iter()
        .map(|layer| (layer.on_disk, layer.is_reclaimable));
    let reclaimable = blobs
        .chain(layers)
        .filter(|(_, is_reclaimable)| *is_reclaimable);
    let all = PruneSelection {
        images: plans.iter().map(ImagePlan::id).collect(),
        tagged: false,
    };
    assert_eq!(
        reclaimable.map(|(bytes, _)| bytes).sum::<u64>(),
        store.prune_preview(&all).unwrap().freed
    );
    for image in store.images().unwrap() {
        let number = plans.iter().position(|plan| plan.id() == image.id).unwrap();
        let (tags, digests) = model.names(number);
        let tags: Vec<_> = tags.into_iter().map(reference).collect();
        let digest = |repository| digest_reference(&plans[number], repository);
        let digests: Vec<_> = digests.into_iter().map(digest).collect();
        let has: Vec<_> = image.tags.iter().map(|tag| tag.reference.clone()).collect();
        assert_eq!((has, image.digests), (tags, digests));
    }
}

fn step() -> impl Strategy<Value = ModelStep> {
    let name = || (0..2usize, 0..2usize);
    prop_oneof![
        4 => (0..4usize, name()).prop_map(|(image, name)| ModelStep::Pull { image, name }),
        1 => (0..4usize, 0..2usize)
            .prop_map(|(image, repository)| ModelStep::PullDigest { image, repository }),
        1 => (name(), name()).prop_map(|(from, to)| ModelStep::Tag { from, to }),
        3 => name().prop_map(ModelStep::RemoveTag),
        1 => (0..4usize, 0..2usize)
            .prop_map(|(image, repository)| ModelStep::RemoveDigest { image, repository }),
        2 => (0..4usize, any::<bool>()).prop_map(|(image, force)| ModelStep::RemoveId { image, force }),
        2 => (any::<u8>(), any::<bool>())
            .prop_map(|(images, tagged)| ModelStep::Prune { images, tagged }),
        2 => (0..4usize).prop_map(|image| ModelStep::Begin { image }),
        1 => Just(ModelStep::End),
        1 => Just(ModelStep::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// LS-6, IM-10, API-11, R6: reference counts are exact after any steps, content that a pull found present
    /// stays, and a removal and a pruning free as many bytes as they report.
    #[test]
    fn counts_are_exact(steps in prop::collection::vec(step(), 1..24)) {
        let (fixture, plans, mut model) = (TestStore::new(), plans(), Model::default());
        let (mut store, mut pulling) = (fixture.own(), Pulling::default());
        for step in &steps {
            if matches!(step, ModelStep::Reopen) {
                pulling = Pulling::default();
                drop(store);
                store = fixture.own();
                model.beside = Content::default();
            }
            take(step, &store, &mut model, &mut pulling, &plans);
            compare(&store, &model, &plans);
        }
    }
}

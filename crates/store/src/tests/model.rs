//! Any sequence of pulls, tags and removals: names, counts and files as a model of a few lines has them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use windlass_oci::{ImageName, Reference};

use super::fixture::{ImagePlan, Place, check};
use crate::{Outcome, Remove, Store};

const REPOSITORIES: [&str; 2] = ["example.com/a", "example.com/b"];
const TAGS: [&str; 2] = ["1", "2"];

/// A tag, as an index into [`REPOSITORIES`] and one into [`TAGS`].
type Name = (usize, usize);

#[derive(Clone, Debug)]
enum Step {
    Pull { image: usize, name: Name },
    PullDigest { image: usize, repository: usize },
    Tag { from: Name, to: Name },
    RemoveTag(Name),
    RemoveDigest { image: usize, repository: usize },
    RemoveId { image: usize, force: bool },
    Reopen,
}

/// What should be there.
#[derive(Debug, Default)]
struct Model {
    images: BTreeSet<usize>,
    tags: BTreeMap<Name, usize>,
    digests: BTreeSet<(usize, usize)>,
}

/// Images that share layers in every way: at the base, higher up, in another order, twice.
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

    fn drop_unnamed(&mut self, image: usize) {
        let (tags, digests) = self.names(image);
        if tags.is_empty() && digests.is_empty() {
            self.images.remove(&image);
        }
    }

    /// Returns whether the removal works.
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

    /// Returns whether the removal works.
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

/// Takes the same step in the store and in the model, and compares what they say.
fn take(step: &Step, store: &Store, model: &mut Model, plans: &[ImagePlan]) {
    match *step {
        Step::Pull { image, name } => {
            let plan = ImagePlan {
                reference: Some(reference(name)),
                ..plans[image].clone()
            };
            let outcome = plan.pull(store).unwrap().outcome;
            let had = model.tags.insert(name, image);
            assert_eq!(outcome == Outcome::UpToDate, had == Some(image));
            model.digests.insert((name.0, image));
            model.images.insert(image);
        }
        Step::PullDigest { image, repository } => {
            let reference = Some(digest_reference(&plans[image], repository));
            let outcome = ImagePlan {
                reference,
                ..plans[image].clone()
            }
            .pull(store)
            .unwrap()
            .outcome;
            let is_new = model.digests.insert((repository, image));
            assert_eq!(outcome == Outcome::Downloaded, is_new);
            model.images.insert(image);
        }
        Step::Tag { from, to } => {
            let tagged = store.tag(&ImageName::Reference(reference(from)), &reference(to));
            let image = model.tags.get(&from).copied();
            assert_eq!(tagged.is_ok(), image.is_some());
            model.tags.extend(image.map(|image| (to, image)));
        }
        Step::RemoveTag(name) => {
            let removed = store.remove(&ImageName::Reference(reference(name)), Remove::default());
            assert_eq!(removed.is_ok(), model.remove_tag(name));
        }
        Step::RemoveDigest { image, repository } => {
            let reference = digest_reference(&plans[image], repository);
            let removed = store.remove(&ImageName::Reference(reference), Remove::default());
            let was_there = model.digests.remove(&(repository, image));
            assert_eq!(removed.is_ok(), was_there);
            if was_there {
                model.drop_unnamed(image);
            }
        }
        Step::RemoveId { image, force } => {
            let removed = store.remove(&ImageName::Id(plans[image].id()), Remove { force });
            assert_eq!(removed.is_ok(), model.remove_id(image, force));
        }
        Step::Reopen => {}
    }
}

/// Compares all that the store holds with the model.
fn compare(store: &Store, model: &Model, plans: &[ImagePlan]) {
    let expected: Vec<_> = model.images.iter().map(ToString::to_string).collect();
    assert_eq!(check(store, plans), expected);
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

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..2usize, 0..2usize);
    prop_oneof![
        4 => (0..4usize, name()).prop_map(|(image, name)| Step::Pull { image, name }),
        1 => (0..4usize, 0..2usize)
            .prop_map(|(image, repository)| Step::PullDigest { image, repository }),
        1 => (name(), name()).prop_map(|(from, to)| Step::Tag { from, to }),
        3 => name().prop_map(Step::RemoveTag),
        1 => (0..4usize, 0..2usize)
            .prop_map(|(image, repository)| Step::RemoveDigest { image, repository }),
        2 => (0..4usize, any::<bool>()).prop_map(|(image, force)| Step::RemoveId { image, force }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// LS-6, IM-10, API-11: reference counts are exact, whatever happened before.
    #[test]
    fn counts_are_exact(steps in prop::collection::vec(step(), 1..24)) {
        let (place, plans, mut model) = (Place::new(), plans(), Model::default());
        let mut store = place.own();
        for step in &steps {
            if matches!(step, Step::Reopen) {
                drop(store);
                store = place.own();
            }
            take(step, &store, &mut model, &plans);
            compare(&store, &model, &plans);
        }
    }
}

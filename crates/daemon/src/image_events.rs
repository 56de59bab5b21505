//! The events of images, with the attributes that Docker gives them: the labels of the image, and a name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task;
use windlass::Removed;
use windlass::image::{ImageId, ImageName, ImageSummary, Reference};

use crate::Daemon;
use crate::event_log::{ImageAction, name_attribute};

/// The attributes that the events of an image have besides its name.
pub(crate) type Labels = BTreeMap<String, String>;

impl Daemon {
    /// Returns the labels of `image`; none if its documents cannot be read. Blocks.
    pub(crate) fn labels(&self, image: &ImageSummary) -> Labels {
        let details = self.details.of(&self.engine, image);
        let labels = details.ok().and_then(|details| details.labels.clone());
        labels.unwrap_or_default()
    }

    /// Records an event of the image `id`, with its labels and, as its name, its ID. Blocks.
    pub(crate) fn record_id(&self, action: ImageAction, id: &ImageId) {
        let labels = self.engine.image(&ImageName::Id(*id));
        let labels = labels.map(|image| self.labels(&image)).unwrap_or_default();
        self.record_with(action, &id.to_string(), labels, &id.to_string());
    }

    /// Records that `reference` was pulled or pushed, with the labels of its image. They are read on a thread that may block.
    pub(crate) async fn record_transfer(
        self: &Arc<Self>,
        action: ImageAction,
        reference: &Reference,
    ) {
        let (daemon, reference) = (Arc::clone(self), reference.clone());
        let record = task::spawn_blocking(move || {
            let actor = reference.familiar();
            let name = reference.repository().familiar();
            let image = daemon.engine.image(&ImageName::Reference(reference));
            let labels = image.map(|image| daemon.labels(&image));
            daemon.record_with(action, &actor, labels.unwrap_or_default(), &name);
        });
        if let Err(error) = record.await {
            tracing::error!(%error, "an event was not recorded because of a bug");
        }
    }

    /// Records an event with labels and a name. A label `name` does not replace the name.
    pub(crate) fn record_with(
        &self,
        action: ImageAction,
        actor: &str,
        mut labels: Labels,
        name: &str,
    ) {
        labels.extend(name_attribute(name));
        self.events.record(action, actor, labels);
    }

    /// Records that names of the image `id`, and perhaps the image itself, were removed.
    pub(crate) fn record_removal(
        &self,
        id: &ImageId,
        labels: &Labels,
        removed: &[Removed],
        how: RemovedBy,
    ) {
        let actor = id.to_string();
        for _ in 0..untagged(removed, how) {
            self.record_with(ImageAction::Untag, &actor, labels.clone(), &actor);
        }
        if removed.contains(&Removed::Deleted(*id.digest())) {
            // The image has no labels any more.
            self.record_with(ImageAction::Delete, &actor, Labels::new(), &actor);
        }
    }
}

/// What a removal named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RemovedBy {
    /// A name.
    Name,
    /// The ID of the image, so that all its names are removed.
    Id,
}

/// Returns how many events Docker has for the removed names. The last tag of a repository takes the digests of the
/// repository with it, without events of their own.
fn untagged(removed: &[Removed], how: RemovedBy) -> usize {
    let names = removed.iter().filter_map(|removed| match removed {
        Removed::Untagged(name) => Some(name.as_str()),
        Removed::Deleted(_) => None,
    });
    let parts = |name: &str| match name.split_once('@') {
        Some((repository, _)) => (repository.to_owned(), true),
        None => {
            let repository = name
                .rsplit_once(':')
                .map_or(name, |(repository, _)| repository);
            (repository.to_owned(), false)
        }
    };
    let names: Vec<(String, bool)> = names.map(parts).collect();
    let tagged: BTreeSet<_> = names
        .iter()
        .filter(|(_, is_digest)| !is_digest)
        .map(|(repository, _)| repository)
        .collect();
    let counts = |(repository, is_digest): &&(String, bool)| {
        how == RemovedBy::Id || !is_digest || !tagged.contains(repository)
    };
    names.iter().filter(counts).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_that_go_with_a_tag_have_no_event() {
        let names = |names: &[&str]| {
            let names = names
                .iter()
                .map(|name| Removed::Untagged((*name).to_owned()));
            names.collect::<Vec<_>>()
        };
        let (by_name, by_id) = (RemovedBy::Name, RemovedBy::Id);
        let tag = names(&["a:1", "a@sha256:1"]);
        assert_eq!(untagged(&tag, by_name), 1);
        assert_eq!(untagged(&tag, by_id), 2);
        let two = names(&["h:5/a:1", "h:5/a:2", "h:5/a@sha256:1", "b@sha256:1"]);
        assert_eq!(untagged(&two, by_name), 3);
        assert_eq!(untagged(&names(&["a@sha256:1"]), by_name), 1);
        assert_eq!(untagged(&[], by_id), 0);
    }
}

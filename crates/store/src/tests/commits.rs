//! Commits: what becomes visible, and what does not.

use super::fixture::{ImagePlan, LayerPlan, Place, download, list, new_layer};
use crate::{LayerSource, Outcome};

#[test]
fn an_image_is_there_after_its_commit_and_after_reopening() {
    let place = Place::new();
    let plan = ImagePlan::new("one", &["base", "top"], "example.com/one:1");
    let committed = plan.pull(&place.own()).unwrap();
    assert_eq!(committed.image_id, plan.id());
    assert_eq!(committed.outcome, Outcome::Downloaded);

    let store = place.look();
    let [image] = store.images().unwrap().try_into().unwrap();
    assert_eq!(image.id, plan.id());
    assert_eq!(image.tags[0].reference.to_string(), "example.com/one:1");
    assert_eq!(image.tags[0].target, plan.target());
    assert_eq!(image.digests[0].digest(), Some(&plan.target()));
    assert_eq!(image.layers.len(), 2);
    assert_eq!(image.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    for (digest, bytes) in plan.blobs() {
        assert_eq!(store.read_blob(&digest).unwrap(), bytes);
    }
    for layer in &plan.layers {
        let held = store.layer(&layer.diff_id()).unwrap().unwrap();
        assert_eq!(
            std::fs::read_to_string(held.path().join("file")).unwrap(),
            layer.name
        );
    }
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
    assert_eq!(list(&place.path().join("drafts")), [""; 0]);
}

/// LS-3: whoever comes second with a layer changes nothing.
#[test]
fn two_pulls_may_share_a_draft() {
    let place = Place::new();
    let store = place.own();
    let layer = LayerPlan::new("base");
    let (draft, blob) = (layer.draft(&store), download(&store, &layer.blob()));
    for name in ["one", "two"] {
        let plan = ImagePlan::new(name, &["base"], &format!("example.com/{name}"));
        let shared = new_layer(&layer, LayerSource::New(draft.clone()), Some(blob.clone()));
        store
            .commit(&plan.with_layers(&store, vec![shared]))
            .unwrap();
    }
    drop((draft, blob));
    assert_eq!(store.images().unwrap().len(), 2);
    assert!(store.layer(&layer.diff_id()).unwrap().is_some());
    assert_eq!(list(&place.path().join("layers/sha256")).len(), 1);
}

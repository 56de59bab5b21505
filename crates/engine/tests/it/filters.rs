//! Listing and pruning with filters.

use serde_json::json;
use windlass::error::StoreError;
use windlass::image::ImageName;
use windlass::{FilterUse, Prune, RemoveOptions, Removed};
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::support::{World, filters_for};

fn image(seed: u64, created: Option<&str>, labels: &serde_json::Value) -> ImageBuilder {
    let layer = LayerBuilder::of_size_seeded(1000, seed);
    ImageBuilder::new().layer(layer).config(|config| {
        config["created"] = json!(created);
        config["config"]["Labels"] = labels.clone();
    })
}

/// Pulls four images with labels: three have a time of creation.
async fn four_images() -> World {
    let world = World::new();
    let none = json!(null);
    for (name, image) in [
        (
            "a:1",
            image(
                1,
                Some("2026-11-25T12:00:00Z"),
                &json!({"keep": "", "team": "red"}),
            ),
        ),
        (
            "b:2",
            image(2, Some("2026-11-26T12:00:00Z"), &json!({"team": "blue"})),
        ),
        ("c:3", image(3, Some("2026-11-27T12:00:00Z"), &none)),
        ("d:4", image(4, None, &none)),
    ] {
        world.registry.push(image, name);
        world.pull(name).await;
    }
    world
}

#[tokio::test]
async fn images_are_found_by_labels_times_and_names() {
    let world = four_images().await;
    let named = |key: &str, name: &str| format!("{key}={}", world.registry.name(name));
    let pattern = format!("reference={}/?:[12]", world.registry.host());
    for (filters, expected) in [
        (&["label=team"][..], &["a:1", "b:2"][..]),
        (&["label=team=red"], &["a:1"]),
        (&["label=team", "label=keep"], &["a:1"]),
        (&["label=keep="], &["a:1"]),
        (&["label!=team"], &["c:3", "d:4"]),
        (&["label!=keep", "label!=team=blue"], &["c:3", "d:4"]),
        (&["until=48h"], &["a:1", "b:2", "d:4"]),
        (&["until=2026-11-26"], &["a:1", "d:4"]),
        (&[&named("before", "b:2")], &["a:1", "d:4"]),
        (&[&named("since", "a:1")], &["b:2", "c:3"]),
        (&[&named("since", "a:1"), &named("before", "c:3")], &["b:2"]),
        (
            &[&named("before", "b:2"), &named("before", "c:3")],
            &["a:1", "d:4"],
        ),
        (&["reference=*"], &[]),
        (&["reference=*/c", &pattern], &["a:1", "b:2", "c:3"]),
        (&["dangling=true"], &[]),
        (&["dangling=false", "label=team"], &["a:1", "b:2"]),
    ] {
        assert_eq!(world.tags(filters), expected, "{filters:?}");
    }
    let missing = filters_for(FilterUse::Images, &["since=missing"]);
    let error = world.engine.images_matching(&missing).unwrap_err();
    assert!(matches!(error, StoreError::Find(_)), "{error}");
}

/// API 17.03: an image without a tag is dangling, even if it has a digest reference.
#[tokio::test]
async fn only_dangling_images_are_pruned_by_default() {
    let world = four_images().await;
    let b: ImageName = world.registry.name("b:2").parse().unwrap();
    let pinned = world
        .registry
        .push(image(5, None, &json!({"keep": "x"})), "e:5");
    world.pull(&format!("e@{}", pinned.digest)).await;
    world
        .engine
        .tag(&b, &world.registry.name("c:3").parse().unwrap())
        .unwrap();

    let prune = |all, filters: &[&str]| Prune {
        all,
        partials: false,
        filters: filters_for(FilterUse::Prune, filters),
    };
    let untagged = |what: &Prune| {
        let preview = world.engine.prune_preview(what).unwrap();
        let pruned = world.engine.prune(what).unwrap();
        assert_eq!(pruned, preview);
        let name = |removed: &Removed| match removed {
            Removed::Untagged(name) => Some(name.rsplit_once('/').unwrap().1[..2].to_owned()),
            Removed::Deleted(_) => None,
        };
        pruned.removed.iter().filter_map(name).collect::<Vec<_>>()
    };
    // The image that lost the tag `c:3` still has a digest reference.
    assert_eq!(untagged(&prune(false, &["label!=keep"])), ["c@"]);
    assert_eq!(
        untagged(&prune(false, &["until=24h", "dangling=1"])),
        ["e@"]
    );
    assert_eq!(untagged(&prune(false, &[])), [""; 0]);
    assert_eq!(untagged(&prune(true, &["label=team=red"])), ["a:", "a@"]);
    assert_eq!(untagged(&prune(true, &["dangling=true"])), [""; 0]);
    assert_eq!(world.tags(&[]), ["b:2", "c:3", "d:4"]);
    // `dangling=false` is what `docker image prune --all` sends: it includes images without a tag.
    world.pull(&format!("e@{}", pinned.digest)).await;
    world.engine.idle().await;
    assert_eq!(untagged(&prune(false, &["dangling=false"])).len(), 6);
    assert_eq!(world.engine.images().unwrap(), []);
    let error = world.engine.remove(&b, RemoveOptions::default());
    assert!(error.is_err());
}

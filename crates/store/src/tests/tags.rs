//! Finding, tagging and removing images.

use windlass_oci::{Digest, ImageName, Reference};

use super::fixture::{ImagePlan, TestStore, check};
use crate::{FindError, RemoveOptions, RemovedItem, Store, StoreRemoveError, TagImageError};

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

/// Returns the removed items as text.
fn lines(removed: &[RemovedItem]) -> Vec<String> {
    let line = |removed: &RemovedItem| match removed {
        RemovedItem::Untagged(reference) => format!("untagged {}", reference.familiar()),
        RemovedItem::Image(id) => format!("image {id}"),
        RemovedItem::Layer { diff_id, .. } => format!("layer {diff_id}"),
    };
    removed.iter().map(line).collect()
}

fn remove(store: &Store, text: &str) -> Result<Vec<String>, StoreRemoveError> {
    store
        .remove(&name(text), RemoveOptions::default())
        .map(|removal| lines(&removal.removed))
}

/// API-12: by ID, by reference, by a prefix of an ID.
#[test]
fn an_image_is_found_by_each_of_its_names() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "alpine:3");
    plan.pull(&store).unwrap();
    store.tag(&name("alpine:3"), &reference("alpine")).unwrap();
    let id = plan.id();
    let hex = id.digest().hex();
    for text in [
        id.to_string(),
        hex.clone(),
        hex[..12].to_owned(),
        hex[..1].to_owned(),
        format!("sha256:{}", &hex[..5]),
        "alpine".to_owned(),
        "docker.io/library/alpine:3".to_owned(),
        format!("alpine@{}", plan.target()),
        format!("alpine:whatever@{}", plan.target()),
    ] {
        assert_eq!(store.image(&name(&text)).unwrap().id, id, "{text}");
    }
    for text in [
        "alpine:4",
        "alpin",
        &format!("alpine@{}", Digest::sha256("x")),
        &"0".repeat(64),
    ] {
        let error = store.image(&name(text)).unwrap_err();
        assert!(
            matches!(error, FindError::Unknown { .. }),
            "{text}: {error}"
        );
    }
}

/// API-12: a reference has priority over a prefix of an ID; a prefix of two IDs is ambiguous.
#[test]
fn a_prefix_of_several_ids_is_ambiguous() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plans = Vec::new();
    // Of seventeen IDs two must have the same first digit.
    for number in 0..17 {
        plans.push(ImagePlan::new(
            &number.to_string(),
            &[],
            &format!("example.com/i:{number}"),
        ));
        plans[number].pull(&store).unwrap();
    }
    let digits: Vec<_> = plans
        .iter()
        .map(|plan| plan.id().digest().hex()[..1].to_owned())
        .collect();
    let twice = digits
        .iter()
        .find(|digit| digits.iter().filter(|other| other == digit).count() > 1);
    let twice = twice.unwrap();
    match store.image(&name(twice)).unwrap_err() {
        FindError::Ambiguous { ids, .. } => assert!(ids.len() > 1),
        error => panic!("{error}"),
    }
    let chosen = plans[0].id();
    store
        .tag(&ImageName::Id(chosen), &reference(twice))
        .unwrap();
    assert_eq!(store.image(&name(twice)).unwrap().id, chosen);
}

#[test]
fn tagging_moves_a_name_and_rejects_digests() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let (one, two) = (
        ImagePlan::new("one", &[], "i:1"),
        ImagePlan::new("two", &[], "i:2"),
    );
    one.pull(&store).unwrap();
    two.pull(&store).unwrap();
    assert_eq!(store.tag(&name("i:1"), &reference("other")).unwrap(), None);
    assert_eq!(
        store.tag(&name("i:1"), &reference("other:latest")).unwrap(),
        None
    );
    assert_eq!(
        store.tag(&name("i:2"), &reference("other")).unwrap(),
        Some(one.id())
    );
    let image = store.image(&name("other")).unwrap();
    assert_eq!(image.id, two.id());
    assert_eq!(image.tags[1].target, two.target());
    let digest = reference("i:1").with_digest(one.target());
    let error = store.tag(&name("i:1"), &digest).unwrap_err();
    assert!(matches!(error, TagImageError::Digest { .. }), "{error}");
    assert!(matches!(
        store.tag(&name("i:9"), &reference("x")),
        Err(TagImageError::Find(_))
    ));
}

/// API-11: the last tag of a repository removes the digests there, the last name removes the image, and the
/// image the layers that no other image has.
#[test]
fn the_last_name_removes_the_image() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let one = ImagePlan::new("one", &["base", "one"], "i:1");
    let two = ImagePlan::new("two", &["base", "two"], "i:2");
    one.pull(&store).unwrap();
    two.pull(&store).unwrap();
    store.tag(&name("i:1"), &reference("i:also")).unwrap();
    store
        .tag(&name("i:1"), &reference("example.com/i"))
        .unwrap();

    assert_eq!(remove(&store, "i:1").unwrap(), ["untagged i:1"]);
    let digest = format!("untagged i@{}", one.target());
    assert_eq!(
        remove(&store, "i:also").unwrap(),
        ["untagged i:also", &digest]
    );
    let (image, layer) = (one.id(), one.layers[1].diff_id());
    assert_eq!(
        remove(&store, "example.com/i").unwrap(),
        [
            "untagged example.com/i:latest".to_owned(),
            format!("image {image}"),
            format!("layer {layer}"),
        ]
    );
    assert_eq!(check(&store, &[one, two.clone()]), ["two"]);

    let (top, base) = (two.layers[1].diff_id(), two.layers[0].diff_id());
    assert_eq!(
        remove(&store, &two.id().short()).unwrap(),
        [
            "untagged i:2".to_owned(),
            format!("untagged i@{}", two.target()),
            format!("image {}", two.id()),
            format!("layer {top}"),
            format!("layer {base}"),
        ]
    );
    assert_eq!(check(&store, &[]), [""; 0]);
    assert!(matches!(
        remove(&store, "i:2"),
        Err(StoreRemoveError::Find(_))
    ));
}

/// API-11: an ID is not enough for an image with several names, unless forced.
#[test]
fn an_image_with_several_names_is_removed_by_force() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "i:1");
    plan.pull(&store).unwrap();
    store.tag(&name("i:1"), &reference("i:2")).unwrap();
    let error = remove(&store, &plan.id().to_string()).unwrap_err();
    let expected = format!(
        "image {} has several names (i:1, i:2, i@{}): remove them by name, or use force",
        plan.id().short(),
        plan.target()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(check(&store, std::slice::from_ref(&plan)), ["one"]);
    let removed = store
        .remove(&ImageName::Id(plan.id()), RemoveOptions { force: true })
        .unwrap();
    assert_eq!(removed.removed.len(), 5);
    assert_eq!(check(&store, &[]), [""; 0]);
}

/// R6, DM-16: content that a pull found present stays until the pull is done.
#[test]
fn leased_content_outlives_its_image() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let one = ImagePlan::new("one", &["base", "one"], "i:1");
    let two = ImagePlan::new("two", &["base", "two"], "i:2");
    one.pull(&store).unwrap();
    let pulling = two.draft(&store);
    remove(&store, "i:1").unwrap();
    store.commit(&pulling).unwrap();
    drop(pulling);
    assert_eq!(check(&store, &[one.clone(), two.clone()]), ["two"]);

    one.pull(&store).unwrap();
    let leased_layer = store.layer(&one.layers[1].diff_id()).unwrap().unwrap();
    remove(&store, "i:1").unwrap();
    assert!(leased_layer.open_dir().is_ok());
    drop((leased_layer, store));
    assert_eq!(check(&fixture.own(), &[one, two]), ["two"]);
}

/// A name that is committed with the image: both are visible, or neither. There is no digest reference.
#[test]
fn an_image_is_committed_with_its_name() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let [one, two] = ["one", "two"].map(|name| ImagePlan::new(name, &[name], "unused"));
    let commit = |plan: &ImagePlan| {
        let image = crate::NewImage {
            reference: None,
            ..plan.draft(&store)
        };
        let committed = store.commit_as(&image, &reference("app")).unwrap();
        committed.tag_taken_from
    };
    assert_eq!(commit(&one), None);
    assert_eq!(commit(&one), None);
    assert_eq!(commit(&two), Some(one.id()));
    let image = store.image(&name("app:latest")).unwrap();
    assert_eq!((image.id, image.digests.len()), (two.id(), 0));
    assert!(store.image(&ImageName::Id(one.id())).unwrap().is_dangling());
}

/// API-11, RS-3: an image in use keeps its last name even if forced, and may lose others.
#[test]
fn an_image_in_use_keeps_its_last_name() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "i:1");
    plan.pull(&store).unwrap();
    store.tag(&name("i:1"), &reference("other:1")).unwrap();
    let id = plan.id();
    let remove = |text: &str, force| {
        let removal = store.remove_unless(&name(text), RemoveOptions { force }, |used| *used == id);
        removal.map(|removal| lines(&removal.removed))
    };
    assert!(matches!(
        remove(&id.to_string(), true),
        Err(StoreRemoveError::InUse { .. })
    ));
    assert_eq!(remove("other:1", false).unwrap(), ["untagged other:1"]);
    for text in ["i:1", &id.to_string(), &id.short()] {
        for force in [false, true] {
            let error = remove(text, force).unwrap_err();
            assert!(matches!(error, StoreRemoveError::InUse { .. }), "{error}");
        }
    }
    let digest = format!("i@{}", plan.target());
    assert_eq!(
        remove(&digest, false).unwrap(),
        [format!("untagged {digest}")]
    );
    assert!(matches!(
        remove("i:1", true),
        Err(StoreRemoveError::InUse { .. })
    ));
    assert_eq!(check(&store, &[plan]), ["one"]);
}

/// API-12, IM-8: a removal finds its image like all other operations.
#[test]
fn an_image_is_removed_by_a_prefix_of_its_id() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plans = Vec::new();
    for number in 0..17 {
        plans.push(ImagePlan::new(&number.to_string(), &[], "i"));
        plans[number].reference = None;
        plans[number].pull(&store).unwrap();
    }
    let first = |plan: &ImagePlan| plan.id().digest().hex()[..1].to_owned();
    let firsts: Vec<_> = plans.iter().map(first).collect();
    let is_shared = |digit: &&String| firsts.iter().filter(|other| other == digit).count() > 1;
    let shared = firsts.iter().find(is_shared).unwrap();
    let error = remove(&store, shared).unwrap_err();
    assert!(
        matches!(error, StoreRemoveError::Find(FindError::Ambiguous { .. })),
        "{error}"
    );
    assert_eq!(store.images().unwrap().len(), 17);
    let id = plans[0].id();
    let removed = remove(&store, &format!("sha256:{}", &id.digest().hex()[..20]));
    assert_eq!(removed.unwrap(), [format!("image {id}")]);
    assert_eq!(store.images().unwrap().len(), 16);
}

//! Commits: the content that becomes visible.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use windlass_oci::{Digest, ImageName, Reference};

use super::fixture::{
    ImagePlan, LayerPlan, TestStore, check, download, list, new_layer, put, whiteout,
};
use crate::{
    CommitError, CommitOutcome, LayerSource, LowerLink, NewImage, ReadError, RemoveOptions,
};

#[test]
fn an_image_is_visible_after_its_commit_and_after_reopening() {
    let fixture = TestStore::new();
    let plan = ImagePlan::new("one", &["base", "top"], "example.com/one:1");
    let committed = plan.pull(&fixture.own()).unwrap();
    assert_eq!(committed.image_id, plan.id());
    assert_eq!(committed.outcome, CommitOutcome::Downloaded);

    let store = fixture.lookup();
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
            fs::read_to_string(held.path().join("file")).unwrap(),
            layer.name
        );
    }
    assert_eq!(list(&fixture.path().join("ingest")), [""; 0]);
    assert_eq!(list(&fixture.path().join("drafts")), [""; 0]);
}

/// LS-3: a layer that is already stored is not replaced.
#[test]
fn two_pulls_may_share_a_draft() {
    let fixture = TestStore::new();
    let store = fixture.own();
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
    assert_eq!(list(&fixture.path().join("layers/sha256")).len(), 1);
}

/// ST-2, ST-3: a repeated pull is "up to date"; a tag that moves leaves the old image without it.
#[test]
fn a_tag_moves_and_the_old_image_stays() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let old = ImagePlan::new("old", &["base"], "example.com/image:1");
    let new = ImagePlan::new("new", &["base"], "example.com/image:1");
    for (plan, outcome) in [
        (&old, CommitOutcome::Downloaded),
        (&old, CommitOutcome::UpToDate),
        (&new, CommitOutcome::Downloaded),
        (&new, CommitOutcome::UpToDate),
    ] {
        assert_eq!(plan.pull(&store).unwrap().outcome, outcome);
    }
    let image = store.image(&ImageName::Id(old.id())).unwrap();
    assert_eq!((image.tags.len(), image.digests.len()), (0, 1));
    assert_eq!(check(&store, &[old, new]), ["new", "old"]);
}

/// ST-3: a pull by digest sets the digest reference only; a pull by tag and digest sets both.
#[test]
fn a_pulled_digest_is_a_name() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plan = ImagePlan::new("one", &["base"], "example.com/image");
    let bare = plan.reference.clone().unwrap().with_digest(plan.target());
    plan.reference = Some(bare.clone());
    assert_eq!(
        plan.pull(&store).unwrap().outcome,
        CommitOutcome::Downloaded
    );
    assert_eq!(plan.pull(&store).unwrap().outcome, CommitOutcome::UpToDate);
    let image = store.image(&ImageName::Reference(bare.clone())).unwrap();
    assert_eq!(
        (image.tags.len(), image.digests.as_slice()),
        (0, &[bare.clone()][..])
    );

    plan.reference = Some(bare.with_tag("1".parse().unwrap()));
    assert_eq!(
        plan.pull(&store).unwrap().outcome,
        CommitOutcome::Downloaded
    );
    let image = store
        .image(&"example.com/image:1".parse().unwrap())
        .unwrap();
    assert_eq!((image.tags.len(), image.digests.len()), (1, 1));
}

/// ST-4: the digest of an index keeps referring to the platform that was pulled first.
#[test]
fn a_digest_reference_is_never_moved() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let amd = ImagePlan::new("amd64", &["base"], "example.com/image:1");
    let arm = ImagePlan::new("arm64", &["base"], "example.com/image:1");
    let index = put(&store, b"an index of both");
    for (plan, stays) in [(&amd, None), (&arm, Some(amd.id()))] {
        let mut image = plan.draft(&store);
        image.indexes = vec![index.clone()];
        let committed = store.commit(&image).unwrap();
        assert_eq!(committed.outcome, CommitOutcome::Downloaded);
        assert_eq!(committed.digest_stays_with, stays);
    }
    let named = |name: &str| store.image(&name.parse().unwrap()).unwrap().id;
    assert_eq!(named("example.com/image:1"), arm.id());
    assert_eq!(
        named(&format!("example.com/image@{}", index.digest())),
        amd.id()
    );
    let image = store.image(&ImageName::Id(arm.id())).unwrap();
    assert_eq!(image.index.as_ref(), Some(index.digest()));
    assert_eq!(image.tags[0].target, *index.digest());
}

/// The second image is named by the digest of its manifest, so that it is not without a name.
#[test]
fn an_image_pulled_by_the_digest_of_its_index_has_a_name() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let amd = ImagePlan::new("amd64", &["base"], "example.com/image:1");
    let arm = ImagePlan::new("arm64", &["base"], "example.com/image:1");
    let index = put(&store, b"an index of both");
    let by_digest = |text: &str| -> Reference { text.parse().unwrap() };
    let name = by_digest(&format!("example.com/image@{}", index.digest()));
    let commit = |plan: &ImagePlan| {
        let mut image = plan.draft(&store);
        image.indexes = vec![index.clone()];
        image.reference = Some(name.clone());
        store.commit(&image).unwrap().outcome
    };
    assert_eq!(commit(&amd), CommitOutcome::Downloaded);
    assert_eq!(commit(&arm), CommitOutcome::Downloaded);
    assert_eq!(commit(&arm), CommitOutcome::UpToDate);
    assert_eq!(
        store.image(&ImageName::Reference(name)).unwrap().id,
        amd.id()
    );
    let image = store.image(&ImageName::Id(arm.id())).unwrap();
    let own = by_digest(&format!("example.com/image@{}", image.manifest));
    assert_eq!(image.digests, std::slice::from_ref(&own));
    let named = store.image(&ImageName::Reference(own)).unwrap();
    assert_eq!(named.id, arm.id());
}

/// Nested indexes are all stored, and the outermost is the target of the name.
#[test]
fn every_index_is_stored() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "example.com/image:1");
    let mut image = plan.draft(&store);
    image.indexes = [&b"outer"[..], b"inner"]
        .map(|bytes| put(&store, bytes))
        .to_vec();
    store.commit(&image).unwrap();
    drop(image);
    let held = store.image(&ImageName::Id(plan.id())).unwrap();
    assert_eq!(held.index, Some(Digest::sha256("outer")));
    for bytes in ["outer", "inner"] {
        assert_eq!(
            store.read_blob(&Digest::sha256(bytes)).unwrap(),
            bytes.as_bytes()
        );
    }
}

/// DL-2, DL-15: an unpacked blob identifies its layer; a blob that a manifest merely claims for a layer does
/// not.
#[test]
fn a_blob_refers_to_its_unpacked_layer() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "example.com/one");
    plan.pull(&store).unwrap();
    let layer_of = |bytes: &[u8]| {
        let layer = store.layer_of_blob(&Digest::sha256(bytes)).unwrap();
        layer.map(|layer| *layer.diff_id())
    };
    let base = &plan.layers[0];
    assert_eq!(layer_of(&base.blob()), Some(base.diff_id()));
    assert_eq!(layer_of(&plan.manifest()), None);
    assert_eq!(layer_of(b"never seen"), None);
}

/// C6: an image with another digest than the pinned one is not committed.
#[test]
fn a_wrong_digest_is_rejected() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plan = ImagePlan::new("one", &["base"], "example.com/image:1");
    let pin = plan
        .reference
        .as_ref()
        .unwrap()
        .with_digest(Digest::sha256("another"));
    plan.reference = Some(pin);
    let error = plan.pull(&store).unwrap_err();
    assert!(matches!(error, CommitError::Pin { .. }), "{error}");
    assert_eq!(check(&store, &[]), [""; 0]);
}

/// C15: the layers must be those in the config, all of them, in order.
#[test]
fn layers_that_differ_from_the_config_are_rejected() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base", "top"], "example.com/image:1");
    let image = plan.draft(&store);
    let [base, top] = image.layers.clone().try_into().unwrap();
    let wrong = [
        (1, vec![base.clone()]),
        (0, vec![top.clone(), base.clone()]),
        (2, vec![base.clone(), top.clone(), top.clone()]),
        (0, vec![]),
    ];
    for (expected, layers) in wrong {
        let image = NewImage {
            layers,
            ..image.clone()
        };
        match store.commit(&image).unwrap_err() {
            CommitError::Chain { position, .. } => assert_eq!(position, expected),
            error => panic!("{error}"),
        }
    }
    store.commit(&image).unwrap();
}

#[test]
fn an_image_may_have_no_layers_or_one_of_them_twice() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let none = ImagePlan::new("none", &[], "example.com/none");
    let twice = ImagePlan::new("twice", &["base", "empty", "empty"], "example.com/twice");
    none.pull(&store).unwrap();
    twice.pull(&store).unwrap();
    assert_eq!(check(&store, &[none, twice]), ["none", "twice"]);
}

#[test]
fn an_impossible_path_is_rejected() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let mut plan = ImagePlan::new("one", &["base"], "example.com/image:1");
    plan.layers[0].implied_directories = vec![b"a\0b".to_vec()];
    let error = plan.pull(&store).unwrap_err();
    assert!(matches!(error, CommitError::Path { .. }), "{error}");
    assert_eq!(check(&store, &[]), [""; 0]);
}

/// The same config may come with another manifest: the first stays the image's own, both are stored.
#[test]
fn a_second_manifest_is_stored_beside_the_first() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base"], "example.com/image:1");
    plan.pull(&store).unwrap();
    let mut again = plan.draft(&store);
    again.manifest = put(&store, b"recompressed");
    again.reference = Some("example.com/image:2".parse().unwrap());
    store.commit(&again).unwrap();
    let image = store.image(&ImageName::Id(plan.id())).unwrap();
    assert_eq!(image.manifest, plan.target());
    assert_eq!(image.tags.len(), 2);
    assert_eq!(
        store.read_blob(&Digest::sha256("recompressed")).unwrap(),
        b"recompressed"
    );
}

/// The blob in the manifest may not be stored, because the layer came from another one: the image keeps that
/// one.
#[test]
fn an_image_keeps_a_blob_of_each_layer() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let one = ImagePlan::new("one", &["base"], "example.com/one");
    one.pull(&store).unwrap();
    let two = ImagePlan::new("two", &["base"], "example.com/two");
    let mut image = two.draft(&store);
    let (held, other) = (Digest::sha256(one.layers[0].blob()), Digest::sha256("zstd"));
    image.layers[0].digest = other;
    store.commit(&image).unwrap();
    drop(image);
    store
        .remove(&ImageName::Id(one.id()), RemoveOptions::default())
        .unwrap();
    let layer = &store.image(&ImageName::Id(two.id())).unwrap().layers[0];
    assert_eq!((layer.blob, layer.stored_blob), (other, Some(held)));
    assert_eq!(check(&store, std::slice::from_ref(&two)), ["two"]);

    // A manifest's claim about a stored blob that was never unpacked to the layer is ignored.
    let mut image = ImagePlan::new("three", &["base"], "example.com/three").draft(&store);
    image.layers[0].digest = Digest::sha256(two.manifest());
    let id = store.commit(&image).unwrap().image_id;
    let layer = &store.image(&ImageName::Id(id)).unwrap().layers[0];
    assert_eq!(layer.stored_blob, Some(held));
}

/// P9, R7: damaged or missing files count as absent, and a pull repairs them.
#[test]
fn damage_is_detected_and_repaired_by_a_pull() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let plan = ImagePlan::new("one", &["base", "top"], "example.com/image:1");
    plan.pull(&store).unwrap();
    let blob = Digest::sha256(plan.manifest());
    let path = fixture.path().join("blobs/sha256").join(blob.hex());

    let mut flipped = plan.manifest();
    flipped[0] ^= 1;
    fs::write(&path, &flipped).unwrap();
    let error = store.read_blob(&blob).unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    fs::write(&path, "short").unwrap();
    assert!(store.blob(&blob).unwrap().is_none());
    let layer = store.layer(&plan.layers[0].diff_id()).unwrap().unwrap();
    fs::remove_dir_all(layer.path()).unwrap();
    assert!(store.layer(layer.diff_id()).unwrap().is_none());

    plan.pull(&store).unwrap();
    assert_eq!(check(&store, std::slice::from_ref(&plan)), ["one"]);

    let blob = Digest::sha256(plan.layers[0].blob());
    fs::remove_file(fixture.path().join("blobs/sha256").join(blob.hex())).unwrap();
    assert!(store.layer(&plan.layers[0].diff_id()).unwrap().is_none());
    plan.pull(&store).unwrap();
    assert_eq!(check(&store, &[plan]), ["one"]);
}

/// The targets of hard links into lower layers must exist in the chain of the image.
#[test]
fn a_hard_link_must_refer_to_a_lower_file() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let lower = |dir: &Path| {
        fs::create_dir_all(dir.join("usr/bin")).unwrap();
        fs::write(dir.join("usr/bin/tool"), "").unwrap();
        fs::write(dir.join("gone"), "").unwrap();
        symlink("/usr/bin", dir.join("bin")).unwrap();
        symlink("../../../usr", dir.join("usr/up")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        symlink("nowhere", dir.join("dangling")).unwrap();
    };
    let middle = |dir: &Path| {
        whiteout(&dir.join("gone"));
        fs::create_dir(dir.join("etc")).unwrap();
    };
    for (target, resolves) in [
        ("usr/bin/tool", true),
        ("/usr/bin/tool", true),
        ("./usr//bin/../bin/tool", true),
        ("bin/tool", true),
        ("usr/up/bin/tool", true),
        ("dangling", true),
        ("own/tool", true),
        ("usr/bin", false),
        ("gone", false),
        ("loop/tool", false),
        ("dangling/tool", false),
        ("usr/bin/tool/x", false),
        ("usr/bin/other", false),
        ("", false),
    ] {
        let (lower_plan, middle_plan) = (LayerPlan::new("lower"), LayerPlan::new("middle"));
        let link = LowerLink {
            path: b"link".to_vec(),
            target: target.into(),
        };
        let top_plan = LayerPlan {
            lower_links: vec![link.clone()],
            ..LayerPlan::new("top")
        };
        let plan = ImagePlan::new(target, &["lower", "middle", "top"], "example.com/image");
        let drafts = [
            (&lower_plan, lower_plan.draft_with(&store, lower)),
            (&middle_plan, middle_plan.draft_with(&store, middle)),
            (
                &top_plan,
                top_plan.draft_with(&store, |dir| {
                    symlink("usr/bin", dir.join("own")).unwrap();
                    // It hides the file in the image, but not from the link.
                    fs::create_dir_all(dir.join("usr/bin")).unwrap();
                    whiteout(&dir.join("usr/bin/tool"));
                }),
            ),
        ];
        let layers = drafts.map(|(plan, draft)| new_layer(plan, LayerSource::New(draft), None));
        let result = store.commit(&plan.with_layers(&store, Vec::from(layers)));
        match (result, resolves) {
            (Ok(_), true) => {
                let removed = store.remove(&ImageName::Id(plan.id()), RemoveOptions::default());
                removed.unwrap();
            }
            (
                Err(CommitError::UnresolvedLink {
                    diff_id,
                    path,
                    target,
                }),
                false,
            ) => {
                assert_eq!(
                    (diff_id, path, target),
                    (top_plan.diff_id(), link.path, link.target)
                );
            }
            (result, _) => panic!("{target:?}: {result:?}"),
        }
    }
    assert_eq!(check(&store, &[]), [""; 0]);
}

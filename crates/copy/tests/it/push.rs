//! The order of the requests of a push, and its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use windlass_copy::{
    BlobStatus, Budget, CopyContext, CopyError, CopyEvent, ImageChoice, PushError, PushTarget,
    gather, gather_referrers, to_repository,
};
use windlass_layout::{Batch, BatchImage};
use windlass_oci::{Descriptor, Digest, Reference, RepositoryName, Tag};
use windlass_operation::Operation;
use windlass_pull::RetryPolicy;
use windlass_registry::{Caller, Client, Endpoint, RegistryConfig, referrers_tag};
use windlass_testing::{IndexBuilder, Registry};

use crate::memory_source::{MemorySource, image_for};

fn repository(registry: &Registry, path: &str) -> RepositoryName {
    let reference: Reference = registry.name(path).parse().unwrap();
    reference.repository().clone()
}

/// Returns the repository `app` of `registry`, to which one blob is pushed at a time.
fn target(registry: &Registry) -> PushTarget {
    let client = Client::new(RegistryConfig::default()).unwrap();
    let endpoint = Endpoint::parse(registry.url()).unwrap();
    let name = repository(registry, "app");
    PushTarget {
        repository: client.repository_to_push(endpoint, name, &Caller::anonymous()),
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        concurrent_blobs: 1,
        mount_sources: BTreeMap::new(),
        chunk_size: None,
    }
}

/// Collects everything below `root` and its artifacts, as one image.
fn batch(source: &MemorySource, root: &Descriptor) -> Batch {
    let mut budget = Budget::default();
    let mut batch = gather(source, root, &ImageChoice::All, &mut budget)
        .unwrap()
        .batch;
    gather_referrers(source, &mut batch, &mut budget).unwrap();
    batch.images.push(BatchImage {
        root: root.clone(),
        names: Vec::new(),
        ref_name: None,
        named: None,
    });
    batch
}

/// The result of a push, and its events.
struct Pushed {
    result: Result<(), CopyError>,
    events: Vec<CopyEvent>,
}

fn push(source: &Arc<MemorySource>, root: &Descriptor, tags: &[&str], to: PushTarget) -> Pushed {
    prepare_and_push(source, root, tags, to, |_| {})
}

/// Pushes everything below `root` after a call of `prepare` in the same operation.
fn prepare_and_push(
    source: &Arc<MemorySource>,
    root: &Descriptor,
    tags: &[&str],
    to: PushTarget,
    prepare: impl FnOnce(&CopyContext) + Send + 'static,
) -> Pushed {
    let batch = batch(source, root);
    let tags: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let source = Arc::clone(source);
    let operation = Operation::blocking(move |context: &CopyContext| {
        prepare(context);
        to_repository(&*source, &batch, &tags, &to, context)
    });
    let mut events = Vec::new();
    let result = operation.run(|event| events.push(event)).unwrap();
    Pushed { result, events }
}

/// Returns the requests that change the registry, with names in place of digests and upload sessions.
fn changes(source: &MemorySource, registry: &Registry) -> Vec<String> {
    let requests = registry.requests().into_iter();
    let changes = requests.filter(|request| request.method != "HEAD" && request.method != "GET");
    changes
        .map(|request| {
            let digest = request.parameter("digest");
            let target = request.path.rsplit('/').next().unwrap_or_default();
            let target = match (digest, target.parse::<Digest>()) {
                (Some(digest), _) => source.name(&digest.parse().unwrap()).to_owned(),
                (None, Ok(digest)) => source.name(&digest).to_owned(),
                (None, Err(_)) => target.to_owned(),
            };
            let kind = match request.path.contains("/manifests/") {
                true => "manifest",
                false => "blob",
            };
            let status = request.status.unwrap_or_default();
            format!("{} {kind} {target} {status}", request.method)
        })
        .collect()
}

/// Returns the lines of `changes` without the starts of uploads, and the blobs sorted: their order is that of their
/// digests.
fn stored(source: &MemorySource, registry: &Registry) -> Vec<String> {
    let mut stored = changes(source, registry);
    stored.retain(|line| line.starts_with("PUT"));
    let documents = stored
        .iter()
        .position(|line| line.starts_with("PUT manifest"));
    let blobs = documents.unwrap_or(stored.len());
    stored[..blobs].sort();
    stored
}

fn writable() -> Registry {
    Registry::builder().writable().start()
}

/// An index of two images, with a signature of one of them.
fn signed_index() -> (MemorySource, Descriptor) {
    let mut source = MemorySource::default();
    let mut index = IndexBuilder::new();
    for architecture in ["s390x", "riscv64"] {
        let image = image_for(&format!("linux/{architecture}"));
        let subject = source.image(architecture, &image);
        if architecture == "s390x" {
            source.artifact("signature", &subject);
        }
        index = index.image(image);
    }
    let root = source.index("index", &index.pack());
    (source, root)
}

#[test]
fn an_image_is_sent_after_its_blobs_under_each_tag() {
    let registry = writable();
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    let source = Arc::new(source);
    push(&source, &root, &["1", "latest"], target(&registry))
        .result
        .unwrap();
    assert_eq!(
        stored(&source, &registry),
        [
            "PUT blob image config 201",
            "PUT blob image layer 201",
            "PUT manifest 1 201",
            "PUT manifest latest 201",
        ]
    );
}

#[test]
fn an_image_without_a_tag_is_sent_under_its_digest() {
    let registry = writable();
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    let source = Arc::new(source);
    push(&source, &root, &[], target(&registry)).result.unwrap();
    assert_eq!(
        stored(&source, &registry),
        [
            "PUT blob image config 201",
            "PUT blob image layer 201",
            "PUT manifest image 201",
        ]
    );
}

/// The registry itself rejects a manifest before the blobs and manifests that it refers to.
#[test]
fn an_index_is_sent_after_its_manifests_and_the_artifacts() {
    let registry = Registry::builder()
        .writable()
        .referrers_per_page(10)
        .start();
    let (source, root) = signed_index();
    let source = Arc::new(source);
    push(&source, &root, &["1"], target(&registry))
        .result
        .unwrap();
    let mut stored = stored(&source, &registry);
    let last = stored.pop().unwrap();
    assert_eq!(last, "PUT manifest 1 201");
    stored.sort();
    assert_eq!(
        stored,
        [
            "PUT blob empty config 201",
            "PUT blob riscv64 config 201",
            "PUT blob riscv64 layer 201",
            "PUT blob s390x config 201",
            "PUT blob s390x layer 201",
            "PUT blob signature blob 201",
            "PUT manifest riscv64 201",
            "PUT manifest s390x 201",
            "PUT manifest signature 201",
        ]
    );
}

#[test]
fn an_artifact_is_added_to_the_fallback_tag_if_the_registry_does_not_list_it() {
    let registry = writable();
    let mut source = MemorySource::default();
    let image = image_for("linux/s390x");
    let root = source.image("image", &image);
    source.artifact("signature", &root);
    let source = Arc::new(source);
    push(&source, &root, &["1"], target(&registry))
        .result
        .unwrap();
    let mut stored = stored(&source, &registry);
    stored.retain(|line| line.starts_with("PUT manifest"));
    assert_eq!(
        stored,
        [
            "PUT manifest signature 201".to_owned(),
            format!("PUT manifest {} 201", referrers_tag(&root.digest)),
            "PUT manifest 1 201".to_owned(),
        ]
    );
}

#[test]
fn an_artifact_keeps_its_tag() {
    let registry = writable();
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    let signature = source.image("signature", &image_for("linux/riscv64"));
    let tag = format!("{}.sig", referrers_tag(&root.digest));
    source.list(&root, signature, Some(tag.parse().unwrap()));
    let source = Arc::new(source);
    push(&source, &root, &["1"], target(&registry))
        .result
        .unwrap();
    let mut stored = stored(&source, &registry);
    stored.retain(|line| line.starts_with("PUT manifest"));
    assert_eq!(
        stored,
        [
            format!("PUT manifest {tag} 201"),
            "PUT manifest 1 201".to_owned()
        ]
    );
}

/// Returns the states of the blobs, by their names, in the order in which they were reported.
fn states<'a>(source: &'a MemorySource, pushed: &Pushed) -> BTreeMap<&'a str, Vec<BlobStatus>> {
    let mut states: BTreeMap<&str, Vec<BlobStatus>> = BTreeMap::new();
    for event in &pushed.events {
        if let CopyEvent::Blob { digest, status } = event {
            let of_blob = states.entry(source.name(digest)).or_default();
            of_blob.push(status.clone());
        }
    }
    for of_blob in states.values_mut() {
        // The first blob does not wait.
        of_blob.retain(|status| *status != BlobStatus::Waiting);
    }
    states
}

#[test]
fn the_blobs_are_planned_and_their_bytes_reported() {
    let registry = writable();
    let image = image_for("linux/s390x");
    let mut source = MemorySource::default();
    let root = source.image("image", &image);
    let source = Arc::new(source);
    let pushed = push(&source, &root, &["1"], target(&registry));
    let sizes = BTreeMap::from([
        (image.config_digest, image.config.len() as u64),
        (image.layers[0].digest, image.layers[0].size),
    ]);
    let planned = sizes
        .iter()
        .map(|(digest, size)| (*digest, *size))
        .collect();
    assert_eq!(pushed.events[0], CopyEvent::Planned(planned));
    let mut moved = BTreeMap::new();
    for event in &pushed.events {
        if let CopyEvent::Moved { digest, bytes } = event {
            *moved.entry(*digest).or_default() += bytes;
        }
    }
    assert_eq!(moved, sizes);
    let sent = [
        BlobStatus::Preparing,
        BlobStatus::Transferring,
        BlobStatus::Transferred,
    ];
    assert_eq!(
        states(&source, &pushed),
        BTreeMap::from([
            ("image config", sent.to_vec()),
            ("image layer", sent.to_vec()),
        ])
    );
}

#[test]
fn blobs_that_the_registry_has_are_skipped_or_mounted() {
    let registry = writable();
    let image = image_for("linux/s390x");
    registry.put_blob("app", image.config.clone());
    registry.push(&image, "base:1");
    let mut source = MemorySource::default();
    let root = source.image("image", &image);
    let source = Arc::new(source);
    let base = repository(&registry, "base");
    let target = PushTarget {
        mount_sources: BTreeMap::from([(image.layers[0].digest, base.clone())]),
        ..target(&registry)
    };
    let pushed = push(&source, &root, &["1"], target);
    pushed.result.as_ref().unwrap();
    assert_eq!(stored(&source, &registry), ["PUT manifest 1 201"]);
    assert_eq!(
        states(&source, &pushed),
        BTreeMap::from([
            (
                "image config",
                vec![BlobStatus::Preparing, BlobStatus::Exists]
            ),
            (
                "image layer",
                vec![BlobStatus::Preparing, BlobStatus::Mounted { from: base }]
            ),
        ])
    );
}

#[test]
fn no_manifest_is_sent_after_a_failed_blob() {
    let registry = writable();
    let image = image_for("linux/s390x");
    registry.uploads().status(500).then_ok();
    let mut source = MemorySource::default();
    let root = source.image("image", &image);
    let source = Arc::new(source);
    let pushed = push(&source, &root, &["1"], target(&registry));
    assert!(matches!(
        pushed.result,
        Err(CopyError::Push(PushError::Registry(_)))
    ));
    assert_eq!(changes(&source, &registry), ["POST blob  500"]);
}

/// The digest of a blob is verified while it is sent: the last piece is sent only if it is right.
#[test]
fn no_manifest_is_sent_after_a_blob_that_the_source_has_not_or_has_damaged() {
    for content in [None, Some("damaged")] {
        let registry = writable();
        let image = image_for("linux/s390x");
        let mut source = MemorySource::default();
        let root = source.image("image", &image);
        source.replace(&image.layers[0].digest, content);
        let source = Arc::new(source);
        let pushed = push(&source, &root, &["1"], target(&registry));
        let layer = image.layers[0].digest;
        assert!(matches!(
            pushed.result,
            Err(CopyError::Push(PushError::Read { digest, .. })) if digest == layer
        ));
        let stored = stored(&source, &registry);
        let manifests: Vec<_> = stored.iter().filter(|it| it.contains("manifest")).collect();
        assert_eq!(manifests, [""; 0]);
    }
}

#[test]
fn a_cancelled_push_sends_nothing() {
    let registry = writable();
    let mut source = MemorySource::default();
    let root = source.image("image", &image_for("linux/s390x"));
    let source = Arc::new(source);
    let cancel = |context: &CopyContext| context.cancellation().cancel();
    let pushed = prepare_and_push(&source, &root, &["1"], target(&registry), cancel);
    assert!(matches!(pushed.result, Err(CopyError::Cancelled)));
    assert_eq!(registry.log(), [""; 0]);
}

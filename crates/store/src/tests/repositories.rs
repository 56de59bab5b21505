//! Queries by repository, as a registry server makes them.

use windlass_oci::{Digest, RepositoryName, Tag};

use super::fixture::{ImagePlan, TestStore};
use crate::{ContentKind, RepositoryLookup, Store};

fn repository(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn listed(store: &Store, registry: Option<&str>, after: Option<&str>, limit: usize) -> Vec<String> {
    let after = after.map(repository);
    let found = store.repositories(registry, after.as_ref(), limit).unwrap();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn repositories_and_tags_come_in_order_and_in_pages() {
    let fixture = TestStore::new();
    let store = fixture.own();
    for (name, reference) in [
        ("a", "alpine:3"),
        ("b", "alpine:10"),
        ("c", "ghcr.io/x/y:1"),
        ("d", "ghcr.io:443/x/y:1"),
        ("e", "ghcr.io.test/x/y:1"),
    ] {
        ImagePlan::new(name, &["base"], reference)
            .pull(&store)
            .unwrap();
    }
    let alpine = repository("alpine");
    let all = [
        "docker.io/library/alpine",
        "ghcr.io.test/x/y",
        "ghcr.io/x/y",
        "ghcr.io:443/x/y",
    ];
    assert_eq!(listed(&store, None, None, 9), all);
    assert_eq!(listed(&store, None, Some("ghcr.io.test/x/y"), 1), all[2..3]);
    assert_eq!(listed(&store, Some("ghcr.io"), None, 9), all[2..3]);
    assert_eq!(listed(&store, Some("quay.io"), None, 9), [""; 0]);

    let tags = |after: Option<&str>, limit| {
        let after = after.map(tag);
        store.tags_of(&alpine, after.as_ref(), limit).unwrap()
    };
    assert_eq!(
        tags(None, 9),
        RepositoryLookup::Found(vec![tag("10"), tag("3")])
    );
    assert_eq!(tags(Some("10"), 9), RepositoryLookup::Found(vec![tag("3")]));
    assert_eq!(tags(None, 1), RepositoryLookup::Found(vec![tag("10")]));
    let none = store.tags_of(&repository("busybox"), None, 9).unwrap();
    assert_eq!(none, RepositoryLookup::NoRepository);
}

/// A digest alone does not give access to a blob.
#[test]
fn a_repository_has_only_the_content_of_its_images() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let one = ImagePlan::new("one", &["base"], "docker.io/one/app:1");
    let two = ImagePlan::new("two", &["top"], "docker.io/two/app:1");
    one.pull(&store).unwrap();
    two.pull(&store).unwrap();
    let (its, other) = (repository("one/app"), repository("two/app"));
    let layer = Digest::sha256(one.layers[0].blob());
    let keeps =
        |repository, digest: &Digest, what| store.lookup_content(repository, digest, what).unwrap();
    assert_eq!(
        keeps(&its, &layer, ContentKind::Blob),
        RepositoryLookup::Found(())
    );
    assert_eq!(
        keeps(&other, &layer, ContentKind::Blob),
        RepositoryLookup::Missing
    );
    let unknown = repository("three");
    assert_eq!(
        keeps(&unknown, &layer, ContentKind::Blob),
        RepositoryLookup::NoRepository
    );

    let target = store.target(&its, &tag("1")).unwrap();
    assert_eq!(target, RepositoryLookup::Found(one.target()));
    assert_eq!(
        store.target(&its, &tag("2")).unwrap(),
        RepositoryLookup::Missing
    );
    assert_eq!(
        keeps(&its, &one.target(), ContentKind::Manifest),
        RepositoryLookup::Found(())
    );
    assert_eq!(
        keeps(&its, &layer, ContentKind::Manifest),
        RepositoryLookup::Missing
    );
    assert_eq!(
        keeps(&its, one.id().digest(), ContentKind::Manifest),
        RepositoryLookup::Missing
    );
    assert_eq!(
        keeps(&its, one.id().digest(), ContentKind::Blob),
        RepositoryLookup::Found(())
    );
    let manifests = store.manifests_of(&its, 9).unwrap();
    assert_eq!(manifests, RepositoryLookup::Found(vec![one.target()]));

    // An image without a name is in no repository.
    let name = "one/app:1".parse().unwrap();
    store
        .remove(&name, crate::RemoveOptions::default())
        .unwrap();
    assert_eq!(
        store
            .lookup_content(&its, &layer, ContentKind::Blob)
            .unwrap()
            .found(),
        None
    );
}

//! How requests name repositories.

use crate::harness::{TestStore, image};

/// REF-1, REF-2, EP-1: mirror clients such as containerd name the registry in `ns`; other clients name it in the path, or
/// mean Docker Hub.
#[test]
fn a_repository_is_named_in_the_path_or_with_ns() {
    let store = TestStore::nothing();
    let hub = store.add(image("hub"), &["alpine:1"]);
    let port = store.add(image("port"), &["localhost:5000/alpine:1"]);
    let host = store.add(image("host"), &["ghcr.io/x/y:1"]);
    let server = store.serve();
    for (target, image) in [
        ("alpine/manifests/1", &hub),
        ("library/alpine/manifests/1", &hub),
        ("docker.io/library/alpine/manifests/1", &hub),
        ("library/alpine/manifests/1?ns=docker.io", &hub),
        ("alpine/manifests/1?ns=localhost:5000", &port),
        ("alpine/manifests/1?ns=localhost%3A5000", &port),
        ("localhost:5000/alpine/manifests/1", &port),
        ("ghcr.io/x/y/manifests/1", &host),
        ("x/y/manifests/1?ns=ghcr.io", &host),
    ] {
        let response = server.get(&format!("/v2/{target}"));
        assert_eq!(
            (response.status, response.body.as_slice()),
            (200, &*image.manifest),
            "{target}"
        );
    }
    // No other registry than the named one is tried.
    for target in [
        "x/y/manifests/1",
        "ghcr.io/x/y/manifests/1?ns=docker.io",
        "library/alpine/manifests/1?ns=ghcr.io",
        "alpine/manifests/1?ns=localhost:5001",
    ] {
        let response = server.get(&format!("/v2/{target}"));
        assert_eq!(
            response.error(),
            (404, "NAME_UNKNOWN".to_owned()),
            "{target}"
        );
    }
}

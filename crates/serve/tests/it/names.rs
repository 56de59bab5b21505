//! Which repository a request means.

use crate::harness::{Stored, image};

/// REF-1, REF-2, EP-1: containerd's mirrors name the registry beside the path; others have it in the path, or mean
/// Docker Hub.
#[test]
fn each_way_to_name_a_repository_leads_to_it() {
    let stored = Stored::nothing();
    let hub = stored.add(image("hub"), &["alpine:1"]);
    let port = stored.add(image("port"), &["localhost:5000/alpine:1"]);
    let host = stored.add(image("host"), &["ghcr.io/x/y:1"]);
    let serving = stored.serve();
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
        let said = serving.get(&format!("/v2/{target}"));
        assert_eq!(
            (said.status, said.body.as_slice()),
            (200, &*image.manifest),
            "{target}"
        );
    }
    // The registry that is named decides, and no other is tried.
    for target in [
        "x/y/manifests/1",
        "ghcr.io/x/y/manifests/1?ns=docker.io",
        "library/alpine/manifests/1?ns=ghcr.io",
        "alpine/manifests/1?ns=localhost:5001",
    ] {
        let said = serving.get(&format!("/v2/{target}"));
        assert_eq!(said.error(), (404, "NAME_UNKNOWN".to_owned()), "{target}");
    }
}

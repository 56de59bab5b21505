//! Lists of tags, repositories and referrers.

use serde_json::json;
use windlass_testing::{ImageBuilder, LayerBuilder};

use crate::harness::{TestServer, TestStore, image};

/// Follows the links from `target` on, and returns the entries under `key` of each page.
fn pages(server: &TestServer, target: &str, key: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(target.to_owned());
    while let Some(target) = next {
        let response = server.get(&target);
        assert_eq!(response.status, 200, "{target}");
        pages.push(serde_json::from_value(response.json()[key].clone()).unwrap());
        let link = response.field("link").strip_prefix('<');
        next = link.map(|link| link.split_once(">; rel=\"next\"").unwrap().0.to_owned());
    }
    pages
}

#[test]
fn tags_and_repositories_come_in_pages() {
    let names = [
        "alpine:3",
        "alpine:10",
        "alpine:edge",
        "ghcr.io/x/y:1",
        "localhost:5000/z:1",
    ];
    let (store, _) = TestStore::with(image("a"), &names);
    let server = store.serve();
    let tags = |target: &str| pages(&server, &format!("/v2/{target}"), "tags");
    assert_eq!(tags("alpine/tags/list"), [["10", "3", "edge"]]);
    let two: [&[&str]; 2] = [&["10", "3"], &["edge"]];
    assert_eq!(tags("alpine/tags/list?n=2"), two);
    assert_eq!(tags("library/alpine/tags/list?ns=docker.io&n=2"), two);
    assert_eq!(tags("alpine/tags/list?n=3"), [["10", "3", "edge"]]);
    assert_eq!(tags("alpine/tags/list?last=3"), [["edge"]]);
    assert_eq!(tags("alpine/tags/list?n=0")[0], [""; 0]);
    let response = server.get("/v2/library/alpine/tags/list");
    assert_eq!(response.json()["name"], "library/alpine");
    let response = server.get("/v2/busybox/tags/list");
    assert_eq!(response.error(), (404, "NAME_UNKNOWN".to_owned()));

    let all = [
        "docker.io/library/alpine",
        "ghcr.io/x/y",
        "localhost:5000/z",
    ];
    let repositories =
        |query: &str| pages(&server, &format!("/v2/_catalog{query}"), "repositories");
    assert_eq!(repositories(""), [all]);
    assert_eq!(repositories("?n=1"), all.map(|name| [name]));
    assert_eq!(repositories("?ns=docker.io"), [["library/alpine"]]);
    assert_eq!(repositories("?ns=localhost:5000&n=1"), [["z"]]);
    for query in ["?n=x", "?n=", "?n=1e3", "?last=UP"] {
        let response = server.get(&format!("/v2/_catalog{query}"));
        assert_eq!(
            response.error(),
            (400, "PAGINATION_NUMBER_INVALID".to_owned()),
            "{query}"
        );
    }
}

#[test]
fn referrers_in_the_store_are_listed() {
    const ABOUT: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let about = ImageBuilder::new().layer(LayerBuilder::new().file("a", "a")).manifest(|manifest| {
        manifest["subject"] = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": ABOUT, "size": 7,
        });
        manifest["annotations"] = json!({ "why": "test" });
    });
    let (store, image) = TestStore::with(about, &["app:1"]);
    let server = store.serve();
    let response = server.get(&format!("/v2/app/referrers/{ABOUT}"));
    assert_eq!(
        response.field("content-type"),
        "application/vnd.oci.image.index.v1+json"
    );
    let kind = "application/vnd.oci.image.config.v1+json";
    assert_eq!(
        response.json()["manifests"],
        json!([{
            "mediaType": image.media_type, "digest": image.digest, "size": image.manifest.len(),
            "annotations": { "why": "test" }, "artifactType": kind,
        }])
    );
    let target = format!("/v2/app/referrers/{ABOUT}?artifactType=");
    for (wanted, count) in [(kind.replace('+', "%2B"), 1), ("other".to_owned(), 0)] {
        let response = server.get(&format!("{target}{wanted}"));
        assert_eq!(response.field("oci-filters-applied"), "artifactType");
        assert_eq!(
            response.json()["manifests"].as_array().unwrap().len(),
            count,
            "{wanted}"
        );
    }
    let response = server.get(&format!("/v2/app/referrers/{}", image.digest));
    assert_eq!(response.json()["manifests"], json!([]));
    let response = server.get("/v2/app/referrers/sha256:x");
    assert_eq!(response.error(), (400, "DIGEST_INVALID".to_owned()));
    let response = server.get(&format!("/v2/other/referrers/{ABOUT}"));
    assert_eq!(response.code(), "NAME_UNKNOWN");
}

//! A registry that caches another.

use windlass_testing::Ca;
use windlass_testing::real::{DockerRegistry, RegistryAuth, TokenServer};

use super::{RegistryFixture, can_inspect, can_run};

const TOOLS: &[&str] = &["docker-registry", "skopeo", "gzip"];

#[test]
fn a_cache_serves_its_upstream_and_accepts_no_pushes() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let upstream = DockerRegistry::start(&fixture.path("upstream"), RegistryAuth::Open).unwrap();
    fixture.push(&upstream, "hold/app");
    let cache = DockerRegistry::builder(&fixture.path("cache"))
        .cache_of(&upstream)
        .start()
        .unwrap();

    for copy in ["one", "two"] {
        cache.copy("hold/app:it", &fixture.path(copy)).unwrap();
        fixture.assert_copied(&fixture.path(copy));
    }

    // The number of requests varies: serving and storing are two downloads.
    let requests = upstream.requests().unwrap();
    for hex in fixture.blobs() {
        let path = format!("/v2/hold/app/blobs/sha256:{hex}");
        assert!(
            requests
                .iter()
                .any(|it| it.is_blob_download() && it.path == path)
        );
    }
    assert!(cache.push(fixture.layout.dir(), "it", "hold/new").is_err());
    assert!(!can_inspect(
        &upstream,
        "hold/new:it",
        &["--tls-verify=false"]
    ));
}

#[test]
fn a_cache_gets_tokens_for_its_upstream() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let ca = Ca::new();
    let tokens = TokenServer::builder().tls(&Ca::new()).start().unwrap();
    let upstream = DockerRegistry::builder(&fixture.path("upstream"))
        .access(RegistryAuth::Tokens(tokens.authority()))
        .tls(&ca)
        .start()
        .unwrap();
    fixture.push(&upstream, "hold/app");
    let cache = DockerRegistry::builder(&fixture.path("cache"))
        .cache_of(&upstream)
        .access(RegistryAuth::Basic)
        .tls(&ca)
        .start()
        .unwrap();

    cache.copy("hold/app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    let open = ["--tls-verify=false", "--no-creds"];
    assert!(!can_inspect(&cache, "hold/app:it", &open));
}

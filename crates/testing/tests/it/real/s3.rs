//! A registry whose blobs are in S3, with `moto` as a stand-in.

use std::collections::BTreeSet;

use windlass_testing::real::{DockerRegistry, RegistryAuth, S3};

use super::{RegistryFixture, can_run};
use crate::client::{get, request};

const TOOLS: &[&str] = &["docker-registry", "moto_server", "skopeo", "gzip"];

#[test]
fn blobs_are_downloaded_by_presigned_urls() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let s3 = S3::start(&fixture.path("s3")).unwrap();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .access(RegistryAuth::Basic)
        .s3(&s3)
        .start()
        .unwrap();
    fixture.push(&registry, "hold/app");
    // During a push, skopeo checks which blobs exist.
    let before = s3.presigned_requests().len();

    registry.copy("hold/app:it", &fixture.path("copy")).unwrap();

    fixture.assert_copied(&fixture.path("copy"));
    let requests = s3.presigned_requests().split_off(before);
    assert!(
        requests.iter().all(|request| request.method == "GET"
            && request.status == 200
            && !request.has_authorization),
        "{requests:#?}"
    );
    let requested: BTreeSet<_> = requests
        .iter()
        .filter_map(|request| request.path.split('/').rev().nth(1).map(str::to_owned))
        .collect();
    assert_eq!(requested, fixture.blobs().into_iter().collect());
    let own = s3.requests();
    let own = own.iter().filter(|request| !request.is_presigned);
    assert!(own.clone().count() > 0 && own.clone().all(|request| request.has_authorization));
}

#[test]
fn a_redirect_leads_to_another_host_without_credentials() {
    if !can_run(TOOLS) {
        return;
    }
    let fixture = RegistryFixture::new();
    let s3 = S3::start(&fixture.path("s3")).unwrap();
    let registry = DockerRegistry::builder(&fixture.path("registry"))
        .s3(&s3)
        .start()
        .unwrap();
    fixture.push(&registry, "app");
    let blob = format!("/v2/app/blobs/sha256:{}", fixture.blobs()[1]);

    let redirect = request(registry.address(), "GET", &blob, &[]);

    assert_eq!(redirect.status, 307);
    let location = redirect.header("Location").unwrap();
    let signed = location.strip_prefix(&s3.url()).unwrap();
    assert_ne!(s3.address().ip(), registry.address().ip());
    let part = get(s3.address(), signed, &["Range: bytes=2-4"]);
    assert_eq!((part.status, part.body.len()), (206, 3));
    let refused = get(s3.address(), signed, &["Authorization: Bearer secret"]);
    assert_eq!(refused.status, 400);
    let recorded: Vec<_> = s3
        .presigned_requests()
        .into_iter()
        .filter(|request| request.method == "GET")
        .map(|request| (request.has_authorization, request.range, request.status))
        .collect();
    let range = Some("bytes=2-4".to_owned());
    assert_eq!(recorded, [(false, range, 206), (true, None, 400)]);
}

//! Uploads of blobs and manifests to a scripted registry.

use std::io;
use std::net::Ipv4Addr;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::mpsc::channel;
use windlass_oci::{Descriptor, Digest, RepositoryName};
use windlass_registry::{
    Credentials, Endpoint, NextStep, RegistryConfig, RegistryError, Repository, SendOutcome,
    StreamingBody, TagOrDigest, Upload, UploadStart, referrers_tag,
};
use windlass_testing::{LayerBuilder, Registry};

use crate::support::{basic, caller, client, layer, noise, report, tag};

fn writable() -> Registry {
    Registry::builder().writable().start()
}

/// Opens a session that may write to the repository `app`.
fn to_push(registry: &Registry, credentials: Credentials) -> Repository {
    let endpoint = Endpoint::parse(registry.url()).expect("the test has a good URL");
    let caller = caller(&endpoint, credentials);
    let name = repository(registry, "app");
    client(RegistryConfig::default()).repository_to_push(endpoint, name, &caller)
}

fn repository(registry: &Registry, name: &str) -> RepositoryName {
    let reference: windlass_oci::Reference =
        registry.name(name).parse().expect("it is a good name");
    reference.repository().clone()
}

fn body(bytes: &[u8]) -> StreamingBody {
    let (send, pieces) = channel(1);
    let (length, bytes) = (bytes.len() as u64, Bytes::copy_from_slice(bytes));
    tokio::spawn(async move { send.send(io::Result::Ok(bytes)).await });
    StreamingBody::new(pieces, length)
}

async fn begin(repository: &Repository, digest: &Digest) -> Result<Upload, RegistryError> {
    match repository.begin_upload(digest, None).await? {
        UploadStart::Upload(upload) => Ok(upload),
        UploadStart::Mounted => panic!("expected an upload, not a mount"),
    }
}

fn blob(bytes: &[u8]) -> Descriptor {
    layer(Digest::sha256(bytes), bytes.len() as u64)
}

#[tokio::test]
async fn a_blob_is_sent_whole_or_in_chunks() {
    let registry = Registry::builder().min_chunk(1000).start();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(2500);
    let blob = blob(&bytes);
    assert!(!repository.has_blob(&blob).await.unwrap());
    let mut whole = begin(&repository, &blob.digest).await.unwrap();
    assert_eq!(
        whole.put(body(&bytes)).await.unwrap(),
        SendOutcome::Accepted
    );
    assert!(repository.has_blob(&blob).await.unwrap());

    registry.remove_blob(&blob.digest);
    let mut pieces = begin(&repository, &blob.digest).await.unwrap();
    assert_eq!(pieces.min_chunk(), 1000);
    for piece in bytes.chunks(1000) {
        let sent = pieces.send(body(piece), piece.len() as u64).await.unwrap();
        assert_eq!(sent, SendOutcome::Accepted);
    }
    pieces.finish().await.unwrap();
    assert!(repository.has_blob(&blob).await.unwrap());
    // The upload state of the registry is sent back unchanged.
    let states = registry
        .requests()
        .into_iter()
        .filter(|it| it.method == "PATCH");
    assert!(
        states
            .into_iter()
            .all(|it| it.parameter("_state").is_some())
    );
}

#[tokio::test]
async fn an_interrupted_upload_is_resumed() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(100_000);
    let blob = blob(&bytes);
    let mut upload = begin(&repository, &blob.digest).await.unwrap();
    registry
        .uploads()
        .for_patch()
        .hang_up_after(30_000)
        .then_ok();
    let error = upload.send(body(&bytes), 100_000).await.unwrap_err();
    assert_eq!(
        error.next_step(),
        NextStep::Retry { after: None },
        "{error}"
    );
    upload.resume().await.unwrap();
    assert_eq!(upload.offset(), 30_000);
    let rest = &bytes[30_000..];
    upload.send(body(rest), rest.len() as u64).await.unwrap();
    upload.finish().await.unwrap();
    assert!(repository.has_blob(&blob).await.unwrap());
    let patches = registry
        .requests()
        .into_iter()
        .filter(|it| it.method == "PATCH");
    let ranges: Vec<_> = patches
        .map(|it| it.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, [None, Some("30000-99999".to_owned())]);
}

/// An upload whose received length differs from the sent length is resumed or fails.
#[tokio::test]
async fn an_upload_with_an_unexpected_offset_is_queried() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(1000);
    let mut upload = begin(&repository, &Digest::sha256(&bytes)).await.unwrap();
    registry
        .uploads()
        .for_patch()
        .status(416)
        .header("range", "0-9")
        .then_ok();
    let error = upload.send(body(&bytes), 1000).await.unwrap_err();
    assert_eq!(
        error.next_step(),
        NextStep::Retry { after: None },
        "{error}"
    );
    upload.resume().await.unwrap();
    assert_eq!(upload.offset(), 0);
    registry
        .uploads()
        .for_patch()
        .header("range", "0-99")
        .then_ok();
    let error = upload.send(body(&bytes), 1000).await.unwrap_err();
    assert!(matches!(error, RegistryError::Size { .. }), "{error:?}");
}

/// R8: an upload to another host is rejected, and no password is sent there.
#[tokio::test]
async fn an_upload_stays_on_its_registry() {
    let evil = Registry::builder()
        .on(Ipv4Addr::new(127, 0, 0, 2))
        .writable()
        .start();
    let registry = Registry::builder()
        .basic("me", "hunter2")
        .writable()
        .start();
    let repository = to_push(&registry, basic("me", "hunter2"));
    let bytes = noise(100);
    let elsewhere = format!("{}/v2/app/blobs/uploads/1?_state=secret", evil.url());
    registry
        .uploads()
        .for_post()
        .status(202)
        .header("location", &elsewhere)
        .then_ok();
    let error = begin(&repository, &Digest::sha256(&bytes))
        .await
        .unwrap_err();
    let message = report(&error, &registry);
    let expected = format!(
        "upload of {} to app at REGISTRY: redirect refused: an upload to another host: {}",
        Digest::sha256(&bytes),
        evil.url()
    );
    assert_eq!(message, expected);
    assert!(evil.requests().is_empty());

    // A redirect of the upload itself is not followed either.
    let mut upload = begin(&repository, &Digest::sha256(&bytes)).await.unwrap();
    registry
        .uploads()
        .for_put()
        .redirect_to(&elsewhere)
        .then_ok();
    let error = upload.put(body(&bytes)).await.unwrap_err();
    let message = report(&error, &registry);
    let expected = format!(
        "upload of {} to app at REGISTRY: redirect refused: an upload to another host: {}",
        Digest::sha256(&bytes),
        evil.url()
    );
    assert_eq!(message, expected);
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn blobs_are_mounted_or_sent() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let from = crate::uploads::repository(&registry, "other");
    let existing = registry.push_layer(LayerBuilder::of_size(100), "other");
    let started = repository
        .begin_upload(&existing, Some(&from))
        .await
        .unwrap();
    assert!(matches!(started, UploadStart::Mounted));
    let unknown = Digest::sha256(b"unknown");
    let started = repository
        .begin_upload(&unknown, Some(&from))
        .await
        .unwrap();
    assert!(matches!(started, UploadStart::Upload(_)));
    assert_eq!(registry.requests().len(), 2);

    // Mounting only saves time: after an error, a plain upload follows.
    for status in [400, 401, 403, 404, 405, 408, 500, 503] {
        registry.uploads().for_post().status(status).then_ok();
        let started = repository
            .begin_upload(&unknown, Some(&from))
            .await
            .unwrap();
        assert!(matches!(started, UploadStart::Upload(_)), "{status}");
    }
    // A request for a pause is an error.
    registry
        .uploads()
        .for_post()
        .status(429)
        .retry_after(7)
        .then_ok();
    let error = repository
        .begin_upload(&unknown, Some(&from))
        .await
        .unwrap_err();
    let after = Some(std::time::Duration::from_secs(7));
    assert_eq!(error.next_step(), NextStep::Retry { after });
}

/// The token server may refuse the request because of the repository to mount from.
#[tokio::test]
async fn a_token_that_is_refused_for_the_mount_does_not_fail_the_upload() {
    let registry = Registry::builder()
        .writable()
        .bearer()
        .account("me", "right")
        .start();
    let repository = to_push(&registry, basic("me", "right"));
    let from = crate::uploads::repository(&registry, "other");
    let digest = Digest::sha256(b"new");
    let blob = layer(registry.push_layer(LayerBuilder::of_size(100), "app"), 100);
    assert!(repository.has_blob(&blob).await.is_ok());
    for status in [401, 403, 404, 500] {
        registry.token().status(status).then_ok();
        let started = repository.begin_upload(&digest, Some(&from)).await;
        assert!(matches!(started, Ok(UploadStart::Upload(_))), "{status}");
    }
}

/// Some registries omit the location after a chunk, and some redirect requests within themselves.
#[tokio::test]
async fn the_location_of_an_upload_may_stay_or_move() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(100);
    let digest = Digest::sha256(&bytes);
    let mut upload = begin(&repository, &digest).await.unwrap();
    registry.uploads().for_patch().status(202).then_ok();
    upload.send(body(&bytes), 100).await.unwrap();
    registry.uploads().for_put().status(201).then_ok();
    upload.finish().await.unwrap();
    let [.., patch, put] = &registry.requests()[..] else {
        panic!("expected several requests")
    };
    assert_eq!(
        (patch.method.as_str(), put.method.as_str()),
        ("PATCH", "PUT")
    );
    assert_eq!(patch.path, put.path);

    registry
        .uploads()
        .for_post()
        .status(307)
        .header("location", "/v2/app/blobs/uploads/?moved=1")
        .then_ok();
    let mut upload = begin(&repository, &digest).await.unwrap();
    registry
        .uploads()
        .for_put()
        .status(308)
        .header("location", "?digest=x&moved=1")
        .then_ok();
    let outcome = upload.put(body(&bytes)).await.unwrap();
    assert_eq!(outcome, SendOutcome::Resend);
    let last = registry.requests().pop().unwrap();
    assert_eq!(last.method, "PUT");
}

/// A registry that announces another digest than the sent one is an error.
#[tokio::test]
async fn the_announced_digest_is_that_of_the_sent_bytes() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(100);
    let (right, wrong) = (Digest::sha256(&bytes), Digest::sha256(b"wrong"));
    let mut upload = begin(&repository, &right).await.unwrap();
    registry.uploads().for_put().digest(wrong).then_ok();
    let error = upload.put(body(&bytes)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");

    let mut upload = begin(&repository, &wrong).await.unwrap();
    let error = upload.put(body(&bytes)).await.unwrap_err();
    let message = report(&error, &registry);
    let expected = format!(
        "upload of {wrong} to app at REGISTRY: unexpected status 400: provided digest did not match \
         uploaded content"
    );
    assert_eq!(message, expected);

    let index = json!({"schemaVersion": 2, "manifests": []}).to_string();
    let index_type = "application/vnd.oci.image.index.v1+json";
    registry.manifest("1").for_put().digest(wrong).then_ok();
    let error = repository
        .put_manifest(&tag("1"), index_type, index.as_bytes())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
    repository
        .put_manifest(&tag("1"), index_type, index.as_bytes())
        .await
        .unwrap();
}

/// HT-12: a body can be sent once only; after a new token it is requested again.
#[tokio::test]
async fn a_token_that_expires_during_an_upload_is_renewed() {
    let registry = Registry::builder().bearer().writable().start();
    let repository = to_push(&registry, Credentials::Anonymous);
    let bytes = noise(100);
    let digest = Digest::sha256(&bytes);
    let mut upload = begin(&repository, &digest).await.unwrap();
    registry.expire_tokens();
    assert_eq!(upload.put(body(&bytes)).await.unwrap(), SendOutcome::Resend);
    assert_eq!(
        upload.put(body(&bytes)).await.unwrap(),
        SendOutcome::Accepted
    );
    let tokens = registry
        .requests()
        .into_iter()
        .filter(|it| it.path == "/token");
    let scopes: Vec<_> = tokens.filter_map(|it| it.query).collect();
    assert_eq!(scopes.len(), 2);
    for scope in scopes {
        assert_eq!(
            scope,
            "service=registry.test&scope=repository%3Aapp%3Apull%2Cpush"
        );
    }
}

fn artifact(registry: &Registry, subject: &Digest, name: &str) -> Descriptor {
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": format!("application/{name}"),
        "config": windlass_testing::descriptor("application/vnd.oci.empty.v1+json", Digest::sha256(b"{}"), 2),
        "layers": [],
        "subject": windlass_testing::descriptor("application/vnd.oci.image.manifest.v1+json", *subject, 7),
    });
    let bytes = manifest.to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let size = bytes.len() as u64;
    let digest = registry.put_manifest("app", media_type, bytes);
    let json = windlass_testing::descriptor(media_type, digest, size);
    serde_json::from_value(json).expect("it is a descriptor")
}

#[tokio::test]
async fn referrers_are_listed_page_by_page() {
    let registry = Registry::builder().referrers_per_page(2).start();
    let repository = to_push(&registry, Credentials::Anonymous);
    let subject = Digest::sha256(b"subject");
    let mut expected: Vec<_> = (0..5)
        .map(|number| artifact(&registry, &subject, &number.to_string()).digest)
        .collect();
    expected.sort();
    let mut found: Vec<_> = repository.referrers(&subject).await.unwrap();
    found.sort_by_key(|found| found.digest);
    assert_eq!(
        found.iter().map(|found| found.digest).collect::<Vec<_>>(),
        expected
    );
    assert!(found[0].artifact_type.is_some());
    assert_eq!(registry.requests().len(), 3);
    assert_eq!(
        repository
            .referrers(&Digest::sha256(b"other"))
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn pages_of_referrers_are_limited() {
    let evil = Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start();
    let registry = Registry::builder().referrers_per_page(2).start();
    let repository = to_push(&registry, Credentials::Anonymous);
    let subject = Digest::sha256(b"subject");
    artifact(&registry, &subject, "a");
    let here = format!("</v2/app/referrers/{subject}>; rel=\"next\"");
    let there = format!("<{}/v2/>; rel=\"next\"", evil.url());
    for link in [&here, &there] {
        registry.referrers(&subject).header("link", link).then_ok();
        let error = repository.referrers(&subject).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Malformed { .. }),
            "{error:?}"
        );
    }
    let more = |page: u64| format!("</v2/app/referrers/{subject}?page={page}>; rel=\"next\"");
    for page in 0..120 {
        registry
            .referrers(&subject)
            .header("link", more(page))
            .then_ok();
    }
    let error = repository.referrers(&subject).await.unwrap_err();
    let expected = format!(
        "referrers of app@{subject} at REGISTRY: malformed response: it has more than 100 pages"
    );
    assert_eq!(report(&error, &registry), expected);
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn registries_without_the_api_use_a_tag() {
    let registry = writable();
    let repository = to_push(&registry, Credentials::Anonymous);
    let subject = Digest::sha256(b"subject");
    assert_eq!(repository.referrers(&subject).await.unwrap(), []);
    let (one, two) = (
        artifact(&registry, &subject, "1"),
        artifact(&registry, &subject, "2"),
    );
    for artifact in [&one, &two, &one] {
        repository.add_referrer(&subject, artifact).await.unwrap();
    }
    let found = repository.referrers(&subject).await.unwrap();
    assert_eq!(found, [one, two]);
    let target = TagOrDigest::Tag(referrers_tag(&subject));
    assert!(repository.document(&target).await.unwrap().is_some());
    // The fallback tag is used for any response other than a list.
    for status in [400, 404, 405, 501] {
        registry.referrers(&subject).status(status).then_ok();
        assert_eq!(
            repository.referrers(&subject).await.unwrap().len(),
            2,
            "{status}"
        );
    }
    registry.referrers(&subject).html().then_ok();
    assert_eq!(repository.referrers(&subject).await.unwrap().len(), 2);
}

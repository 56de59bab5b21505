//! Mirrors: requests, credentials and order.

use std::net::Ipv4Addr;
use std::sync::Arc;

use windlass_registry::{Caller, HostConfig, RegistryError, Secret, StaticCredentials};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{
    app, basic, client, drain, fetch, host, layer, mirrored, noise, read, upstream,
};

fn server() -> Registry {
    let server = Registry::start();
    server.push(ImageBuilder::new(), "app:1");
    server
}

/// EP-1, EP-2: a mirror comes first, is used below its path, and gets the registry as `ns`.
#[tokio::test]
async fn a_mirror_gets_the_registry_as_namespace() {
    let server = server();
    for (builder, override_path, path) in [
        (Registry::builder(), false, "/v2"),
        (Registry::builder().base_path("/hub"), false, "/hub/v2"),
        (
            Registry::builder().override_path("/proxy/hub"),
            true,
            "/proxy/hub",
        ),
    ] {
        let mirror = builder
            .mirror_of_as("upstream.test", &server)
            .tags_per_page(1)
            .start();
        server.push(ImageBuilder::new(), "app:2");
        let configured = HostConfig {
            override_path,
            ..host(&mirror)
        };
        let config = mirrored(configured, &server);
        let endpoints = upstream(&config);
        assert!(endpoints[0].is_mirror() && !endpoints[1].is_mirror());
        let client = client(config);
        let repository = client.repository(endpoints[0].clone(), app(), &Caller::anonymous());
        let image = fetch(&repository).await.unwrap();
        repository.tags().await.unwrap();
        let windlass_oci::Manifest::Image(manifest) = image.manifest else {
            panic!("{:?}", image.manifest)
        };
        repository
            .blob_bytes(&manifest.config, 1 << 20)
            .await
            .unwrap();

        let requests = mirror.requests();
        assert!(requests.len() >= 4, "{:?}", mirror.log());
        for request in requests {
            assert!(request.path.starts_with(path), "{request}");
            assert_eq!(request.parameter("ns").as_deref(), Some("upstream.test"));
        }
    }
    assert_eq!(server.log().len(), 0);
}

/// D12, T29: a mirror gets its own credentials, never those of the registry.
#[tokio::test]
async fn a_mirror_does_not_get_the_registrys_credentials() {
    let server = Registry::builder().basic("me", "hunter2").start();
    server.push(ImageBuilder::new(), "app:1");
    let mirror = Registry::builder().basic("me", "hunter2").start();
    let config = mirrored(host(&mirror), &server);
    let endpoints = upstream(&config);
    let client = client(config);
    let caller = Caller::new(Arc::new(StaticCredentials {
        host: server.host(),
        credentials: basic("me", "hunter2"),
    }));
    let open = |place: usize| client.repository(endpoints[place].clone(), app(), &caller);
    let error = fetch(&open(0)).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    assert!(!mirror.received_authorization());
    assert!(error.falls_back(&endpoints[0], &endpoints[1]));
    fetch(&open(1)).await.unwrap();
}

/// Configured headers are sent to their host only: not after a redirect, and not to the token server.
#[tokio::test]
async fn configured_headers_are_sent_to_their_host_only() {
    let cdn = Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start();
    let tokens = Registry::builder()
        .on(Ipv4Addr::new(127, 0, 0, 3))
        .bearer()
        .start();
    let mirror = Registry::builder()
        .bearer_at(&format!("{}/token", tokens.url()))
        .start();
    let bytes = noise(100);
    let digest = mirror.put_blob("app", bytes.clone());
    cdn.put_path("/data", bytes.clone());
    let to_cdn = format!("{}/data", cdn.url());
    mirror
        .blob(&digest)
        .before_auth()
        .redirect_to(&to_cdn)
        .then_ok();
    let configured = HostConfig {
        headers: vec![("x-client".to_owned(), Secret::new("hunter2"))],
        ..host(&mirror)
    };
    let config = mirrored(configured, &mirror);
    let endpoint = upstream(&config).swap_remove(0);
    let repository = client(config).repository(endpoint, app(), &Caller::anonymous());
    let (read, _, error) = read(&repository, &layer(digest, 100), 0).await;
    assert!(error.is_none() && read == bytes, "{error:?}");
    fetch(&repository).await.unwrap_err();

    assert!(cdn.requests().len() == 1 && !tokens.requests().is_empty());
    assert!(!cdn.received("hunter2") && !tokens.received("hunter2"));
    for request in mirror.requests() {
        assert_eq!(request.header("x-client"), Some("hunter2"), "{request}");
    }
}

/// T29: a mirror that sent wrong content is demoted for a fixed time; blobs may still come from it.
#[tokio::test]
async fn a_mirror_with_wrong_content_comes_last() {
    let server = server();
    let mirror = Registry::builder()
        .mirror_of_as("upstream.test", &server)
        .start();
    mirror
        .every_manifest()
        .body(r#"{"schemaVersion":2}"#)
        .then_ok();
    let config = mirrored(host(&mirror), &server);
    let endpoints = upstream(&config);
    let client = client(config);
    assert_eq!(client.order(&endpoints), endpoints);
    let repository = client.repository(endpoints[0].clone(), app(), &Caller::anonymous());
    let error = fetch(&repository).await.unwrap_err();
    assert!(matches!(error, RegistryError::Digest { .. }), "{error:?}");
    assert!(error.falls_back(&endpoints[0], &endpoints[1]));
    // A valid response does not end this fault.
    fetch(&repository).await.unwrap();
    let [mirror, registry] = endpoints.try_into().unwrap();
    let ordered = client.order(&[mirror.clone(), registry.clone()]);
    assert_eq!(ordered, [registry, mirror]);
}

/// The registry itself is never demoted, and its blobs arrive complete.
#[tokio::test]
async fn the_registry_is_never_demoted() {
    let server = server();
    let bytes = noise(10);
    let digest = server.put_blob("app", bytes.clone());
    let mirror = Registry::start();
    let config = mirrored(host(&mirror), &server);
    let endpoints = upstream(&config);
    let client = client(config);
    client.record_fault(
        endpoints[1].origin(),
        windlass_registry::EndpointFault::WrongDigest,
    );
    assert_eq!(client.order(&endpoints), endpoints);
    let repository = client.repository(endpoints[1].clone(), app(), &Caller::anonymous());
    let stream = repository.blob(&layer(digest, 10), 0).await.unwrap();
    let (read, _, error) = drain(stream).await;
    assert!(error.is_none() && read == bytes, "{error:?}");
}

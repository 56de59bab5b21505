//! Foreign layers: permitted origins, without credentials (S2-9, D3, T22).

use std::net::Ipv4Addr;

use windlass_oci::Descriptor;
use windlass_registry::{Client, RegistryConfig, RegistryError, RegistryHosts};
use windlass_testing::Registry;

use crate::support::{app, client, drain, layer, noise};

const SIZE: usize = 1000;

/// Returns a client that permits foreign layers of `upstream.test` from `places`.
fn allowing(places: &[&str]) -> Client {
    let hosts = RegistryHosts {
        foreign_hosts: places.iter().map(ToString::to_string).collect(),
        ..RegistryHosts::default()
    };
    let mut config = RegistryConfig::default();
    let named = &mut config.registries.named;
    named.insert("upstream.test".to_owned(), hosts);
    client(config)
}

/// Returns a descriptor of a layer with `urls`.
fn foreign(bytes: &[u8], urls: &[String]) -> Descriptor {
    Descriptor {
        urls: urls.to_vec(),
        ..layer(windlass_oci::Digest::sha256(bytes), bytes.len() as u64)
    }
}

/// S2-9: only listed origins are permitted; none by default.
#[test]
fn only_listed_origins_are_permitted() {
    let urls = [
        "https://layers.test/a",
        "https://layers.test:444/a",
        "https://layers.test:443/b",
        "http://layers.test/a",
        "http://plain.test/a",
        "https://me:hunter2@layers.test/a",
        "https://me@layers.test/a",
        "https://other.test/a",
        "http://127.0.0.1:81/a",
        "http://169.254.169.254/",
        "ftp://layers.test/a",
        "file:///etc/passwd",
        "layers.test/a",
        "",
    ];
    let descriptor = foreign(b"x", &urls.map(str::to_owned));
    let places = |client: &Client| -> Vec<_> {
        let allowed = client.foreign_urls(&app(), &descriptor);
        allowed.iter().map(|it| it.origin().to_string()).collect()
    };
    let all = allowing(&[
        "https://layers.test",
        "http://plain.test",
        "http://127.0.0.1:81",
        "ftp://layers.test",
        "garbage",
    ]);
    assert_eq!(
        places(&all),
        [
            "https://layers.test",
            "https://layers.test",
            "http://127.0.0.1:81"
        ]
    );
    assert_eq!(places(&allowing(&[])), [""; 0]);
    assert_eq!(places(&client(RegistryConfig::default())), [""; 0]);
}

/// S2-9: a layer is fetched whole, or resumed.
#[tokio::test]
async fn a_foreign_layer_is_fetched() {
    let place = Registry::start();
    let bytes = noise(SIZE);
    place.put_path("/layer", bytes.clone());
    let client = allowing(&[place.url()]);
    let descriptor = foreign(&bytes, &[format!("{}/layer", place.url())]);
    let url = &client.foreign_urls(&app(), &descriptor)[0];
    for offset in [0, 400, 1000] {
        let stream = client.foreign_blob(url, &descriptor, offset).await.unwrap();
        let (read, start, error) = drain(stream).await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(start, offset);
        assert!(read == bytes[usize::try_from(offset).unwrap()..]);
    }
    let other = foreign(&bytes[1..], &[]);
    let error = client.foreign_blob(url, &other, 0).await.unwrap_err();
    assert!(matches!(error, RegistryError::Size { .. }), "{error:?}");
}

/// D3, T22: no challenge is answered, and no token server is contacted.
#[tokio::test]
async fn a_challenge_is_not_answered() {
    let tokens = Registry::builder().bearer().start();
    let place = Registry::start();
    let bytes = noise(SIZE);
    for challenge in [
        r#"Basic realm="x""#.to_owned(),
        format!(
            r#"Bearer realm="{}/token",service="registry.test""#,
            tokens.url()
        ),
    ] {
        place.path("/layer").unauthorized(&challenge).then_ok();
        let client = allowing(&[place.url()]);
        let descriptor = foreign(&bytes, &[format!("{}/layer", place.url())]);
        let url = &client.foreign_urls(&app(), &descriptor)[0];
        let error = client.foreign_blob(url, &descriptor, 0).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Unauthorized { .. }),
            "{error:?}"
        );
    }
    assert_eq!((place.log().len(), tokens.log().len()), (2, 0));
    assert!(!place.received_authorization());
}

/// T22, T26: redirects of foreign layers follow the same rules as others.
#[tokio::test]
async fn a_redirect_follows_the_same_rules() {
    let (place, cdn) = (
        Registry::start(),
        Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start(),
    );
    let bytes = noise(SIZE);
    cdn.put_path("/layer", bytes.clone());
    let client = allowing(&[place.url()]);
    let descriptor = foreign(&bytes, &[format!("{}/layer", place.url())]);
    let url = &client.foreign_urls(&app(), &descriptor)[0];
    let to_cdn = format!("{}/layer", cdn.url());
    place.path("/layer").redirect_to(&to_cdn).then_ok();
    let stream = client.foreign_blob(url, &descriptor, 0).await.unwrap();
    assert!(drain(stream).await.0 == bytes);
    place
        .path("/layer")
        .redirect_to("http://169.254.169.254/latest")
        .then_ok();
    let error = client.foreign_blob(url, &descriptor, 0).await.unwrap_err();
    assert!(matches!(error, RegistryError::Redirect { .. }), "{error:?}");
}

/// I7: presigned URLs are not shown.
#[tokio::test]
async fn a_foreign_url_is_not_shown() {
    let place = Registry::start();
    let client = allowing(&[place.url()]);
    let at = format!("{}/layer?signature=hunter2", place.url());
    let descriptor = foreign(b"x", &[at]);
    let url = &client.foreign_urls(&app(), &descriptor)[0];
    let error = client.foreign_blob(url, &descriptor, 0).await.unwrap_err();
    let shown = format!("{error} {error:?} {url:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        matches!(error, RegistryError::BlobUnknown { .. }),
        "{error:?}"
    );
}

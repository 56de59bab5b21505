//! I7: no secret in an error, in any format, or in a log line.

use std::error::Error;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::{DefaultGuard, set_default};

use windlass_registry::{Credentials, RegistryConfig, RegistryError, Secret};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{basic, client, fetch, layer, noise, open_as, read, session};

/// The secrets: a password, its Basic form, an identity token and a presigned query.
const SECRETS: [&str; 4] = ["hunter2", "bWU6aHVudGVyMg", "refresh-me", "hunter3"];

fn assert_no_secrets(text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in: {text}");
    }
}

/// Collects the log lines of this crate, at every level, on this thread.
#[derive(Clone, Default)]
struct LogCapture(Arc<Mutex<String>>);

impl LogCapture {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = set_default(log.clone());
        (log, guard)
    }

    fn text(&self) -> String {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, String> {
        self.0
            .lock()
            .expect("no thread panics while it holds the lock")
    }
}

impl tracing::Subscriber for LogCapture {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("windlass")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut FieldWriter(&mut self.lines()));
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        attributes.record(&mut FieldWriter(&mut self.lines()));
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut FieldWriter(&mut self.lines()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct FieldWriter<'a>(&'a mut String);

impl Visit for FieldWriter<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        writeln!(self.0, "{field}={value:?}").expect("writing to a String does not fail");
    }
}

fn assert_error_has_no_secrets(error: &RegistryError) {
    assert_no_secrets(&format!("{error} {error:?} {error:#?}"));
    let mut cause = error.source();
    while let Some(error) = cause {
        assert_no_secrets(&format!("{error} {error:?} {error:#?}"));
        cause = error.source();
    }
}

/// T26, T30: no failure at a presigned URL shows the URL.
#[tokio::test]
async fn presigned_urls_are_not_in_errors_nor_logs() {
    let (log, _guard) = LogCapture::start();
    let cdn = Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start();
    let gone = Registry::start();
    let nowhere = gone.url().to_owned();
    drop(gone);
    let registry = Registry::builder().basic("me", "hunter2").start();
    let digest = registry.put_blob("app", noise(1000));
    let repository = open_as(&registry, basic("me", "hunter2"));

    let at_cdn = format!("{}/data?signature=hunter3", cdn.url());
    let mut targets = vec![
        format!("{nowhere}/data?signature=hunter3"),
        "http://me:hunter3@127.0.0.1/?signature=hunter3".to_owned(),
        "ftp://127.0.0.1/?signature=hunter3".to_owned(),
        "http://169.254.169.254/?signature=hunter3".to_owned(),
    ];
    cdn.path("/data").status(403).body("hunter3").then_ok();
    cdn.path("/data").status(500).then_ok();
    cdn.path("/data").raw("nonsense").then_ok();
    cdn.path("/data").raw("").then_ok();
    cdn.path("/data").body(noise(1000)).cut_after(500).then_ok();
    cdn.path("/data")
        .body(noise(1000))
        .reset_after(500)
        .then_ok();
    cdn.path("/data").body(noise(7)).then_ok();
    cdn.path("/data").redirect_to(&at_cdn).forever();
    targets.resize(12, at_cdn);
    for target in targets {
        registry.blob(&digest).redirect_to(&target).then_ok();
        let (_, _, error) = read(&repository, &layer(digest, 1000), 0).await;
        assert_error_has_no_secrets(&error.unwrap());
    }
    assert!(log.text().contains("127.0.0.2"), "{}", log.text());
    assert_no_secrets(&log.text());
}

/// T25, T27, T30.
#[tokio::test]
async fn credentials_are_not_in_errors_nor_logs() {
    let (log, _guard) = LogCapture::start();
    for credentials in [
        basic("me", "hunter2"),
        Credentials::IdentityToken(Secret::new("refresh-me")),
    ] {
        let registry = Registry::builder().bearer().account("you", "other").start();
        registry.push(ImageBuilder::new(), "app:1");
        for status in [302, 400, 401, 403, 404, 429, 500] {
            registry.token().status(status).then_ok();
            registry.token().for_post().status(status).then_ok();
            let repository = open_as(&registry, credentials.clone());
            assert_error_has_no_secrets(&fetch(&repository).await.unwrap_err());
            assert_no_secrets(&format!("{repository:?}"));
        }
        registry.token().raw("nonsense").then_ok();
        registry.token().for_post().raw("nonsense").then_ok();
        assert_error_has_no_secrets(
            &fetch(&open_as(&registry, credentials.clone()))
                .await
                .unwrap_err(),
        );
    }
    assert!(log.text().contains("token for app"), "{}", log.text());
    assert_no_secrets(&log.text());
}

#[tokio::test]
async fn a_bad_registry_token_is_not_in_the_error() {
    let registry = Registry::builder().bearer().start();
    registry.push(ImageBuilder::new(), "app:1");
    let credentials = Credentials::RegistryToken(Secret::new("hunter2\r\nx-evil: 1"));
    let error = fetch(&open_as(&registry, credentials)).await.unwrap_err();
    assert_error_has_no_secrets(&error);
    assert!(!registry.received("hunter2"));
}

/// The password of a proxy is not shown either.
#[tokio::test]
async fn a_proxy_password_is_not_shown() {
    let mut config = RegistryConfig::default();
    config.proxies.http = Some(Secret::new("http://me:hunter2@127.0.0.1:1"));
    config.proxies.https = Some(Secret::new("http://me:hunter2@127.0.0.1:1"));
    let client_of = client(config.clone());
    assert_no_secrets(&format!("{client_of:?} {config:?}"));

    config.proxies.http = Some(Secret::new("hunter2://[nonsense"));
    let error = windlass_registry::Client::new(config).unwrap_err();
    assert_no_secrets(&format!("{error} {error:?}"));
    assert!(error.source().is_none());

    // Loopback is reached without the proxy, which does not exist.
    let registry = Registry::start();
    registry.push(ImageBuilder::new(), "app:1");
    fetch(&session(&client_of, &registry, Credentials::Anonymous))
        .await
        .unwrap();
}

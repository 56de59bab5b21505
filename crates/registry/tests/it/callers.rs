//! Callers: lookup of credentials, and tokens that are shared or not.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use windlass_registry::{
    AuthError, Caller, CredentialError, CredentialProvider, CredentialScope, Credentials, Endpoint,
    NextStep, RegistryConfig, RegistryError, Repository,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{app, basic, client, fetch, report};

/// Returns the same credentials for every scope and records the scopes.
#[derive(Debug)]
struct RecordingProvider {
    answer: Result<Credentials, &'static str>,
    scopes: Mutex<Vec<CredentialScope>>,
}

impl CredentialProvider for RecordingProvider {
    fn credentials<'a>(
        &'a self,
        scope: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let mut scopes = self
            .scopes
            .lock()
            .expect("no thread panics while it holds the lock");
        scopes.push(scope.clone());
        let answer = self.answer.clone();
        Box::pin(async move {
            // Yields to other tasks, like a slow credential helper.
            tokio::task::yield_now().await;
            answer.map_err(|text| CredentialError::new(io::Error::other(text)))
        })
    }
}

fn ring(answer: Result<Credentials, &'static str>) -> (Arc<RecordingProvider>, Caller) {
    let scopes = Mutex::default();
    let ring = Arc::new(RecordingProvider { answer, scopes });
    (ring.clone(), Caller::new(ring))
}

fn push(registry: &Registry) {
    registry.push(ImageBuilder::new(), "app:1");
}

fn open(registry: &Registry, caller: &Caller) -> Repository {
    let endpoint = Endpoint::parse(registry.url()).expect("it has a good URL");
    client(RegistryConfig::default()).repository(endpoint, app(), caller)
}

/// HT-11: no credentials are looked up for, or sent to, a registry without authentication.
#[tokio::test]
async fn an_open_registry_needs_no_lookup() {
    let registry = Registry::start();
    push(&registry);
    let (ring, caller) = ring(Ok(basic("me", "hunter2")));
    fetch(&open(&registry, &caller)).await.unwrap();
    assert_eq!(ring.scopes.lock().unwrap().len(), 0);
    assert!(!registry.received_authorization());
}

/// T35: concurrent requests share one lookup and one token.
#[tokio::test]
async fn credentials_are_looked_up_once() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    push(&registry);
    let (ring, caller) = ring(Ok(basic("me", "hunter2")));
    let repository = open(&registry, &caller);
    let (first, second, third) =
        tokio::join!(fetch(&repository), fetch(&repository), fetch(&repository));
    for fetched in [first, second, third] {
        fetched.unwrap();
    }
    registry.expire_tokens();
    fetch(&repository).await.unwrap();
    let scope = CredentialScope {
        host: registry.host(),
        repository: "app".to_owned(),
    };
    assert_eq!(*ring.scopes.lock().unwrap(), [scope]);
    let tokens = registry.requests().into_iter();
    assert_eq!(tokens.filter(|it| it.path == "/token").count(), 2);
}

/// D9, T30: a failed lookup stops the pull with its reason, and is not repeated by every request.
#[tokio::test]
async fn a_failed_lookup_stops_the_pull() {
    for builder in [
        Registry::builder().basic("me", "hunter2"),
        Registry::builder().bearer(),
    ] {
        let registry = builder.start();
        push(&registry);
        let (ring, caller) = ring(Err("the helper was killed after 30 s"));
        let repository = open(&registry, &caller);
        for _ in 0..2 {
            let error = fetch(&repository).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    RegistryError::Auth {
                        source: AuthError::Credentials(_),
                        ..
                    }
                ),
                "{error:?}"
            );
            assert_eq!(
                report(&error, &registry),
                "token for app from REGISTRY: cannot authenticate: the credentials cannot be looked up: \
                 the helper was killed after 30 s"
            );
            assert_eq!(error.next_step(), NextStep::Stop);
        }
        assert_eq!(ring.scopes.lock().unwrap().len(), 1);
        let paths = registry.requests().into_iter().map(|it| it.path);
        assert!(paths.into_iter().all(|path| path != "/token"));
    }
}

/// D13: the sessions of one caller with one repository share its token; another caller has to authenticate
/// even after the first has succeeded.
#[tokio::test]
async fn callers_share_no_token() {
    let registry = Registry::builder()
        .bearer()
        .account("me", "hunter2")
        .start();
    push(&registry);
    let client = client(RegistryConfig::default());
    let endpoint = Endpoint::parse(registry.url()).unwrap();
    let name: windlass_oci::Reference = registry.name("app").parse().unwrap();
    let open =
        |caller: &Caller| client.repository(endpoint.clone(), name.repository().clone(), caller);
    let (_, me) = ring(Ok(basic("me", "hunter2")));

    fetch(&open(&me)).await.unwrap();
    let before = registry.log().len();
    fetch(&open(&me.clone())).await.unwrap();
    assert_eq!(
        registry.log()[before..],
        ["GET /v2/app/manifests/1 200"],
        "the same caller has a token already"
    );

    let before = registry.log().len();
    let error = fetch(&open(&Caller::anonymous())).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Unauthorized { .. }),
        "{error:?}"
    );
    let after = &registry.requests()[before..];
    assert!(after.iter().all(|it| it.authorization().is_none()));
}

/// RFC 7617: a user name that cannot be separated from the password is not sent.
#[tokio::test]
async fn a_user_name_with_a_colon_is_not_sent() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    push(&registry);
    let (_, caller) = ring(Ok(basic("me:you", "hunter2")));
    let error = fetch(&open(&registry, &caller)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "token for app from REGISTRY: cannot authenticate: the user name contains a colon or a control \
         character"
    );
    assert!(!registry.received_authorization());
}

//! Callers: whose credentials are used, when they are looked up, and who shares a token.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use windlass_registry::{
    AuthError, Caller, CredentialError, CredentialProvider, CredentialScope, Credentials, Endpoint,
    NextStep, RegistryConfig, RegistryError, Repository,
};
use windlass_testing::{ImageBuilder, Registry};

use crate::support::{app, basic, client, fetch, report};

/// Has the same for every door, and writes down who knocked.
#[derive(Debug)]
struct Ring {
    answer: Result<Credentials, &'static str>,
    context: Mutex<Vec<CredentialScope>>,
}

impl CredentialProvider for Ring {
    fn credentials<'a>(
        &'a self,
        door: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        let mut context = self.context.lock().expect("nobody panics with it");
        context.push(door.clone());
        let answer = self.answer.clone();
        Box::pin(async move {
            // Lets others in, as a helper that takes its time does.
            tokio::task::yield_now().await;
            answer.map_err(|text| CredentialError::new(io::Error::other(text)))
        })
    }
}

fn ring(answer: Result<Credentials, &'static str>) -> (Arc<Ring>, Caller) {
    let context = Mutex::default();
    let ring = Arc::new(Ring { answer, context });
    (ring.clone(), Caller::new(ring))
}

fn push(registry: &Registry) {
    registry.push(ImageBuilder::new(), "app:1");
}

fn open(registry: &Registry, caller: &Caller) -> Repository {
    let endpoint = Endpoint::parse(registry.url()).expect("it has a good URL");
    client(RegistryConfig::default()).repository(endpoint, app(), caller)
}

/// HT-11: who lets everybody in is not told who is asking, and nobody is asked for it.
#[tokio::test]
async fn an_open_registry_asks_no_keyring() {
    let registry = Registry::start();
    push(&registry);
    let (ring, caller) = ring(Ok(basic("me", "hunter2")));
    fetch(&open(&registry, &caller)).await.unwrap();
    assert_eq!(ring.context.lock().unwrap().len(), 0);
    assert!(!registry.received_authorization());
}

/// T35: however many requests there are at a time, one of them asks the keyring, and one the token server.
#[tokio::test]
async fn the_keyring_is_asked_once() {
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
    let door = CredentialScope {
        host: registry.host(),
        repository: "app".to_owned(),
    };
    assert_eq!(*ring.context.lock().unwrap(), [door]);
    let tokens = registry.requests().into_iter();
    assert_eq!(tokens.filter(|it| it.path == "/token").count(), 2);
}

/// D9, T30: a keyring that fails is not an empty one: the pull stops and says why, and the keyring is not
/// asked by every request anew.
#[tokio::test]
async fn a_keyring_that_fails_stops_the_pull() {
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
        assert_eq!(ring.context.lock().unwrap().len(), 1);
        let paths = registry.requests().into_iter().map(|it| it.path);
        assert!(paths.into_iter().all(|path| path != "/token"));
    }
}

/// D13: the sessions of one caller with one repository share its token; another caller proves himself anew,
/// also where the first one has been let in.
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

/// RFC 7617: a name that the password could not be told from is not sent at all.
#[tokio::test]
async fn a_user_name_with_a_colon_is_not_sent() {
    let registry = Registry::builder().basic("me", "hunter2").start();
    push(&registry);
    let (_, caller) = ring(Ok(basic("me:you", "hunter2")));
    let error = fetch(&open(&registry, &caller)).await.unwrap_err();
    assert_eq!(
        report(&error, &registry),
        "token for app from REGISTRY: cannot authenticate: the user name has a colon or a control \
         character in it"
    );
    assert!(!registry.received_authorization());
}

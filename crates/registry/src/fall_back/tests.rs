//! The table of what leads on, row by row.

use windlass_http::SetupError;
use windlass_oci::{Digest, ManifestError};

use super::*;
use crate::config::RegistryConfig;
use crate::error::{DigestMismatch, RequestContext};
use crate::hosts::{HostConfig, RegistryHosts};
use crate::keyring::CredentialError;
use crate::realm::RealmError;
use crate::redirect::RedirectError;
use crate::token::TokenError;

/// A mirror, the registry in TLS, and the same in the clear.
fn endpoints() -> [Endpoint; 3] {
    let mirror = HostConfig::new("https://mirror.test".parse().unwrap());
    let mut config = RegistryConfig {
        insecure: vec!["registry.test".to_owned()],
        ..RegistryConfig::default()
    };
    config.registries.default = RegistryHosts {
        mirrors: vec![mirror],
        ..RegistryHosts::default()
    };
    let reference: windlass_oci::Reference = "registry.test/app".parse().unwrap();
    let endpoints = Endpoint::of(reference.repository(), &config).unwrap();
    endpoints.try_into().unwrap()
}

fn context(kind: RequestKind) -> Box<RequestContext> {
    Box::new(RequestContext {
        origin: crate::Origin::parse("https://registry.test").unwrap(),
        repository: "app".to_owned(),
        kind,
    })
}

fn ping() -> Box<RequestContext> {
    context(RequestKind::Ping)
}

fn auth(source: AuthError) -> RegistryError {
    let context = ping();
    RegistryError::Auth { context, source }
}

fn manifest(target: TagOrDigest) -> RegistryError {
    RegistryError::Manifest {
        context: context(RequestKind::Manifest(target)),
        source: ManifestError::Schema1,
    }
}

fn reason() -> String {
    "x".to_owned()
}

fn timeout(waiting_for: WaitPhase) -> RegistryError {
    let context = ping();
    RegistryError::Timeout {
        context,
        waiting_for,
    }
}

fn size(expected: u64, found: u64) -> RegistryError {
    RegistryError::Size {
        context: ping(),
        expected,
        found,
    }
}

/// What can be made without a socket, by what it says about who was asked.
fn errors() -> Vec<(RegistryError, Conduct)> {
    use Conduct::{Answer, Disorder, Interruption, Irrelevant, Lie, Nonsense, Silence};
    let digest = Digest::sha256("x");
    let mismatch = Box::new(DigestMismatch {
        expected: digest,
        found: digest,
    });
    let context = ping;
    vec![
        (
            RegistryError::Setup {
                context: context(),
                source: SetupError::UserAgent,
            },
            Irrelevant,
        ),
        (
            auth(AuthError::Credentials(CredentialError::new("x"))),
            Irrelevant,
        ),
        (auth(AuthError::RegistryToken), Irrelevant),
        (auth(AuthError::Username), Irrelevant),
        (manifest(TagOrDigest::Digest(digest)), Irrelevant),
        (timeout(WaitPhase::Connection), Silence),
        (timeout(WaitPhase::Response), Silence),
        (
            RegistryError::Proxy {
                context: context(),
                source: windlass_http::ProxyFailure::NotAProxy,
            },
            Silence,
        ),
        (
            RegistryError::NotARegistry {
                context: context(),
                reason: reason(),
            },
            Nonsense,
        ),
        (timeout(WaitPhase::Body), Interruption),
        (size(10, 9), Interruption),
        (size(10, 11), Lie),
        (
            RegistryError::Digest {
                context: context(),
                mismatch,
            },
            Lie,
        ),
        (
            RegistryError::DigestHeader {
                context: context(),
                header: reason(),
            },
            Lie,
        ),
        (
            RegistryError::TooLarge {
                context: context(),
                limit: 1,
            },
            Lie,
        ),
        (
            RegistryError::Malformed {
                context: context(),
                reason: reason(),
            },
            Lie,
        ),
        (
            RegistryError::Unavailable {
                context: context(),
                status: 503,
                retry_after: None,
            },
            Disorder,
        ),
        (
            RegistryError::Unauthorized {
                context: context(),
                reason: reason(),
            },
            Answer,
        ),
        (
            RegistryError::Denied {
                context: context(),
                reason: reason(),
            },
            Answer,
        ),
        (RegistryError::NameUnknown { context: context() }, Answer),
        (
            RegistryError::ManifestUnknown { context: context() },
            Answer,
        ),
        (RegistryError::BlobUnknown { context: context() }, Answer),
        (
            RegistryError::TooManyRequests {
                context: context(),
                retry_after: None,
            },
            Answer,
        ),
        (
            RegistryError::Unexpected {
                context: context(),
                status: 418,
                reason: reason(),
            },
            Answer,
        ),
        (
            RegistryError::Storage {
                context: context(),
                target: context().origin,
                status: 403,
            },
            Answer,
        ),
        (
            RegistryError::Redirect {
                context: context(),
                source: RedirectError::Inside,
            },
            Answer,
        ),
        (
            auth(AuthError::Realm {
                realm: reason(),
                source: RealmError::Inside,
            }),
            Answer,
        ),
        (auth(AuthError::Token(TokenError::Missing)), Answer),
        (auth(AuthError::PlainHttp), Answer),
        (
            manifest(TagOrDigest::Tag(windlass_oci::Tag::latest())),
            Answer,
        ),
    ]
}

/// FB-6, FB-9, FB-13: the table.
#[test]
fn what_leads_on_from_a_mirror_and_from_the_registry() {
    for (error, conduct) in errors() {
        let [mirror, secure, plain] = endpoints();
        assert_eq!(error.conduct(), conduct, "{error:?}");
        assert_eq!(
            error.falls_back(&mirror, &secure),
            conduct != Conduct::Irrelevant,
            "{error:?}"
        );
        // The registry's word stands; and what came over TLS does not lead out of it (FB-4).
        assert_eq!(
            error.falls_back(&secure, &plain),
            conduct == Conduct::Silence,
            "{error:?}"
        );
        assert_eq!(
            error.falls_back(&plain, &secure),
            matches!(conduct, Conduct::Silence | Conduct::Nonsense),
            "{error:?}"
        );
    }
}

/// FB-4, HT-6: once it has answered in TLS, not even silence leads to plain http on the same host.
#[test]
fn an_answer_in_tls_is_remembered() {
    let [mirror, secure, plain] = endpoints();
    secure.clone().note_answer();
    mirror.note_answer();
    let silence = timeout(WaitPhase::Connection);
    assert!(!silence.falls_back(&secure, &plain));
    assert!(silence.falls_back(&mirror, &secure));
    assert!(silence.falls_back(&plain, &secure));
    let [_, fresh, _] = endpoints();
    assert!(silence.falls_back(&fresh, &plain));
}

/// D1, T28: a listed host whose certificate is not believed is asked in the clear; no other ever is.
#[test]
fn a_host_in_the_clear_has_to_be_listed() {
    let reference: windlass_oci::Reference = "registry.test/app".parse().unwrap();
    let endpoints = Endpoint::of(reference.repository(), &RegistryConfig::default()).unwrap();
    assert!(endpoints.iter().all(Endpoint::is_https));
}

/// D9, T30: what only the user can mend stops a pull; what one registry said does not stop the next.
#[test]
fn the_users_own_affairs_stop_a_pull() {
    use crate::next_step::NextStep;
    for (error, conduct) in errors() {
        let stops = error.next_step() == NextStep::Stop;
        assert_eq!(stops, conduct == Conduct::Irrelevant, "{error:?}");
    }
}

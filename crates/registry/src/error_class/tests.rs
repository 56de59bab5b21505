//! The table of fallbacks, row by row.

use windlass_http::SetupError;
use windlass_oci::{Digest, ManifestError};

use super::*;
use crate::config::RegistryConfig;
use crate::credential_provider::CredentialError;
use crate::error::DigestMismatch;
use crate::hosts::{HostConfig, RegistryHosts};
use crate::origin::Origin;
use crate::realm::RealmError;
use crate::redirect::RedirectError;
use crate::request_context::RequestContext;
use crate::token::TokenError;

/// A mirror, the registry with TLS, and the registry without TLS.
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
        origin: Origin::parse("https://registry.test").unwrap(),
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

/// Errors that need no socket, with their classes.
fn errors() -> Vec<(RegistryError, FailureClass)> {
    use FailureClass::{
        Interrupted, LocalProblem, NoResponse, NotARegistry, Unavailable, ValidResponse,
        WrongContent,
    };
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
            LocalProblem,
        ),
        (
            auth(AuthError::Credentials(CredentialError::new("x"))),
            LocalProblem,
        ),
        (auth(AuthError::RegistryToken), LocalProblem),
        (auth(AuthError::Username), LocalProblem),
        (manifest(TagOrDigest::Digest(digest)), LocalProblem),
        (timeout(WaitPhase::Connection), NoResponse),
        (timeout(WaitPhase::Response), NoResponse),
        (
            RegistryError::Proxy {
                context: context(),
                source: windlass_http::ProxyFailure::NotAProxy,
            },
            NoResponse,
        ),
        (
            RegistryError::NotARegistry {
                context: context(),
                reason: reason(),
            },
            NotARegistry,
        ),
        (timeout(WaitPhase::Body), Interrupted),
        (size(10, 9), Interrupted),
        (size(10, 11), WrongContent),
        (
            RegistryError::Digest {
                context: context(),
                mismatch,
            },
            WrongContent,
        ),
        (
            RegistryError::DigestHeader {
                context: context(),
                header: reason(),
            },
            WrongContent,
        ),
        (
            RegistryError::TooLarge {
                context: context(),
                limit: 1,
            },
            WrongContent,
        ),
        (
            RegistryError::Malformed {
                context: context(),
                reason: reason(),
            },
            WrongContent,
        ),
        (
            RegistryError::Unavailable {
                context: context(),
                reason: String::new(),
                status: 503,
                retry_after: None,
            },
            Unavailable,
        ),
        (
            RegistryError::Unauthorized {
                context: context(),
                reason: reason(),
            },
            ValidResponse,
        ),
        (
            RegistryError::Denied {
                context: context(),
                reason: reason(),
            },
            ValidResponse,
        ),
        (
            RegistryError::NameUnknown {
                context: context(),
                reason: String::new(),
            },
            ValidResponse,
        ),
        (
            RegistryError::ManifestUnknown {
                context: context(),
                reason: String::new(),
            },
            ValidResponse,
        ),
        (
            RegistryError::BlobUnknown {
                context: context(),
                reason: String::new(),
            },
            ValidResponse,
        ),
        (
            RegistryError::TooManyRequests {
                context: context(),
                reason: String::new(),
                retry_after: None,
            },
            ValidResponse,
        ),
        (
            RegistryError::Unexpected {
                context: context(),
                status: 418,
                reason: reason(),
            },
            ValidResponse,
        ),
        (
            RegistryError::Storage {
                context: context(),
                target: context().origin,
                status: 403,
            },
            ValidResponse,
        ),
        (
            RegistryError::Redirect {
                context: context(),
                source: RedirectError::LocalAddress,
            },
            ValidResponse,
        ),
        (
            auth(AuthError::Realm {
                realm: reason(),
                source: RealmError::InternalAddress,
            }),
            ValidResponse,
        ),
        (auth(AuthError::Token(TokenError::Missing)), ValidResponse),
        (auth(AuthError::PlainHttp), ValidResponse),
        (
            manifest(TagOrDigest::Tag(windlass_oci::Tag::latest())),
            ValidResponse,
        ),
    ]
}

/// FB-6, FB-9, FB-13: the table.
#[test]
fn fallbacks_of_a_mirror_and_of_the_registry() {
    for (error, class) in errors() {
        let [mirror, secure, plain] = endpoints();
        assert_eq!(error.failure_class(), class, "{error:?}");
        assert_eq!(
            error.falls_back(&mirror, &secure),
            class != FailureClass::LocalProblem,
            "{error:?}"
        );
        // The response of the registry is final, and a response with TLS has no fallback without (FB-4).
        assert_eq!(
            error.falls_back(&secure, &plain),
            class == FailureClass::NoResponse,
            "{error:?}"
        );
        assert_eq!(
            error.falls_back(&plain, &secure),
            matches!(class, FailureClass::NoResponse | FailureClass::NotARegistry),
            "{error:?}"
        );
    }
}

/// FB-4, HT-6: after a response with TLS, plain http on the same host is not tried, even if there is no
/// response later.
#[test]
fn a_response_with_tls_is_remembered() {
    let [mirror, secure, plain] = endpoints();
    secure.clone().record_response();
    mirror.record_response();
    let no_response = timeout(WaitPhase::Connection);
    assert!(!no_response.falls_back(&secure, &plain));
    assert!(no_response.falls_back(&mirror, &secure));
    assert!(no_response.falls_back(&plain, &secure));
    let [_, fresh, _] = endpoints();
    assert!(no_response.falls_back(&fresh, &plain));
}

/// D1, T28: plain http is tried only for hosts that are listed as insecure.
#[test]
fn plain_http_requires_a_listed_host() {
    let reference: windlass_oci::Reference = "registry.test/app".parse().unwrap();
    let endpoints = Endpoint::of(reference.repository(), &RegistryConfig::default()).unwrap();
    assert!(endpoints.iter().all(Endpoint::is_https));
}

/// D9, T30: problems that only the user can fix stop a pull; an error of one registry does not.
#[test]
fn local_problems_stop_a_pull() {
    use crate::retry_decision::NextStep;
    for (error, class) in errors() {
        let stops = error.next_step() == NextStep::Stop;
        assert_eq!(stops, class == FailureClass::LocalProblem, "{error:?}");
    }
}

/// EP-4: of two endpoints of one registry, the error of the one that could have worked is shown.
#[test]
fn the_error_of_the_request_that_got_furthest_is_shown() {
    let context = || {
        Box::new(RequestContext {
            origin: Origin::parse("https://reg.test").unwrap(),
            repository: "app".to_owned(),
            kind: RequestKind::Ping,
        })
    };
    let not_a_registry = RegistryError::NotARegistry {
        context: context(),
        reason: "/v2/ returns status 400".to_owned(),
    };
    let timeout = |waiting_for| RegistryError::Timeout {
        context: context(),
        waiting_for,
    };
    let denied = RegistryError::Denied {
        context: context(),
        reason: String::new(),
    };
    let in_order = [
        timeout(WaitPhase::Connection),
        timeout(WaitPhase::Response),
        not_a_registry,
        denied,
    ];
    for (place, error) in in_order.iter().enumerate() {
        for (other_place, other) in in_order.iter().enumerate() {
            assert_eq!(
                error.is_more_specific_than(other),
                place > other_place,
                "{error} and {other}"
            );
        }
    }
}

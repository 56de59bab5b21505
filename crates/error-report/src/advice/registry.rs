//! Advice for errors of registries and connections.

use std::time::Duration;

use jiff::SignedDuration;
use windlass::error::{
    AccessError, AuthError, ConnectFailure, EndpointError, EndpointsError, ManifestError,
    ProxyFailure, RegistryError, TlsProblem,
};
use windlass::image::DEFAULT_REGISTRY;
use windlass_credentials::{CredentialLocation, CredentialSource};

use super::{Advice, corrupt_advice, malformed_advice};
use crate::{ErrorCode, LoginState};

/// Messages of a denial that do not contain the cause.
const STANDARD_DENIALS: [&str; 4] = [
    "access denied",
    "denied",
    "permission denied",
    "requested access to the resource is denied",
];

/// A registry and the credentials that are configured for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RegistryAccess<'a> {
    pub(crate) registry: &'a str,
    pub(crate) login: &'a LoginState,
}

/// Returns the advice for a login that a registry rejects.
pub(crate) fn login_advice(error: &AccessError, registry: &str) -> Advice {
    match error {
        AccessError::Endpoint(error) => endpoint_advice(error),
        AccessError::Registry(
            RegistryError::Unauthorized { .. } | RegistryError::Denied { .. },
        ) => {
            let hint = match registry {
                DEFAULT_REGISTRY => {
                    "check the username and password; with two-factor authentication, use a personal access token as \
                     password"
                }
                _ => {
                    "check the username and password; many registries require an access token as password"
                }
            };
            Advice::hint(ErrorCode::Unauthorized, hint)
        }
        AccessError::Registry(error) => registry_advice(
            error,
            &RegistryAccess {
                registry,
                login: &LoginState::Missing,
            },
        ),
    }
}

/// Returns the advice for a request that failed on every endpoint.
///
/// The error of the registry itself decides.
pub(crate) fn endpoints_advice(error: &EndpointsError, access: &RegistryAccess<'_>) -> Advice {
    registry_advice(&error.error, access)
}

pub(crate) fn registry_advice(error: &RegistryError, access: &RegistryAccess<'_>) -> Advice {
    let registry = access.registry;
    let host = error.context().origin.authority();
    match error {
        RegistryError::Unauthorized { .. } => {
            Advice::hint(ErrorCode::Unauthorized, unauthorized_hint(access))
        }
        RegistryError::Denied { reason, .. } => {
            Advice::hint(ErrorCode::Denied, denied_hint(reason, registry))
        }
        RegistryError::NameUnknown { .. } | RegistryError::ManifestUnknown { .. } => {
            Advice::hint(ErrorCode::NotFound, "check the name and the tag")
        }
        RegistryError::BlobUnknown { .. } => Advice::hint(
            ErrorCode::BlobMissing,
            "push the image again; if it is a foreign layer, such as those of Windows images, allow its host with \
             `foreign-layers` in windlass.toml",
        ),
        RegistryError::TooManyRequests { retry_after, .. } => Advice::hint(
            ErrorCode::RateLimited,
            rate_limit_hint(*retry_after, access),
        ),
        // The registry explains the rejection, such as a policy or a quota: a repetition does not help.
        RegistryError::Unexpected {
            status: 400..500,
            reason,
            ..
        } if !reason.is_empty() => Advice::hint(
            ErrorCode::Rejected,
            "the request was rejected; if the message is not clear, ask the administrator of the registry",
        ),
        RegistryError::Unavailable { .. }
        | RegistryError::Storage { .. }
        | RegistryError::Unexpected { .. } => {
            Advice::hint(ErrorCode::Unavailable, "try again later")
        }
        RegistryError::NotARegistry { .. } => Advice::hint(
            ErrorCode::NotARegistry,
            "check the host and port in the name",
        ),
        RegistryError::Auth { source, .. } => auth_advice(source, access),
        RegistryError::Redirect { .. } => Advice::code(ErrorCode::RedirectRefused),
        RegistryError::Digest { .. } | RegistryError::Size { .. } => corrupt_advice(),
        RegistryError::DigestHeader { .. } | RegistryError::Malformed { .. } => {
            Advice::code(ErrorCode::Protocol)
        }
        RegistryError::Interrupted { .. } | RegistryError::Transport { .. } => {
            Advice::hint(ErrorCode::Network, "check the network and try again")
        }
        RegistryError::TooLarge { .. } => Advice::code(ErrorCode::TooLarge),
        RegistryError::Timeout { .. } => Advice::hint(
            ErrorCode::Timeout,
            "check the network and the proxy, then try again",
        ),
        RegistryError::Setup { .. } => Advice::hint(
            ErrorCode::Config,
            format!("fix the configuration; `windlass config show {registry}` lists its files"),
        ),
        RegistryError::Proxy { source, .. } => proxy_advice(source),
        RegistryError::Connect { failure, .. } => connect_advice(*failure, host),
        RegistryError::Tls { source, .. } => {
            Advice::hint(ErrorCode::Tls, tls_hint(source.tls_problem(), host))
        }
        RegistryError::Manifest {
            source: ManifestError::Schema1,
            ..
        } => Advice::hint(
            ErrorCode::Schema1,
            "rebuild and push the image with a current builder, or allow schema 1 with `schema1 = true` in \
             windlass.toml",
        ),
        RegistryError::Manifest { .. } => malformed_advice(ErrorCode::InvalidImage),
    }
}

pub(crate) fn endpoint_advice(error: &EndpointError) -> Advice {
    match error {
        EndpointError::Address(_) => Advice::code(ErrorCode::InvalidReference),
        EndpointError::Config { registry, .. } => Advice::hint(
            ErrorCode::Config,
            format!("fix the configuration; `windlass config show {registry}` lists its files"),
        ),
        EndpointError::Header { .. } => Advice::hint(ErrorCode::Config, "fix or remove the header"),
    }
}

fn tls_hint(problem: Option<TlsProblem>, host: &str) -> String {
    match problem {
        // A server that closes the connection in the handshake often uses plain HTTP.
        None | Some(TlsProblem::NotTls) => {
            format!("if the registry uses plain HTTP, allow it with --insecure-registry {host}")
        }
        Some(TlsProblem::UnknownIssuer) => format!(
            "if its CA is private, save the CA certificate as /etc/windlass/certs.d/{host}/ca.crt or \
             ~/.config/windlass/certs.d/{host}/ca.crt, or set `ca` in windlass.toml"
        ),
        Some(TlsProblem::InvalidCertificate) => {
            "the registry needs a valid certificate for this name; check the clock of this machine, too".to_owned()
        }
        Some(TlsProblem::AuthorityCertificate) => format!(
            "issue a server certificate without CA:TRUE, or trust this certificate itself: save it as \
             /etc/windlass/certs.d/{host}/ca.crt"
        ),
        Some(TlsProblem::ShortKey) => {
            "issue a certificate with an RSA key of at least 2048 bits or an elliptic curve key".to_owned()
        }
        Some(TlsProblem::OldVersion | TlsProblem::NoCommonAlgorithm) => {
            "enable TLS 1.3 at the registry, or TLS 1.2 with ECDHE and AES-GCM or ChaCha20, or put a proxy in front \
             of it"
                .to_owned()
        }
        Some(TlsProblem::ClientCertificate) => format!(
            "save the client certificate and its key as /etc/windlass/certs.d/{host}/client.cert and client.key"
        ),
    }
}

/// Returns the hint for a denied request. If its message has a reason, the administrator can help.
fn denied_hint(reason: &str, registry: &str) -> String {
    let login = login_command(registry);
    if STANDARD_DENIALS.contains(&reason) {
        format!(
            "check the name; if the repository is private, log in with an account that may access it: `{login}`"
        )
    } else {
        format!("ask the administrator of the registry, or log in with another account: `{login}`")
    }
}

fn auth_advice(error: &AuthError, access: &RegistryAccess<'_>) -> Advice {
    match error {
        AuthError::Realm { .. } | AuthError::Token(_) => Advice::code(ErrorCode::Auth),
        AuthError::RegistryToken | AuthError::Username => {
            Advice::hint(ErrorCode::Auth, unauthorized_hint(access))
        }
        AuthError::PlainHttp => Advice::hint(
            ErrorCode::Auth,
            format!(
                "if the network is trusted, allow plain HTTP with --insecure-registry {}",
                access.registry
            ),
        ),
        AuthError::Credentials(_) => Advice::hint(ErrorCode::Credentials, lookup_hint(access)),
    }
}

fn proxy_advice(failure: &ProxyFailure) -> Advice {
    let hint = match failure {
        ProxyFailure::Credentials => {
            "check the username and password in HTTPS_PROXY or in `proxy` in windlass.toml"
        }
        ProxyFailure::Status { .. } | ProxyFailure::Socks { .. } => {
            "to bypass the proxy for this host, add the host to NO_PROXY"
        }
        ProxyFailure::Connect { .. }
        | ProxyFailure::Tls { .. }
        | ProxyFailure::NotAProxy
        | ProxyFailure::Transport { .. } => {
            "check HTTPS_PROXY or `proxy` in windlass.toml; to bypass the proxy for a host, add it to NO_PROXY"
        }
    };
    Advice::hint(ErrorCode::Proxy, hint)
}

fn connect_advice(failure: ConnectFailure, host: &str) -> Advice {
    let hint = match failure {
        ConnectFailure::Refused => format!("check that a registry runs at {host}"),
        ConnectFailure::NoSuchHost => format!("check the spelling of {host}"),
        ConnectFailure::Unreachable | ConnectFailure::NameServer | ConnectFailure::Other => {
            "check the network, and HTTPS_PROXY if a proxy is required".to_owned()
        }
    };
    Advice::hint(ErrorCode::Unreachable, hint)
}

fn rate_limit_hint(retry_after: Option<Duration>, access: &RegistryAccess<'_>) -> String {
    let wait = wait_hint(retry_after);
    match access.login {
        LoginState::Configured(_) => wait,
        LoginState::Missing | LoginState::Unreadable => format!(
            "{wait}, or log in for a higher limit: `{}`",
            login_command(access.registry)
        ),
    }
}

/// Many registries send `Retry-After: 0`, although a retry at once is rejected too.
fn wait_hint(retry_after: Option<Duration>) -> String {
    let seconds = retry_after.map_or(0, |time| time.as_secs());
    match SignedDuration::try_from(Duration::from_secs(seconds)) {
        Ok(time) if time.is_positive() => format!("wait {time:#}"),
        Ok(_) | Err(_) => "try again later".to_owned(),
    }
}

fn unauthorized_hint(access: &RegistryAccess<'_>) -> String {
    let login = login_command(access.registry);
    match access.login {
        LoginState::Configured(CredentialSource::Entry {
            place: place @ CredentialLocation::Text,
            ..
        }) => format!(
            "the registry rejects the credentials in {place}: fix or unset it, or log in with `{login}`"
        ),
        LoginState::Configured(CredentialSource::Entry { place, .. }) => {
            format!("the registry rejects the credentials in {place}: log in again with `{login}`")
        }
        LoginState::Configured(CredentialSource::Helper { name, .. }) => format!(
            "docker-credential-{name} has no credentials that the registry accepts: log in with `{login}`"
        ),
        LoginState::Missing | LoginState::Unreadable => {
            format!("check the name; if the repository is private, log in with `{login}`")
        }
    }
}

/// Returns the hint for credentials that cannot be looked up.
fn lookup_hint(access: &RegistryAccess<'_>) -> String {
    match access.login {
        LoginState::Configured(CredentialSource::Helper { name, place, .. }) => format!(
            "run `docker-credential-{name} list` to check the helper, or remove it from {place} and log in with `{}`",
            login_command(access.registry)
        ),
        LoginState::Configured(CredentialSource::Entry { .. })
        | LoginState::Missing
        | LoginState::Unreadable => {
            "fix that file, or choose another one with --authfile".to_owned()
        }
    }
}

fn login_command(registry: &str) -> String {
    match registry {
        DEFAULT_REGISTRY => "windlass login".to_owned(),
        _ => format!("windlass login {registry}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_of_a_rate_limit_has_a_time_only_if_the_registry_sent_a_usable_one() {
        let times = [
            None,
            Some(Duration::ZERO),
            Some(Duration::from_millis(999)),
            Some(Duration::from_millis(1_001)),
            Some(Duration::from_secs(3_690)),
            Some(Duration::MAX),
        ];
        let hints = times.map(wait_hint);
        let expected = [
            "try again later",
            "try again later",
            "try again later",
            "wait 1s",
            "wait 1h 1m 30s",
            "try again later",
        ];
        assert_eq!(hints, expected);
    }
}

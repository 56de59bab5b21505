//! What to do about what a registry says, or does not say.

use std::sync::Arc;
use std::time::Duration;

use windlass::{
    AccessError, AuthError, ConnectFailure, DEFAULT_REGISTRY, EndpointsError, ManifestError,
    ProxyFailure, RegistryError,
};
use windlass_credentials::{CredentialLocation, CredentialSource};

use super::{Advice, broken, corrupt, of_endpoint};
use crate::error::Login;
use crate::output::human;

/// Who asked whom.
pub(super) struct Asker<'a> {
    registry: &'a str,
    login: &'a Login,
}

impl<'a> Asker<'a> {
    pub(super) fn new(registry: &'a str, login: &'a Login) -> Self {
        Self { registry, login }
    }
}

/// What to do about a login that the registry did not take.
pub(super) fn of_login(error: &AccessError, registry: &str) -> Advice {
    match error {
        AccessError::Endpoint(error) => of_endpoint(error),
        AccessError::Registry(
            RegistryError::Unauthorized { .. } | RegistryError::Denied { .. },
        ) => {
            let hint = match registry {
                DEFAULT_REGISTRY => {
                    "check user name and password; with two-factor authentication, the password is a \
                     personal access token"
                }
                _ => {
                    "check user name and password; many registries want an access token for a password"
                }
            };
            Advice::hint("unauthorized", hint)
        }
        AccessError::Registry(error) => of_registry(error, &Asker::new(registry, &Login::Nobody)),
    }
}

/// What to do where every endpoint has failed. What counts is the registry's own word, except where that is
/// the answer of a server that wanted TLS: then it is what kept TLS from working.
pub(super) fn of_endpoints(error: &EndpointsError, asker: &Asker<'_>) -> Advice {
    let host = error.error.context().origin.authority();
    let is_tls = |other: &&Arc<RegistryError>| {
        matches!(***other, RegistryError::Tls { .. }) && other.context().origin.authority() == host
    };
    let wanted_tls = matches!(
        *error.error,
        RegistryError::NotARegistry { .. } | RegistryError::Transport { .. }
    );
    let tls = error.others.iter().find(is_tls).filter(|_| wanted_tls);
    of_registry(tls.unwrap_or(&error.error), asker)
}

pub(super) fn of_registry(error: &RegistryError, asker: &Asker<'_>) -> Advice {
    let registry = asker.registry;
    let host = error.context().origin.authority();
    match error {
        RegistryError::Unauthorized { .. } => Advice::hint("unauthorized", unauthorized(asker)),
        RegistryError::Denied { .. } => Advice::hint(
            "denied",
            format!(
                "check the name; if it is private, log in with `{}` as one who may",
                login(registry)
            ),
        ),
        RegistryError::NameUnknown { .. } | RegistryError::ManifestUnknown { .. } => {
            Advice::hint("not_found", "check the name and the tag")
        }
        RegistryError::BlobUnknown { .. } => Advice::hint(
            "blob_missing",
            "the registry does not have this part of the image: push it again; if it is a layer from elsewhere, \
             as Windows has them, allow the place with `foreign-layers` in windlass.toml",
        ),
        RegistryError::TooManyRequests { retry_after, .. } => {
            Advice::hint("rate_limited", rate_limited(*retry_after, asker))
        }
        RegistryError::Unavailable { .. }
        | RegistryError::Storage { .. }
        | RegistryError::Unexpected { .. } => Advice::hint("unavailable", "try again later"),
        RegistryError::NotARegistry { .. } => {
            Advice::hint("not_a_registry", "check the host and the port in the name")
        }
        RegistryError::Auth { source, .. } => of_auth(source, asker),
        RegistryError::Redirect { .. } => Advice::code("redirect_refused"),
        RegistryError::Digest { .. } | RegistryError::Size { .. } => corrupt(),
        RegistryError::DigestHeader { .. } | RegistryError::Malformed { .. } => {
            Advice::code("protocol")
        }
        RegistryError::Interrupted { .. } | RegistryError::Transport { .. } => {
            Advice::hint("network", "check the network and try again")
        }
        RegistryError::TooLarge { .. } => Advice::code("too_large"),
        RegistryError::Timeout { .. } => {
            Advice::hint("timeout", "check the network, and proxies on the way")
        }
        RegistryError::Setup { .. } => Advice::hint(
            "config",
            format!("correct it; `windlass config show {registry}` shows what is read"),
        ),
        RegistryError::Proxy { source, .. } => of_proxy(source),
        RegistryError::Connect { failure, .. } => of_connect(*failure, host),
        RegistryError::Tls { .. } => Advice::hint(
            "tls",
            format!(
                "if it speaks plain HTTP, allow that with --insecure-registry {host}; if its CA is a \
                 private one, put its certificate into /etc/windlass/certs.d/{host}/ca.crt or the same \
                 below ~/.config, or name it as `ca` in windlass.toml"
            ),
        ),
        RegistryError::Manifest {
            source: ManifestError::Schema1,
            ..
        } => Advice::hint(
            "schema1",
            "push it again with a builder of today, or take it as it is with `schema1 = true` in \
             windlass.toml",
        ),
        RegistryError::Manifest { .. } => broken("invalid_image"),
    }
}

fn of_auth(error: &AuthError, asker: &Asker<'_>) -> Advice {
    match error {
        AuthError::Realm { .. } | AuthError::Token(_) => Advice::code("auth"),
        AuthError::RegistryToken | AuthError::Username => Advice::hint("auth", unauthorized(asker)),
        AuthError::PlainHttp => Advice::hint(
            "auth",
            format!(
                "if that network is safe, allow it with --insecure-registry {}",
                asker.registry
            ),
        ),
        AuthError::Credentials(_) => Advice::hint("credentials", lookup_failed(asker)),
    }
}

fn of_proxy(failure: &ProxyFailure) -> Advice {
    let hint = match failure {
        ProxyFailure::Credentials => {
            "check user and password in HTTPS_PROXY, or in `proxy` in windlass.toml"
        }
        ProxyFailure::Status { .. } | ProxyFailure::Socks { .. } => {
            "if the proxy is not meant for this host, name the host in NO_PROXY"
        }
        ProxyFailure::Connect { .. }
        | ProxyFailure::Tls { .. }
        | ProxyFailure::NotAProxy
        | ProxyFailure::Transport { .. } => {
            "check HTTPS_PROXY, or `proxy` in windlass.toml; NO_PROXY names hosts that need none"
        }
    };
    Advice::hint("proxy", hint)
}

fn of_connect(failure: ConnectFailure, host: &str) -> Advice {
    let hint = match failure {
        ConnectFailure::Refused => format!("check that a registry runs at {host}"),
        ConnectFailure::NoSuchHost => format!("check the spelling of {host}"),
        ConnectFailure::Unreachable | ConnectFailure::NameServer | ConnectFailure::Other => {
            "check the network, and HTTPS_PROXY if there is a proxy".to_owned()
        }
    };
    Advice::hint("unreachable", hint)
}

fn rate_limited(retry_after: Option<Duration>, asker: &Asker<'_>) -> String {
    let wait = match retry_after {
        Some(time) => format!("wait {}", human::span(time)),
        None => "wait".to_owned(),
    };
    match asker.login {
        Login::Known(_) => wait,
        Login::Nobody | Login::Unusable => format!(
            "{wait}, or log in with `{}`: known users may ask more often",
            login(asker.registry)
        ),
    }
}

fn unauthorized(asker: &Asker<'_>) -> String {
    let login = login(asker.registry);
    match asker.login {
        Login::Known(CredentialSource::Entry {
            place: place @ CredentialLocation::Text,
            ..
        }) => format!(
            "the credentials in {place} are not accepted: correct it, or unset it and log in with `{login}`"
        ),
        Login::Known(CredentialSource::Entry { place, .. }) => {
            format!("the credentials in {place} are not accepted: log in again with `{login}`")
        }
        Login::Known(CredentialSource::Helper { name, .. }) => format!(
            "what docker-credential-{name} has for it is not accepted, or it has nothing: log in with \
             `{login}`"
        ),
        Login::Nobody | Login::Unusable => {
            format!("check the name; if it is private, log in with `{login}`")
        }
    }
}

/// Whoever has the credentials did not give them.
fn lookup_failed(asker: &Asker<'_>) -> String {
    match asker.login {
        Login::Known(CredentialSource::Helper { name, place, .. }) => format!(
            "see what `docker-credential-{name} list` says, or take it out of {place} and log in with `{}`",
            login(asker.registry)
        ),
        Login::Known(CredentialSource::Entry { .. }) | Login::Nobody | Login::Unusable => {
            "correct that file, or name another one with --authfile".to_owned()
        }
    }
}

fn login(registry: &str) -> String {
    match registry {
        DEFAULT_REGISTRY => "windlass login".to_owned(),
        _ => format!("windlass login {registry}"),
    }
}

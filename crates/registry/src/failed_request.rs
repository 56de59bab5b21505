//! Converts failures without a response into errors.

use windlass_http::{SendError, SendPhase};

use crate::auth_error::AuthError;
use crate::error::{RegistryError, WaitPhase};
use crate::origin::Origin;
use crate::realm::RealmError;
use crate::redirect::RedirectError;
use crate::request_context::RequestKind;
use crate::request_spec::{Hop, RequestSpec};

impl RequestSpec<'_> {
    /// Converts a failure without a response.
    pub(crate) fn error_from(&self, error: SendError, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        match error {
            SendError::Uri => RegistryError::malformed(
                self.context,
                "its URL is not an http or https URL with a host",
            ),
            SendError::Connect { failure, source } => RegistryError::Connect {
                context,
                failure,
                source,
            },
            SendError::Proxy { source } => RegistryError::Proxy { context, source },
            SendError::Tls { source } => RegistryError::Tls { context, source },
            SendError::RefusedAddress { .. } => self.forbidden_address_error(hop),
            SendError::Timeout { waiting_for } => RegistryError::Timeout {
                context,
                waiting_for: match waiting_for {
                    SendPhase::Connection => WaitPhase::Connection,
                    SendPhase::Response => WaitPhase::Response,
                },
            },
            SendError::NotHttp { .. } if self.context.kind == RequestKind::Url => {
                RegistryError::malformed(self.context, "its response is not HTTP")
            }
            SendError::NotHttp { .. } => RegistryError::NotARegistry {
                context,
                reason: "its response is not HTTP".to_owned(),
            },
            SendError::HeadTooLarge => {
                RegistryError::malformed(self.context, "its headers are too large")
            }
            SendError::Transport { source } => RegistryError::Transport { context, source },
        }
    }

    /// D4: the name resolved to a forbidden address.
    fn forbidden_address_error(&self, hop: &Hop<'_>) -> RegistryError {
        let context = self.context.boxed();
        if self.context.kind == RequestKind::Token && hop.is_first {
            let (realm, source) = (Origin::of(hop.url).to_string(), RealmError::InternalAddress);
            return RegistryError::Auth {
                context,
                source: AuthError::Realm { realm, source },
            };
        }
        RegistryError::Redirect {
            context,
            source: RedirectError::LocalAddress,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use url::Url;

    use super::*;
    use crate::request_context::RequestContext;
    use crate::request_spec::RequestPeer;

    fn error_from(kind: RequestKind, is_first: bool, error: SendError) -> RegistryError {
        let context = RequestContext {
            origin: Origin::parse("https://registry.test").unwrap(),
            repository: "app".to_owned(),
            kind,
        };
        let url = Url::parse("https://elsewhere.test/x?signature=hunter2").unwrap();
        let spec = RequestSpec::get(
            &context,
            RequestPeer::UnknownHost(None),
            url.clone(),
            Duration::from_secs(1),
        );
        let hop = Hop {
            url: &url,
            authorization: None,
            endpoint: None,
            is_first,
        };
        spec.error_from(error, &hop)
    }

    fn refused() -> SendError {
        let address = "169.254.169.254".parse().unwrap();
        SendError::RefusedAddress { address }
    }

    /// D4, T25: a name that resolves to a link-local address is rejected like the address itself.
    #[test]
    fn a_name_that_resolves_to_a_link_local_address_is_rejected() {
        let realm = error_from(RequestKind::Token, true, refused());
        let RegistryError::Auth {
            source: AuthError::Realm { realm, source },
            ..
        } = realm
        else {
            panic!("{realm:?}")
        };
        assert_eq!(
            (&*realm, source),
            ("https://elsewhere.test", RealmError::InternalAddress)
        );
        for (kind, is_first) in [(RequestKind::Token, false), (RequestKind::Tags, false)] {
            let error = error_from(kind, is_first, refused());
            assert!(
                matches!(
                    error,
                    RegistryError::Redirect {
                        source: RedirectError::LocalAddress,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
}

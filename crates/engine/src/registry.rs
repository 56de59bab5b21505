//! Access to registries: endpoints, credentials, TLS, proxies and timeouts.

pub use windlass_pull::{EndpointNeed, Remote};
pub use windlass_registry::{
    Caller, ClientIdentity, ClientTls, CredentialProvider, CredentialScope, Credentials, Endpoint,
    EndpointOverview, EndpointRole, FoundRepository, HostCapabilities, HostConfig, LoggedIn,
    Origin, Proxies, Registries, RegistryConfig, RegistryHosts, RequestContext, RequestKind,
    Secret, StaticCredentials, Timeouts, UrlDownload, WebUrl,
};

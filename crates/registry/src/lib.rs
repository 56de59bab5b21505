//! A client of the OCI distribution protocol, for registries and their mirrors.
//!
//! [`Endpoint::of`] returns the configured endpoints of a registry in the order to try them. A [`Client`]
//! holds the connections, and records which endpoints failed recently or requested a pause.
//! [`Client::repository`] opens a session with one repository at one endpoint on behalf of a [`Caller`]. The
//! session answers authentication challenges with the credentials of the caller's [`CredentialProvider`] and
//! renews its token when it expires. Results are limited in size and verified: a manifest is exactly the
//! bytes of its digest, and a [`BlobStream`] never yields more bytes than its descriptor specifies. An error
//! contains the request it belongs to; [`RegistryError::next_step`] returns whether a retry may help, and
//! [`RegistryError::falls_back`] whether the next endpoint is tried.
//!
//! # Invariants
//! - Credentials are bound to scheme, host and port. The hosts that redirects, token realms and URLs of
//!   foreign layers lead to are untrusted: their addresses are checked first, they get none of the endpoint's
//!   configuration, and link-local addresses are rejected. Only a token server gets the credentials, and only
//!   one that the endpoint is permitted to name.
//! - Two callers share no token.
//! - Every body has a size limit and every wait a timeout.
//! - No secret (password, token, query of a presigned URL) appears in an error or a log line.
//! - Nothing here accesses files or the environment.

mod access_scope;
mod auth_error;
mod auth_session;
mod authenticator;
mod blob;
mod caller;
mod challenge;
mod client;
mod config;
mod credential_provider;
mod credentials;
mod digest_header;
mod download;
mod endpoint;
mod endpoint_overview;
mod error;
mod error_body;
mod error_class;
mod failed_request;
mod failed_response;
mod foreign_layers;
mod head_request;
mod host_health;
mod hosts;
mod insecure;
mod login;
mod manifest;
mod manifest_upload;
mod origin;
mod page_links;
mod realm;
mod redirect;
mod referrers;
mod repository;
mod request;
mod request_context;
mod request_spec;
mod retry_decision;
mod scheme_memory;
mod search;
mod tag_or_digest;
mod tags;
mod token;
mod transport_pool;
mod upload;
mod upload_headers;
mod upload_start;

pub use auth_error::AuthError;
pub use blob::BlobStream;
pub use caller::Caller;
pub use client::Client;
pub use config::{ClientIdentity, ClientTls, Proxies, RegistryConfig, Timeouts};
pub use credential_provider::{
    CredentialError, CredentialProvider, CredentialScope, StaticCredentials,
};
pub use credentials::{Credentials, Secret};
pub use download::{UrlDownload, WebUrl, WebUrlError};
pub use endpoint::{Endpoint, EndpointError, EndpointRole};
pub use endpoint_overview::EndpointOverview;
pub use error::{DigestMismatch, RegistryError, WaitPhase};
pub use foreign_layers::ForeignUrl;
pub use head_request::ManifestHead;
pub use host_health::EndpointFault;
pub use hosts::{HostCapabilities, HostConfig, InvalidConfig, Registries, RegistryHosts};
pub use login::{AccessError, LoggedIn};
pub use manifest::{FetchedManifest, ManifestResponse, RawManifest};
pub use origin::{Origin, OriginError};
pub use realm::RealmError;
pub use redirect::RedirectError;
pub use referrers::referrers_tag;
pub use repository::Repository;
pub use request_context::{RequestContext, RequestKind};
pub use retry_decision::NextStep;
pub use scheme_memory::SchemeMatch;
pub use search::FoundRepository;
pub use tag_or_digest::TagOrDigest;
pub use token::TokenError;
pub use upload::{SendOutcome, Upload};
pub use upload_start::UploadStart;
pub use windlass_http::{
    Cause, ConnectFailure, ProxyFailure, SetupError as ClientError, StreamingBody, TlsProblem,
};

//! Speaks the OCI distribution protocol: to mirrors and registries, on behalf of callers.
//!
//! [`Endpoint::of`] says who answers for a registry, in which order, as the configuration has it. A [`Client`]
//! holds the connections, and remembers who failed lately or wants to be left alone. [`Client::repository`]
//! opens a session with one repository at one endpoint on behalf of a [`Caller`], which authenticates as the
//! registry asks it to, with what the caller's [`CredentialProvider`] has, and refreshes its token by itself. What comes
//! back is bounded and checked: a manifest is the exact bytes its digest says, a [`BlobStream`] never yields
//! more bytes than the descriptor promised, and an error says what was asked of whom, by
//! [`RegistryError::next_step`] what may help, and by [`RegistryError::falls_back`] whether the next endpoint
//! is to be asked.
//!
//! Rules that hold everywhere in this crate:
//! - Credentials are bound to scheme, host and port. Where a redirect, a token realm or the URL of a foreign
//!   layer leads is a stranger: it is looked at before it is asked, gets nothing that is configured for the
//!   endpoint, and is not looked for at addresses of the link. Only a token server gets the credentials, and
//!   only one that the endpoint may name.
//! - What one caller proves gives another one nothing.
//! - Every body has a size cap, every wait a limit.
//! - No secret (password, token, query of a presigned URL) is in an error or in a log line.
//! - Nothing here touches files or the environment.

mod auth;
mod blob;
mod caller;
mod challenge;
mod client;
mod config;
mod credentials;
mod download;
mod endpoint;
mod envelope;
mod error;
mod exchange;
mod fall_back;
mod foreign;
mod head;
mod health;
mod hosts;
mod insecure;
mod keyring;
mod login;
mod manifest;
mod next_step;
mod origin;
mod proof;
mod realm;
mod redirect;
mod referrers;
mod repository;
mod search;
mod tags;
mod token;
mod transports;
mod upload;

pub use auth::AuthError;
pub use blob::BlobStream;
pub use caller::Caller;
pub use client::Client;
pub use config::{ClientIdentity, ClientTls, Proxies, RegistryConfig, Timeouts};
pub use credentials::{Credentials, Secret};
pub use download::{UrlDownload, WebUrl, WebUrlError};
pub use endpoint::{Endpoint, EndpointError, EndpointRole};
pub use error::{DigestMismatch, RegistryError, RequestContext, RequestKind, WaitPhase};
pub use foreign::ForeignUrl;
pub use head::ManifestHead;
pub use health::EndpointFault;
pub use hosts::{HostCapabilities, HostConfig, InvalidConfig, Registries, RegistryHosts};
pub use keyring::{CredentialError, CredentialProvider, CredentialScope, StaticCredentials};
pub use login::{AccessError, LoggedIn};
pub use manifest::{FetchedManifest, ManifestResponse, RawManifest, TagOrDigest};
pub use next_step::NextStep;
pub use origin::Origin;
pub use realm::RealmError;
pub use redirect::RedirectError;
pub use referrers::referrers_tag;
pub use repository::Repository;
pub use search::FoundRepository;
pub use token::TokenError;
pub use upload::{SendOutcome, Upload, UploadStart};
pub use windlass_http::{
    Cause, ConnectFailure, ProxyFailure, SetupError as ClientError, StreamingBody,
};

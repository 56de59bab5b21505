//! Speaks the OCI distribution protocol to one [`Endpoint`].
//!
//! A [`Client`] holds the connections. [`Client::repository`] opens a session with one repository, which
//! authenticates as the registry asks it to and refreshes its token by itself. What comes back is bounded
//! and checked: a manifest is the exact bytes its digest says, a [`BlobStream`] never yields more bytes
//! than the descriptor promised, and an error says what was asked of whom and, by
//! [`RegistryError::next_step`], what may help.
//!
//! Rules that hold everywhere in this crate:
//! - Credentials are bound to scheme, host and port. A redirect to elsewhere travels without them, and the
//!   token realm that a registry names is checked before anything is sent to it.
//! - Every body has a size cap, every wait a limit.
//! - No secret (password, token, query of a presigned URL) is in an error or in a log line.
//! - Nothing here touches files or the environment.

mod address;
mod auth;
mod blob;
mod body;
mod cause;
mod challenge;
mod client;
mod config;
mod credentials;
mod docker_config;
mod endpoint;
mod envelope;
mod error;
mod hosts;
mod keyring;
mod manifest;
mod next_step;
mod realm;
mod redirect;
mod repository;
mod resolver;
mod tags;
mod token;

pub use auth::AuthError;
pub use blob::BlobStream;
pub use cause::Cause;
pub use client::{Client, ClientError};
pub use config::{Proxies, RegistryConfig, Timeouts};
pub use credentials::{Credentials, Secret};
pub use docker_config::{DockerConfig, DockerConfigError};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{Asked, ConnectFailure, Mismatch, Phase, RegistryError, What};
pub use hosts::{Capabilities, HostConfig, Identity, Registries, RegistryHosts, Tls, Unusable};
pub use keyring::{Door, Keyring, KeyringError, OneKey};
pub use manifest::{FetchedManifest, Target};
pub use next_step::NextStep;
pub use realm::RealmRefusal;
pub use redirect::RedirectError;
pub use repository::Repository;
pub use token::TokenError;

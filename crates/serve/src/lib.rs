//! A read-only registry over the images of a store: the part of the OCI distribution protocol that pulls use.
//!
//! A [`RegistryServer`] answers from [`StoredContent`](windlass::store::StoredContent) on listeners that are bound before. There are no
//! accounts, and all requests only read: every client that can connect may pull everything. [`ListenAddress::is_remote`]
//! and [`AllowedHosts`] decide which clients those are.
//!
//! ```no_run
//! use std::sync::Arc;
//! use windlass::store::StoredContent;
//! use windlass_serve::{ListenAddress, RegistryServer, ServeConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let content = Arc::new(StoredContent::at("/var/lib/windlass".into())?);
//! let listener = "127.0.0.1:0".parse::<ListenAddress>()?.bind()?;
//! println!("{listener}");
//! let server = RegistryServer::new(content, ServeConfig::default());
//! server.run(vec![listener], std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - A repository contains only the content of its images: a digest alone gives no access.
//! - Manifests are the exact bytes that were pulled. A request by digest returns bytes that hash to it, or nothing.
//! - No client makes the server hold more than its [`ServeLimits`] allow: connections, headers, time, memory. A
//!   connection costs two chunks of a file at most.
//! - Nothing that a client sends becomes part of a path, and the body of a request is never read.
//!
//! `docs/serving.md` describes what is served and how it is used.

mod address;
mod allowed_hosts;
mod body;
mod error_response;
mod json_response;
mod range;
mod request;
mod request_log;
mod response;
mod server;

pub use address::{ListenAddress, ListenAddressError};
pub use allowed_hosts::AllowedHosts;
pub use request_log::{OnResponse, RequestLogEntry};
pub use server::{RegistryServer, ServeConfig, ServeLimits, ServeReport};

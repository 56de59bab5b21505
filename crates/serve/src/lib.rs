//! A read-only registry over what a store holds: the pulling half of the OCI distribution protocol.
//!
//! A [`Server`] answers from [`Holdings`](windlass::Holdings) on [`Listener`]s that are bound before. It is for
//! everybody who reaches it: there are no accounts, and nothing can be changed. Whoever runs it decides by
//! [`Listen::is_remote`] and [`Hosts`] who does.
//!
//! ```no_run
//! use std::sync::Arc;
//! use windlass::Holdings;
//! use windlass_serve::{Listener, ServeConfig, Server};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let holdings = Arc::new(Holdings::at("/var/lib/windlass".into())?);
//! let listener = Listener::bind(&"127.0.0.1:0".parse()?)?;
//! println!("http://{}", listener.address());
//! let server = Server::new(holdings, ServeConfig::default());
//! server.run(vec![listener], std::future::pending()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Invariants
//! - What is given away is what an image keeps that the named repository leads to. To know a digest is not enough.
//! - Manifests are the exact bytes that were pulled. Who asks by digest gets what hashes to it, or nothing.
//! - No client can make the server hold more than its [`Limits`] say: connections, headers, waiting, memory. A
//!   connection costs two pieces of a file at most.
//! - Nothing that a client sends becomes part of a path, and nothing is read of a request's body.
//!
//! What is served, and how that is used, says `docs/serving.md`.

mod address;
mod answer;
mod body;
mod connection;
mod hosts;
mod listener;
mod log;
mod patience;
mod range;
mod refusal;
mod request;
mod server;
mod tls;

pub use address::{Listen, ListenError};
pub use hosts::Hosts;
pub use listener::{BindError, Listener};
pub use log::{Answered, OnAnswer};
pub use server::{Drained, Limits, ServeConfig, Server};
pub use tls::{Tls, TlsError};

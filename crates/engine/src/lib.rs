//! Pulls, stores and exports container images.
//!
//! An [`Engine`] has a store and the operations on it: [`pull`](Engine::pull),
//! [`preview`](Engine::preview), [`images`](Engine::images), [`inspect`](Engine::inspect), [`history`](Engine::history),
//! [`tag`](Engine::tag), [`remove`](Engine::remove), [`prune`](Engine::prune), [`unpack`](Engine::unpack),
//! [`bundle`](Engine::bundle), [`mount`](Engine::mount), [`save`](Engine::save), [`load`](Engine::load),
//! [`push`](Engine::push), [`export`](Engine::export), [`import`](Engine::import). A [`Copier`] copies images between
//! registries, files and the store.
//!
//! Operations that take time return an [`Operation`]: a stream of events, and an outcome. Dropping it cancels the
//! work. The crate prints nothing and reads neither environment variables nor configuration files: configuration and
//! credentials are values that the caller passes in. With the features below, the user's own files are read on request.
//!
//! ```no_run
//! use windlass::Engine;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Engine::builder("/var/lib/windlass").open()?;
//! let mut pull = engine.pull("alpine:3").start();
//! while let Some(event) = pull.next_event().await {
//!     println!("{event:?}");
//! }
//! let pulled = pull.await?;
//! assert_eq!(engine.images()?[0].id, pulled.image_id);
//! # Ok(())
//! # }
//! ```
//!
//! # Modules
//! The operations, their requests and their results are at the top. The types that they consist of are in modules:
//! - [`image`]: references, digests, platforms and the descriptions of stored images
//! - [`registry`]: credentials, endpoints, TLS, proxies and timeouts
//! - [`transfer`]: limits, retries and the progress of layers
//! - [`bundle`]: OCI runtime bundles
//! - [`store`]: stored content and its disk usage
//! - [`error`]: one error type for each operation
//!
//! # Features
//! None is on by default.
//! - `user-config`: `EngineBuilder::user_config` applies the registry configuration of the system and the user.
//! - `user-credentials`: `EngineBuilder::user_credentials` uses the logins of docker, podman and windlass.

mod blob_reader;
mod builder;
pub mod bundle;
mod bundle_image;
mod copy;
mod disk_usage;
mod engine;
pub mod error;
mod export;
mod filter;
mod history;
pub mod image;
mod import;
mod inspect;
mod list;
mod load;
mod mount;
mod new_image;
mod prune;
mod pull;
mod push;
pub mod registry;
mod remove;
mod save;
pub mod store;
mod store_error;
mod stored_content;
pub mod transfer;
mod tree;
mod unpack;
#[cfg(any(feature = "user-config", feature = "user-credentials"))]
mod user;

pub use builder::EngineBuilder;
pub use copy::{Copied, Copier, CopyRequest, CreateFile};
pub use engine::{Engine, EngineConfig};
pub use export::Exported;
pub use filter::{FilterUse, Filters};
pub use import::{ContainerConfig, Healthcheck, ImportOptions, ImportSource};
pub use load::{LoadFrom, LoadOptions, Loaded, MovedName};
pub use prune::{Prune, Pruned};
pub use pull::{Pull, PullTarget};
pub use push::{PushRequest, Pushed};
pub use remove::{Removal, Removed};
pub use save::{SaveRequest, SaveTo, Saved};
pub use unpack::UnpackSummary;
pub use windlass_archive::SkippedItems;
pub use windlass_copy::CopyEvent;
pub use windlass_oci::text;
pub use windlass_operation::{
    Cancelled, ChunkReader, Event, EventReceiver, EventSender, Operation,
};
pub use windlass_pull::{Preview, PullEvent, PullOutcome, PullRequest, Pulled, PullerConfig};
pub use windlass_store::{OpenMode, RemoveOptions};

/// Compiles the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

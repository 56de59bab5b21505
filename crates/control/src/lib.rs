//! The control socket: how a command uses the daemon that owns a store.
//!
//! A daemon creates a socket in the store that it owns, so only users with access to the store can connect. Commands send
//! every change of the store to the daemon, which performs it with the same engine and reports the same events and
//! errors. Commands that only read the store open it themselves and have the daemon keep all images meanwhile
//! ([`ControlClient::hold`]). Files are passed as open descriptors, so the daemon reads what the user may read, in whatever
//! namespace the daemon runs.
//!
//! The protocol has no versions: both ends start with a handshake and refuse another version of windlass. After it,
//! each connection carries one request, which a command sends to a daemon of its own version only. A message is a line of
//! JSON.
//!
//! The daemon requests the user's credentials for any registry that it accesses. A command sends them only to a daemon of
//! the same user or of root: the owner of a directory can put a socket into it.

mod client;
mod connection;
mod descriptor;
mod error;
mod message;
mod server;

pub use client::{ControlClient, ImageHold};
pub use error::ControlError;
pub use message::{CopyParams, ImageSource, ImportParams, LoadParams, PruneParams, PullParams};
pub use server::listen;

/// The name of the socket in the root directory of the store.
const SOCKET_NAME: &str = "daemon.sock";
/// The purpose that a daemon writes into the lock file of its store, by which commands recognise it.
pub const LOCK_PURPOSE: &str = "windlass daemon";
/// The longest message that a command reads, in bytes: an event with the plan of an image with very many layers.
const MAX_RESPONSE_BYTES: usize = 8 << 20;
/// The longest message that the daemon reads, in bytes; it may have many connections at a time.
const MAX_REQUEST_BYTES: usize = 1 << 20;

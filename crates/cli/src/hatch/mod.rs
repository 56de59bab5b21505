//! The way from a command to the daemon that owns its store.
//!
//! A daemon leaves a socket in the store that it owns: who may open the store may speak there, and nobody else can. What
//! changes the store is asked of the daemon, which does it with the same engine and reports in the same words; what only
//! reads it is done by the command itself, while the daemon keeps what is there ([`wire::Ask::Hold`]). Files are passed
//! as open descriptors: what is read is what the user may read, wherever the daemon lives.
//!
//! Both ends are the same windlass: the first lines say which, and another is refused. Lines of JSON, one a message.

mod client;
mod fds;
mod lines;
mod serve;
mod wire;

pub(crate) use client::{Hatch, Holding};
pub(crate) use serve::open;
pub(crate) use wire::{Ask, Done, From, Import, Optional};

/// The socket's name in the store.
const NAME: &str = "daemon.sock";
/// What a daemon says in the lock of its store that it is doing there.
pub(crate) const PURPOSE: &str = "windlass daemon";
/// The longest line that is read, in bytes: the plan of an image with very many layers.
const LONGEST: usize = 8 << 20;

//! The names of the files in the root directory of a store.

pub(crate) const DATABASE: &str = "meta.db";
pub(crate) const DIFF: &str = "diff";

/// Created when it is first needed: an empty layer.
pub(crate) const EMPTY: &str = "empty";

/// The socket of the daemon that owns the store.
pub(super) const DAEMON: &str = "daemon.sock";
pub(super) const FORMAT: &str = "format";
pub(super) const LOCK: &str = "lock";
pub(super) const RESERVE: &str = "reserve";
pub(super) const UNSETTLED: &str = "unsettled";

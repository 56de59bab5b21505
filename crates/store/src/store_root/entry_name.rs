//! The names of the files in the root directory of a store.

pub(crate) const DATABASE: &str = "meta.db";
pub(crate) const DIFF: &str = "diff";
/// An empty file beside `diff`: the layer hides files in a form that an overlay mount without options does not show.
pub(crate) const UNUSUAL_HIDING: &str = "unusual-hiding";

/// Created when it is first needed: an empty layer.
pub(crate) const EMPTY: &str = "empty";

/// The socket of the daemon that owns the store.
pub(super) const DAEMON: &str = "daemon.sock";
pub(super) const FORMAT: &str = "format";
pub(super) const LOCK: &str = "lock";
pub(super) const RESERVE: &str = "reserve";
pub(super) const UNSETTLED: &str = "unsettled";

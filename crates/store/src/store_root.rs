//! The root directory of a store.
//!
//! ```text
//! ROOT/format                      "windlass store 1", or 2
//! ROOT/lock                        flock, and its owner
//! ROOT/meta.db                     SQLite
//! ROOT/blobs/<algorithm>/<hex>
//! ROOT/layers/<algorithm>/<hex>/diff/
//! ROOT/layers/<algorithm>/<hex>/unusual-hiding
//! ROOT/ingest/<random>             partial blobs
//! ROOT/drafts/<random>/diff/       layers being unpacked, trees being removed
//! ROOT/unsettled                   exists while files and rows may differ
//! ROOT/empty/, ROOT/reserve
//! ```
//!
//! Files are created, moved and removed relative to these handles, and symbolic links are never followed.
//! `docs/on-disk-format.md` describes the files.

mod directories;
mod entry_name;
mod file_operation;
mod open;

pub(crate) use directories::{ContentDirectory, StoreArea, StoreRoot};
pub(crate) use entry_name::{DIFF, EMPTY, UNUSUAL_HIDING};
pub(crate) use file_operation::{fresh_name, list_names, make_dir, rename_new};
pub use open::{StoreRootError, UntrustedReason};

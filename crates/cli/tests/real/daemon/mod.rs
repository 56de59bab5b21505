//! `windlass daemon` and the programs that people use with Docker's.

mod differences;
mod docker;
mod host;

use crate::Case;

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [differences::CASES].concat()
}

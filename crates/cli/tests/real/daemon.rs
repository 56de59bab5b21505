//! `windlass daemon` and clients of Docker's API.

mod differences;
mod docker;
mod host;
mod images;
mod libraries;
mod pulls;
mod system_requests;
mod tools;
mod transfers;

use crate::Case;

/// Returns the cases of all modules.
pub(crate) fn cases() -> Vec<Case> {
    [
        pulls::CASES,
        images::CASES,
        transfers::CASES,
        system_requests::CASES,
        tools::CASES,
        libraries::CASES,
        differences::CASES,
    ]
    .concat()
}

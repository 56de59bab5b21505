//! `windlass daemon` and the programs that people use with Docker's.

mod differences;
mod docker;
mod freight;
mod host;
mod images;
mod libraries;
mod pulls;
mod rest;
mod tools;

use crate::Case;

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    [
        pulls::CASES,
        images::CASES,
        freight::CASES,
        rest::CASES,
        tools::CASES,
        libraries::CASES,
        differences::CASES,
    ]
    .concat()
}

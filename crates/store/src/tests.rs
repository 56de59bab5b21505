//! What the store promises, tried from the outside and with failures planted inside.

mod commits;
mod crashes;
pub(crate) mod fixture;
mod opening;

//! What the store promises, tried from the outside and with failures planted inside.

mod chains;
mod commits;
mod crashes;
pub(crate) mod fixture;
mod model;
mod names;
mod opening;
mod repositories;
mod space;

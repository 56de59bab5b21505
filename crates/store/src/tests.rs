//! Tests of the store through its public interface, and with failures injected inside.

mod chains;
mod commits;
mod crashes;
pub(crate) mod fixture;
mod model;
mod opening;
mod repositories;
mod space;
mod tags;

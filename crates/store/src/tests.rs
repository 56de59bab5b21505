//! What the store promises, tried from the outside and with failures planted inside.

mod commits;
mod fixture;

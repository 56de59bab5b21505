//! All messages that clients of Docker compare with known texts: they are equal to those of Docker, character by
//! character.

pub(crate) mod error;
pub(crate) mod pull;
pub(crate) mod push;

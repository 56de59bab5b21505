//! Docker's words. Clients match on them, so they are what they are; nowhere else in the daemon are there any.

pub(crate) mod error;
pub(crate) mod pull;
pub(crate) mod transfer;

//! Messages in Docker's wording. Clients match on them, so they are Docker's to the letter. No other module of the daemon
//! has any.

pub(crate) mod error;
pub(crate) mod pull;
pub(crate) mod push;

//! The words of container images: references, digests, manifests, configs and platforms.
//!
//! Parsing and arithmetic only; nothing here does I/O.

mod digest;

pub use digest::{Algorithm, ChainId, DiffId, Digest, DigestError, Hasher, ImageId};

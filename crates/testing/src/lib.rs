//! For tests: a scripted registry, image and tar builders, a sandbox; and Debian's own servers.

mod compress;
mod image;
mod layer;
mod random;
pub mod real;
mod registry;
pub mod tar;

pub use compress::Compression;
pub use image::{Image, Index, PackedImage, PackedIndex, descriptor};
pub use layer::{Layer, MTIME, PackedLayer};
pub use random::Random;
pub use registry::{Gate, RangeLie, Registry, RegistryBuilder, Request, Route};

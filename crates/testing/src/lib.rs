//! For tests: a scripted registry, image and tar builders, a sandbox; and Debian's own servers.

mod compress;
mod confine;
mod image;
mod layer;
mod random;
pub mod real;
mod registry;
mod sandbox;
pub mod tar;
mod tree;

pub use compress::Compression;
pub use confine::confined;
pub use image::{Image, Index, PackedImage, PackedIndex, descriptor};
pub use layer::{Layer, MTIME, PackedLayer};
pub use random::Random;
pub use registry::{Gate, RangeLie, Registry, RegistryBuilder, Request, Route};
pub use sandbox::{SENTINEL, Sandbox};
pub use tree::{Aspect, Difference, Entry, Kind, Tree};

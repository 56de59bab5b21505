//! For tests: a registry that misbehaves on command, images and archives of every kind, a place where
//! hostile ones can do no harm; and Debian's own servers.
//!
//! # A registry that does what it is told
//!
//! ```
//! use windlass_testing::{Compression, Image, Layer, Registry};
//!
//! let registry = Registry::start();
//! let image = registry.push(
//!     Image::new()
//!         .layer(Layer::new().dir("etc").file("etc/motd", b"welcome").mode(0o600))
//!         .layer(Layer::of_size(3 << 20).compressed(Compression::ZstdFrames(3))),
//!     "app:1",
//! );
//! let layer = image.layers[1].digest;
//!
//! // The first answer is cut, the second refused, and from then on all is well.
//! registry.blob(&layer).cut_after(1 << 20).then().status(429).retry_after(2).then_ok();
//! // The manifest waits until the test says so; nothing sleeps.
//! let gate = registry.manifest("1").hold();
//!
//! // … start pulling `registry.name("app:1")`, `gate.wait_for(1)`, look around, `gate.open()` …
//! # gate.open();
//!
//! // Afterwards: what was it asked?
//! assert_eq!(registry.ranges_asked(&layer), [""; 0]);
//! assert_eq!(registry.log(), [""; 0]);
//! assert!(!registry.saw_authorization());
//! ```
//!
//! [`Registry::builder`] adds passwords, tokens, pages, another address of loopback, a slow link. What can
//! be scripted is in [`Route`].
//!
//! # What stands around it
//!
//! [`Ca`] makes certificates: a registry [with TLS](RegistryBuilder::tls) speaks HTTP/2 and HTTP/1.1 and may
//! want the client's certificate. Registries may [mirror](RegistryBuilder::mirror_of) one another, and be
//! [dead](Registry::stop_listening), [silent](Registry::stop_answering) or [wrong](Registry::every) as a
//! whole until [`Registry::revive`]. [`Storage`] is where blobs are redirected to, by presigned URLs, and
//! where foreign layers are. [`HttpProxy`] and [`Socks5Proxy`] lead to all of these by made-up names.
//!
//! # Archives, honest and other
//!
//! [`Layer`] writes what a builder of images would, always the same bytes for the same calls. [`tar::Tar`]
//! writes anything: [`Layer::from_tar`] makes a layer of it, [`PackedLayer::from_reader`] one that is too
//! large to hold. A [`PackedLayer`]'s fields may be changed to make an image lie about it, and
//! [`Image::manifest`], [`Image::config`] and [`Index::edit`] change the documents. [`Schema1`] is an image
//! as Docker had them before, signed, with a choice of flaws.
//!
//! # Hostile archives
//!
//! Are unpacked nowhere but in [`confined`], which gives the test a [`Sandbox`] with a canary, and makes
//! everything else read-only. [`Tree`] compares what came out with what should have:
//!
//! ```no_run
//! use windlass_testing::{Tree, confined};
//!
//! #[test]
//! fn a_link_does_not_lead_out() {
//!     confined(|sandbox| {
//!         // … unpack into `sandbox.root()` …
//!         let tree = Tree::of(sandbox.root()).unwrap();
//!         assert_eq!(tree.paths(), [".", "link"]);
//!     });
//! }
//! ```

mod compress;
mod confine;
mod image;
mod layer;
mod proxy;
mod random;
pub mod real;
mod registry;
mod sandbox;
mod schema1;
pub mod tar;
mod tls;
mod tree;

pub use compress::Compression;
pub use confine::{can_confine, confined};
pub use image::{Image, Index, PackedImage, PackedIndex, descriptor};
pub use layer::{Layer, MTIME, PackedLayer};
pub use proxy::{HttpProxy, ProxyBuilder, ProxyRequest, Socks5Proxy, SocksHost, SocksRequest};
pub use random::Random;
pub use registry::{Gate, Handshake, RangeLie, Registry, RegistryBuilder, Request, Route, Storage};
pub use sandbox::{SENTINEL, Sandbox};
pub use schema1::{PackedSchema1, Schema1, Schema1Flaw};
pub use tls::{Ca, Identity};
pub use tree::{Aspect, Difference, Entry, Kind, Tree};

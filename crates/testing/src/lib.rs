//! For tests: a registry that misbehaves on command, images and archives of every kind, a place where
//! hostile ones can do no harm; and Debian's own servers.
//!
//! # A registry that does what it is told
//!
//! ```
//! use windlass_testing::{BlobCompression, ImageBuilder, LayerBuilder, Registry};
//!
//! let registry = Registry::start();
//! let image = registry.push(
//!     ImageBuilder::new()
//!         .layer(LayerBuilder::new().dir("etc").file("etc/motd", b"welcome").mode(0o600))
//!         .layer(LayerBuilder::of_size(3 << 20).compressed(BlobCompression::ZstdFrames(3))),
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
//! assert_eq!(registry.requested_ranges(&layer), [""; 0]);
//! assert_eq!(registry.log(), [""; 0]);
//! assert!(!registry.received_authorization());
//! ```
//!
//! [`Registry::builder`] adds passwords, tokens, pages, another address of loopback, a slow link. What can
//! be scripted is in [`RouteScript`].
//!
//! # What stands around it
//!
//! [`Ca`] makes certificates: a registry [with TLS](RegistryBuilder::tls) speaks HTTP/2 and HTTP/1.1 and may
//! want the client's certificate. Registries may [mirror](RegistryBuilder::mirror_of) one another, and be
//! [dead](Registry::stop_listening), [silent](Registry::stop_answering) or [wrong](Registry::every) as a
//! whole until [`Registry::clear_scripts_and_restore`]. [`Storage`] is where blobs are redirected to, by presigned URLs, and
//! where foreign layers are. [`HttpProxy`] and [`Socks5Proxy`] lead to all of these by made-up names.
//!
//! # Archives, honest and other
//!
//! [`LayerBuilder`] writes what a builder of images would, always the same bytes for the same calls. [`tar::Tar`]
//! writes anything: [`LayerBuilder::from_tar`] makes a layer of it, [`PackedLayer::from_reader`] one that is too
//! large to hold. A [`PackedLayer`]'s fields may be changed to make an image lie about it, and
//! [`ImageBuilder::manifest`], [`ImageBuilder::config`] and [`IndexBuilder::edit`] change the documents. [`Schema1Builder`] is an image
//! as Docker had them before, signed, with a choice of flaws.
//!
//! # Hostile archives
//!
//! Are unpacked nowhere but in [`confined`], which gives the test a [`Sandbox`] with a canary, and makes
//! everything else read-only. [`TreeSnapshot`] compares what came out with what should have:
//!
//! ```no_run
//! use windlass_testing::{TreeSnapshot, confined};
//!
//! #[test]
//! fn a_link_does_not_lead_out() {
//!     confined(|sandbox| {
//!         // … unpack into `sandbox.root()` …
//!         let tree = TreeSnapshot::of(sandbox.root()).unwrap();
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

pub use compress::BlobCompression;
pub use confine::{can_confine, confined};
pub use image::{ImageBuilder, IndexBuilder, PackedImage, PackedIndex, descriptor};
pub use layer::{LayerBuilder, MTIME, PackedLayer};
pub use proxy::{HttpProxy, ProxyBuilder, ProxyRequest, Socks5Proxy, SocksHost, SocksRequest};
pub use random::Random;
pub use registry::{
    Gate, RangeFault, RecordedRequest, Registry, RegistryBuilder, RouteScript, Storage,
    TlsHandshake,
};
pub use sandbox::{SENTINEL, Sandbox};
pub use schema1::{PackedSchema1, Schema1Builder, Schema1Flaw};
pub use tls::{Ca, TlsIdentity};
pub use tree::{TreeAspect, TreeDifference, TreeEntry, TreeEntryKind, TreeSnapshot};

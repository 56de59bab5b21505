//! For tests: a registry with scripted faults, images and archives of every kind, a sandbox for hostile ones,
//! and Debian's own servers.
//!
//! # A scripted registry
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
//! // The first response is cut, the second is an error, and then the blob is served normally.
//! registry.blob(&layer).cut_after(1 << 20).then().status(429).retry_after(2).then_ok();
//! // The manifest waits until the test opens the gate; no test needs to sleep.
//! let gate = registry.manifest("1").hold();
//!
//! // … start pulling `registry.name("app:1")`, `gate.wait_for(1)`, check something, `gate.open()` …
//! # gate.open();
//!
//! // Afterwards the test checks the requests.
//! assert_eq!(registry.requested_ranges(&layer), [""; 0]);
//! assert_eq!(registry.log(), [""; 0]);
//! assert!(!registry.received_authorization());
//! ```
//!
//! [`Registry::builder`] adds passwords, tokens, pages, another address of loopback, a bandwidth limit.
//! [`RouteScript`] lists the faults.
//!
//! # Other servers
//!
//! [`Ca`] creates certificates: a registry [with TLS](RegistryBuilder::tls) speaks HTTP/2 and HTTP/1.1 and may
//! require a client certificate. Registries can [mirror](RegistryBuilder::mirror_of) one another, and can
//! [refuse connections](Registry::stop_listening), [stay silent](Registry::stop_answering) or [fail every
//! request](Registry::every) until [`Registry::clear_scripts_and_restore`]. [`Storage`] is a file server to
//! which blobs are redirected by presigned URLs, and which serves foreign layers. [`HttpProxy`] and
//! [`Socks5Proxy`] lead to all of these by invented host names.
//!
//! # Archives
//!
//! [`LayerBuilder`] writes what an image builder would, always the same bytes for the same calls. [`tar::Tar`]
//! writes anything: [`LayerBuilder::from_tar`] makes a layer of it, [`PackedLayer::from_reader`] one that is
//! too large for memory. The fields of a [`PackedLayer`] can be changed so that an image describes it wrongly,
//! and [`ImageBuilder::manifest`], [`ImageBuilder::config`] and [`IndexBuilder::edit`] change the documents.
//! [`Schema1Builder`] builds images in Docker's older format, signed, with a choice of flaws.
//!
//! # Hostile archives
//!
//! Hostile archives are unpacked only in [`confined`], which gives the test a [`Sandbox`] with a canary, and
//! makes everything else read-only. [`TreeSnapshot`] compares the result with the expected one:
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
mod output;
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
pub use output::{OutputMasks, without_times};
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

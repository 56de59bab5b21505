//! Turns an image config into the `config.json` of an OCI runtime bundle.
//!
//! By the rules of the OCI image specification, "BundleConverter to OCI Runtime Configuration". What is not in the
//! image is chosen as `docs/decisions/0013-bundle.md` says.
//!
//! The image is not trusted: of its unpacked root no more is read than `/etc/passwd`, `/etc/group` and what kind
//! of directories its volumes are, all of it resolved by the kernel within that root. Nothing in it is run.
//!
//! ```text
//! <bundle>/
//! ├── config.json   how to run it
//! └── rootfs/       the unpacked image
//! ```

mod accounts;
mod annotations;
mod convert;
mod defaults;
mod error;
mod options;
mod process;
mod root;
mod spec;
mod user;
mod volumes;

pub use convert::{BundleConverter, ConvertedConfig};
pub use error::{AccountsError, BundleWarning, ConvertError, VolumeProblem};
pub use options::{
    BundleOptions, EnvVariable, EnvVariableError, Hostname, HostnameError, RuntimeUser, VolumeMode,
};
pub use spec::{
    Capabilities, Device, IdMapping, Linux, Mount, Namespace, Process, Resources, Root, Spec, User,
};

/// The directory of a bundle that has the root file system.
pub const ROOTFS: &str = "rootfs";

/// The file of a bundle that says how to run it.
pub const CONFIG: &str = "config.json";

//! Converts an image config to the `config.json` of an OCI runtime bundle.
//!
//! The conversion follows the OCI image specification, "Conversion to OCI Runtime Configuration". The settings that are
//! not part of an image are documented in `docs/decisions/0013-bundle.md`.
//!
//! The image is not trusted. Only `/etc/passwd`, `/etc/group` and the attributes of volume directories are read from
//! its unpacked root, with paths that the kernel resolves inside this root. No program of the image is run.
//!
//! ```text
//! <bundle>/
//! ├── config.json   the configuration of the container
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

/// The directory of the root file system in a bundle.
pub const ROOTFS: &str = "rootfs";

/// The file of the configuration in a bundle.
pub const CONFIG: &str = "config.json";

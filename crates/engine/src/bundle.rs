//! OCI runtime bundles: options and results of [`Engine::bundle`](crate::Engine::bundle).

pub use crate::bundle_image::{BundleRequest, Bundled};

pub use windlass_bundle::{
    BundleOptions, BundleWarning, CONFIG, EnvVariable, Hostname, ROOTFS, RuntimeUser, Spec,
    VolumeMode, VolumeProblem,
};

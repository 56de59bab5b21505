//! The conversion, in two steps: checks that need only the image config, then the rest with the root file system.

use std::os::fd::BorrowedFd;

use windlass_oci::text::sanitize;
use windlass_oci::{ImageConfig, RuntimeConfig};

use crate::error::{BundleWarning, ConvertError};
use crate::options::{BundleOptions, VolumeMode};
use crate::root::ImageRoot;
use crate::spec::{Process, Root, Spec};
use crate::user::{ResolvedUser, UserSpec};
use crate::{ROOTFS, annotations, defaults, process, volumes};

/// The version of the OCI runtime specification that the configs conform to.
const OCI_VERSION: &str = "1.0.2";

/// An image config that has been checked as far as possible without its root file system.
#[derive(Debug)]
pub struct BundleConverter<'a> {
    image: &'a ImageConfig,
    config: RuntimeConfig,
    options: &'a BundleOptions,
    args: Vec<String>,
    cwd: String,
}

/// The config of a bundle.
#[derive(Debug)]
pub struct ConvertedConfig {
    /// The content of `config.json`.
    pub spec: Spec,
    /// The parts of the image config that were left out.
    pub warnings: Vec<BundleWarning>,
}

impl<'a> BundleConverter<'a> {
    /// Checks the image config before the root file system, which can be large, is unpacked.
    pub fn new(image: &'a ImageConfig, options: &'a BundleOptions) -> Result<Self, ConvertError> {
        let os = image.platform().os;
        if os != "linux" {
            return Err(ConvertError::OtherOs { os: sanitize(&os) });
        }
        let config = image.config.clone().unwrap_or_default();
        let args = process::args(&config, options)?;
        let cwd = process::cwd(&config, options)?;
        UserSpec::parse(user(&config, options))?;
        Ok(Self {
            image,
            config,
            options,
            args,
            cwd,
        })
    }

    /// Creates the config; `root` is the directory of the image's root file system.
    pub fn with_root(self, root: BorrowedFd<'_>) -> Result<ConvertedConfig, ConvertError> {
        let (options, config) = (self.options, &self.config);
        let root = ImageRoot::new(root);
        let mut warnings = Vec::new();
        let name = UserSpec::parse(user(config, options))?;
        let ResolvedUser { user, home } =
            name.resolve(root, options.runtime_user, &mut warnings)?;
        let mut mounts = defaults::mounts(options.runtime_user);
        match options.volumes {
            VolumeMode::Tmpfs => {
                let volumes = &config.volumes;
                mounts.extend(volumes::mounts(
                    volumes,
                    root,
                    options.runtime_user,
                    &mut warnings,
                ));
            }
            VolumeMode::Rootfs => {}
        }
        let spec = Spec {
            oci_version: OCI_VERSION,
            process: Process {
                terminal: options.tty,
                args: self.args,
                env: process::env(config, options, &home, &mut warnings),
                cwd: self.cwd,
                ..defaults::process(user)
            },
            root: Root {
                path: ROOTFS,
                readonly: false,
            },
            hostname: options.hostname.as_str().to_owned(),
            mounts,
            annotations: annotations::annotations(self.image, config, &mut warnings),
            linux: defaults::linux(options.runtime_user),
        };
        Ok(ConvertedConfig { spec, warnings })
    }
}

/// Returns the user of the options, or otherwise of the image; empty if neither is set.
fn user<'a>(config: &'a RuntimeConfig, options: &'a BundleOptions) -> &'a str {
    let user = options.user.as_deref().or(config.user.as_deref());
    user.unwrap_or_default()
}

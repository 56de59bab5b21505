//! The conversion itself: first what can be told without the root file system, then the rest.

use std::os::fd::BorrowedFd;

use windlass_oci::text::sanitize;
use windlass_oci::{ImageConfig, RuntimeConfig};

use crate::error::{BundleWarning, ConvertError};
use crate::options::{BundleOptions, VolumeMode};
use crate::root::ImageRoot;
use crate::spec::{Process, Root, Spec};
use crate::user::{Resolved, UserName};
use crate::{ROOTFS, annotations, defaults, process, volumes};

/// The version of the runtime specification that configs are written for.
const OCI_VERSION: &str = "1.0.2";

/// An image config that can be turned into a runtime's, as far as can be told without its root file system.
#[derive(Debug)]
pub struct BundleConverter<'a> {
    image: &'a ImageConfig,
    config: RuntimeConfig,
    options: &'a BundleOptions,
    args: Vec<String>,
    cwd: String,
}

/// A runtime's config.
#[derive(Debug)]
pub struct ConvertedConfig {
    /// The config.
    pub spec: Spec,
    /// What of the image is not in it.
    pub warnings: Vec<BundleWarning>,
}

impl<'a> BundleConverter<'a> {
    /// Checks all that does not take the root file system: it can be large.
    pub fn new(image: &'a ImageConfig, options: &'a BundleOptions) -> Result<Self, ConvertError> {
        let os = image.platform().os;
        if os != "linux" {
            return Err(ConvertError::OtherOs { os: sanitize(&os) });
        }
        let config = image.config.clone().unwrap_or_default();
        let args = process::args(&config, options)?;
        let cwd = process::cwd(&config, options)?;
        UserName::parse(user(&config, options))?;
        Ok(Self {
            image,
            config,
            options,
            args,
            cwd,
        })
    }

    /// Makes the config for the image's root file system, which is in the directory `root`.
    pub fn with_root(self, root: BorrowedFd<'_>) -> Result<ConvertedConfig, ConvertError> {
        let (options, config) = (self.options, &self.config);
        let root = ImageRoot::new(root);
        let mut warnings = Vec::new();
        let name = UserName::parse(user(config, options))?;
        let Resolved { user, home } = name.resolve(root, options.runtime_user, &mut warnings)?;
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

/// The user that is asked for, or else the image's, or else nobody in particular.
fn user<'a>(config: &'a RuntimeConfig, options: &'a BundleOptions) -> &'a str {
    let user = options.user.as_deref().or(config.user.as_deref());
    user.unwrap_or_default()
}

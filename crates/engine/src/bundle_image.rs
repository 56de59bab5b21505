//! Writes an image as an OCI runtime bundle, which runc and other runtimes can start.
//!
//! `config.json` is written last and appears at once: a bundle with this file is complete.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use windlass_bundle::{
    BundleConverter, BundleOptions, BundleWarning, CONFIG, ConvertError, ConvertedConfig, ROOTFS,
    Spec,
};
use windlass_oci::{ImageConfig, ImageConfigError, ImageId, ImageName, Platform};
use windlass_operation::{BlockingContext, Cancelled, Operation};
use windlass_store::{FindError, ReadError};

use crate::engine::Engine;
use crate::unpack::{UnpackImageError, UnpackSummary, UnpackTarget};

/// The name of `config.json` until it is complete.
const DRAFT: &str = ".config.json.draft";

/// The request of [`Engine::bundle`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleRequest {
    /// The platform that the image must have; `None` for any.
    pub platform: Option<Platform>,
    /// Settings in addition to those of the image's config.
    pub options: BundleOptions,
}

/// The result of [`Engine::bundle`].
#[derive(Debug)]
pub struct Bundled {
    /// The image.
    pub image: ImageId,
    /// Its platform.
    pub platform: Platform,
    /// The root file system.
    pub unpacked: UnpackSummary,
    /// The content of `config.json`.
    pub spec: Spec,
    /// The parts of the image's config that the bundle does not have.
    pub warnings: Vec<BundleWarning>,
}

/// Why no bundle was made. The directory is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum BundleImageError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The image has another platform than the requested one.
    #[error("the stored image is for {found}, not for {wanted}")]
    Platform {
        /// The requested platform.
        wanted: Platform,
        /// The platform of the image.
        found: Platform,
    },
    /// Its config could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The stored config is malformed.
    #[error(transparent)]
    Config(#[from] ImageConfigError),
    /// The config cannot be converted into one of a runtime.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Its root file system could not be unpacked.
    #[error(transparent)]
    Unpack(#[from] UnpackImageError),
    /// The bundle could not be written.
    #[error("cannot {action} in {}", .path.display())]
    Directory {
        /// The failed step, as an infinitive.
        action: &'static str,
        /// The bundle.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl From<Cancelled> for BundleImageError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Unpack(cancelled.into())
    }
}

impl Engine {
    /// Writes an OCI runtime bundle of an image to the directory `into`, which is created if it is missing and must
    /// be empty otherwise: `rootfs`, as [`Engine::unpack`] writes it, and `config.json`.
    ///
    /// A directory that is created can be entered by its owner only, because the image may contain setuid programs.
    /// After an error or a cancellation, everything that was created is removed.
    pub fn bundle(
        &self,
        name: &ImageName,
        into: &Path,
        request: BundleRequest,
    ) -> Operation<Infallible, Bundled, BundleImageError> {
        let (name, into) = (name.clone(), into.to_owned());
        self.operation(move |engine, context| engine.make_bundle(&name, &into, &request, context))
    }

    fn make_bundle(
        &self,
        name: &ImageName,
        into: &Path,
        request: &BundleRequest,
        context: &BlockingContext<Infallible>,
    ) -> Result<Bundled, BundleImageError> {
        let image = self.store.image(name)?;
        let config = ImageConfig::parse(&self.store.read_blob(image.id.digest())?)?;
        let platform = config.platform();
        if let Some(wanted) = &request.platform
            && wanted.rank(&platform).is_none()
        {
            let (wanted, found) = (wanted.clone(), platform);
            return Err(BundleImageError::Platform { wanted, found });
        }
        let conversion = BundleConverter::new(&config, &request.options)?;
        let failed = |action| {
            let path = into.to_owned();
            move |source| BundleImageError::Directory {
                action,
                path,
                source,
            }
        };
        let target = UnpackTarget::open(into)?;
        let bundle = target.directory();
        if target.is_new() {
            let private = rustix::fs::fchmod(bundle, Mode::RWXU);
            private.map_err(|error| failed("set the mode")(error.into()))?;
        }
        let root = make_root(bundle).map_err(failed("make the rootfs"))?;
        let unpacked = self.flatten(&image, root.as_fd(), context)?;
        let ConvertedConfig { spec, warnings } = conversion.with_root(root.as_fd())?;
        context.begin_commit()?;
        write(bundle, &spec).map_err(failed("write config.json"))?;
        target.keep();
        Ok(Bundled {
            image: image.id,
            platform,
            unpacked,
            spec,
            warnings,
        })
    }
}

/// Creates the directory of the root file system. All users may read it, unless the image specifies other permissions.
fn make_root(bundle: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP | Mode::ROTH | Mode::XOTH;
    rustix::fs::mkdirat(bundle, ROOTFS, mode)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::openat(bundle, ROOTFS, flags, Mode::empty())?;
    // Not subject to the umask.
    rustix::fs::fchmod(&root, mode)?;
    Ok(root)
}

/// Writes `config.json` in one step.
fn write(bundle: BorrowedFd<'_>, spec: &Spec) -> io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let draft = rustix::fs::openat(bundle, DRAFT, flags, mode)?;
    let mut draft = File::from(draft);
    draft.write_all(spec.to_json().as_bytes())?;
    draft.sync_all()?;
    rustix::fs::renameat(bundle, DRAFT, bundle, CONFIG)?;
    Ok(())
}

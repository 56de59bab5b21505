//! Mounts an image as a read-only directory: an overlay of the stored layers.
//!
//! Layers are stored separately, so mounting copies nothing. For a few images, an overlay of the layers differs from the
//! layers unpacked over each other. They are rejected, and the error describes the alternative.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};
use windlass_oci::text::{Sanitized, sanitize_bytes};
use windlass_oci::{DiffId, ImageId, ImageName};
use windlass_store::{Chain, ChainError, ChainShape, FileError, FindError, FlattenReason};

use crate::engine::Engine;

/// The prefix of the source of a mount, before the image ID, in `/proc/self/mountinfo`.
const SOURCE: &str = "windlass:";

/// Why an image was not mounted, or a directory not unmounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no such image, or the name is ambiguous.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The layers could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An overlay of the layers would differ from the image.
    #[error("an overlay of its layers would differ from the image at {path}")]
    NotStackable {
        /// The first path with a difference.
        path: Sanitized,
        /// The difference.
        reason: FlattenReason,
    },
    /// A layer hides files in a form that an overlay does not show: it was unpacked in a container, or on a file system,
    /// where the usual form is not possible.
    #[error(
        "an overlay would show files that its layer {diff_id} hides, because it was unpacked without the rights for whiteouts"
    )]
    HidingForm {
        /// The layer.
        diff_id: DiffId,
    },
    /// The store does not have what the overlay needs.
    #[error(transparent)]
    File(#[from] FileError),
    /// No mount of windlass is at this place.
    #[error("no image is mounted on {}", .path.display())]
    NotMounted {
        /// The directory.
        path: PathBuf,
    },
    /// A system call failed.
    #[error("cannot {action}")]
    System {
        /// The failed step, as an infinitive.
        action: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}

/// A mount of an image, from the mount table.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    /// The ID of the mount in the kernel.
    number: u64,
    image: ImageId,
    at: PathBuf,
}

impl Engine {
    /// Mounts the root file system of an image on the directory `at`, read-only. Device nodes and set-user-ID bits have no
    /// effect. Needs root.
    pub fn mount(&self, name: &ImageName, at: &Path) -> Result<(), MountError> {
        let _lock = self.lock_mounts();
        let image = self.store.image(name)?;
        let chain = self.store.chain(&image)?;
        if let ChainShape::NeedsFlattening { path, reason, .. } = &chain.shape {
            let (path, reason) = (sanitize_bytes(path), *reason);
            return Err(MountError::NotStackable { path, reason });
        }
        if let Some(layer) = chain.layers.iter().find(|layer| !layer.is_mountable()) {
            return Err(MountError::HidingForm {
                diff_id: *layer.diff_id(),
            });
        }
        let source = format!("{SOURCE}{}", image.id);
        let tree = overlay(&source, &self.lower_directories(&chain)?)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(tree.as_fd(), "", CWD, at, flags).map_err(failed("mount on the directory"))
    }

    /// Unmounts an image that [`Engine::mount`] mounted on `at`. Other mounts are rejected.
    pub fn umount(&self, at: &Path) -> Result<(), MountError> {
        let not_mounted = || MountError::NotMounted {
            path: at.to_owned(),
        };
        let path = at.canonicalize().map_err(|_| not_mounted())?;
        // By its ID: another file system may be mounted over it.
        let topmost = mount_number(&path).map_err(|_| not_mounted())?;
        let is_ours = |mounted: &Mounted| mounted.number == topmost && mounted.at == path;
        if !mounted()?.iter().any(is_ours) {
            return Err(not_mounted());
        }
        unmount(&path, UnmountFlags::NOFOLLOW).map_err(failed("unmount the directory"))
    }

    /// Locks out mounts while images are removed, and the reverse: an image that is not mounted stays so until it is removed.
    pub(crate) fn lock_mounts(&self) -> MutexGuard<'_, ()> {
        self.mounting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the layers to stack, the top first.
    fn lower_directories(&self, chain: &Chain) -> Result<Vec<PathBuf>, MountError> {
        let layers = chain.directories();
        // overlayfs ignores the mark of an opaque directory on the root of a layer, so the layers below are left out.
        let opaque = layers.iter().position(|layer| is_opaque(layer));
        let visible = opaque.map_or(layers.len(), |top| top + 1);
        let mut directories = self.store.empty_overlay_layers(chain)?;
        directories.extend(layers.into_iter().take(visible));
        Ok(directories)
    }
}

/// Returns the mounted images, as far as this process can see them, each with one mount point.
pub(crate) fn mounts() -> Result<BTreeMap<ImageId, PathBuf>, MountError> {
    let mut places = BTreeMap::new();
    for Mounted { image, at, .. } in mounted()? {
        places.entry(image).or_insert(at);
    }
    Ok(places)
}

/// Mounts a read-only overlay of `layers`, the top one first.
///
/// The layers are added one at a time (`lowerdir+`, Linux 6.5): the kernel limits them to 500, and colons need no
/// escaping.
fn overlay(source: &str, layers: &[PathBuf]) -> Result<OwnedFd, MountError> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(failed("use the overlay file system"))?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", source).map_err(failed("name the mount"))?;
    for layer in layers {
        fsconfig_set_string(context, "lowerdir+", layer.as_path())
            .map_err(failed("stack the layers (needs Linux 6.5)"))?;
    }
    fsconfig_set_flag(context, "ro").map_err(failed("make it read-only"))?;
    fsconfig_create(context).map_err(failed("stack the layers"))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed("make the mount"))
}

fn is_opaque(layer: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::getxattr(layer, "trusted.overlay.opaque", &mut value).is_ok() && value == *b"y"
}

/// Lists the mounted images in the order of the mount table.
fn mounted() -> Result<Vec<Mounted>, MountError> {
    let table = std::fs::read("/proc/self/mountinfo").map_err(|source| MountError::System {
        action: "read the table of mounts",
        source,
    })?;
    Ok(table
        .split(|byte| *byte == b'\n')
        .filter_map(Mounted::parse)
        .collect())
}

/// Returns the ID of the topmost mount at `path`, as in [`Mounted::number`].
fn mount_number(path: &Path) -> rustix::io::Result<u64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(CWD, path, flags, StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}

fn failed(action: &'static str) -> impl Fn(rustix::io::Errno) -> MountError {
    move |error| MountError::System {
        action,
        source: error.into(),
    }
}

impl Mounted {
    /// Parses a line of `/proc/self/mountinfo` (see proc(5)); returns `None` for mounts of other programs.
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        // Users can choose the source of their own FUSE mounts, but not the type overlay.
        if *fields.get(separator + 1)? != b"overlay" {
            return None;
        }
        let number = std::str::from_utf8(fields.first()?).ok()?.parse().ok()?;
        let source = std::str::from_utf8(fields.get(separator + 2)?).ok()?;
        let image = source.strip_prefix(SOURCE)?.parse().ok()?;
        let at = unescaped(fields.get(4)?);
        Some(Self {
            number,
            image,
            at: PathBuf::from(OsStr::from_bytes(&at)),
        })
    }
}

/// Decodes the octal escapes of a mount table, such as `\040` for a space.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .filter(|digits| digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match (first, digits) {
            (b'\\', Some(digits)) => {
                let value = digits
                    .iter()
                    .fold(0u32, |value, d| value * 8 + u32::from(d - b'0'));
                bytes.push(u8::try_from(value).unwrap_or(b'?'));
                rest = &after[3..];
            }
            (first, _) => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_recognized_by_their_source() {
        let id = format!("sha256:{}", "a".repeat(64));
        let line = format!(
            r"36 35 98:0 / /mnt/two\040words ro,nosuid,nodev shared:1 - overlay windlass:{id} ro,lowerdir+=/x"
        );
        let mounted = Mounted::parse(line.as_bytes()).unwrap();
        assert_eq!(
            mounted,
            Mounted {
                number: 36,
                image: id.parse().unwrap(),
                at: "/mnt/two words".into()
            }
        );
        assert_eq!(
            Mounted::parse(b"36 35 98:0 / /mnt ro - overlay overlay ro"),
            None
        );
        assert_eq!(Mounted::parse(b""), None);
        // Every user with `fusermount` can create such a mount. It must not prevent the removal of an image.
        let forged = format!("36 35 0:9 / /mnt rw,nosuid,nodev - fuse.x windlass:{id} rw");
        assert_eq!(Mounted::parse(forged.as_bytes()), None);
    }
}

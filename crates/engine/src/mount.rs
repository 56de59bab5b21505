//! An image as a read-only directory: an overlay of the stored layers.
//!
//! Layers are stored by what they add, so an image is mounted without copying a byte. The rare one whose
//! layers mean something else when they are stacked by overlayfs than when they are unpacked over each other
//! is refused, with the word on what to do instead.

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
use windlass_oci::{ImageId, ImageName};
use windlass_store::{Chain, ChainError, ChainShape, FileError, FindError, FlattenReason};

use crate::Engine;

/// What stands before the image ID in the source of a mount, as `/proc/self/mountinfo` shows it.
const SOURCE: &str = "windlass:";

/// Why an image could not be mounted, or a directory not be unmounted.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// There is no such image, or more than one.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Its layers could not be looked at.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// An overlay of the layers would not be the image.
    #[error("an overlay of its layers would differ from the image at {path}")]
    NotStackable {
        /// The first path at which it would.
        path: Sanitized,
        /// What would be different there.
        reason: FlattenReason,
    },
    /// The store could not give what an overlay needs.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing of windlass is mounted there.
    #[error("no image is mounted on {}", .path.display())]
    NotMounted {
        /// The directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A mount of an image, as the system lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    /// The kernel's number of the mount.
    number: u64,
    image: ImageId,
    at: PathBuf,
}

impl Engine {
    /// Mounts the root file system of an image on the directory `at`, read-only, without device nodes and
    /// set-user-ID programs taking effect. Needs root.
    pub fn mount(&self, name: &ImageName, at: &Path) -> Result<(), MountError> {
        let _nobody_removes = self.mounting();
        let image = self.store.image(name)?;
        let chain = self.store.chain(&image)?;
        if let ChainShape::NeedsFlattening { path, reason, .. } = &chain.shape {
            let (path, reason) = (sanitize_bytes(path), *reason);
            return Err(MountError::NotStackable { path, reason });
        }
        let source = format!("{SOURCE}{}", image.id);
        let tree = overlay(&source, &self.lower_directories(&chain)?)?;
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(tree.as_fd(), "", CWD, at, flags).map_err(tried("mount on the directory"))
    }

    /// Unmounts an image that [`Engine::mount`] mounted on `at`; any other mount is left alone.
    pub fn umount(&self, at: &Path) -> Result<(), MountError> {
        let not_mounted = || MountError::NotMounted {
            path: at.to_owned(),
        };
        let path = at.canonicalize().map_err(|_| not_mounted())?;
        // By its number: something else may be mounted over it.
        let topmost = mount_number(&path).map_err(|_| not_mounted())?;
        let is_ours = |mounted: &Mounted| mounted.number == topmost && mounted.at == path;
        if !mounted()?.iter().any(is_ours) {
            return Err(not_mounted());
        }
        unmount(&path, UnmountFlags::NOFOLLOW).map_err(tried("unmount the directory"))
    }

    /// Keeps mounts and removals apart: what is found not to be mounted stays so until it is removed.
    pub(crate) fn mounting(&self) -> MutexGuard<'_, ()> {
        self.mounting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what to stack, the top first.
    fn lower_directories(&self, chain: &Chain) -> Result<Vec<PathBuf>, MountError> {
        let layers = chain.directories();
        // overlayfs does not heed the mark of an opaque directory on a root: all below it is hidden.
        let opaque = layers.iter().position(|layer| is_opaque(layer));
        let visible = opaque.map_or(layers.len(), |top| top + 1);
        let apex = self.store.empty_top(chain)?;
        Ok(std::iter::once(apex)
            .chain(layers.into_iter().take(visible))
            .collect())
    }
}

/// Returns the images that are mounted, as far as this process can see, each with one place.
pub(crate) fn mounts() -> Result<BTreeMap<ImageId, PathBuf>, MountError> {
    let mut places = BTreeMap::new();
    for Mounted { image, at, .. } in mounted()? {
        places.entry(image).or_insert(at);
    }
    Ok(places)
}

/// Makes a read-only overlay of `layers`, the top one first.
///
/// One layer at a time (`lowerdir+`, Linux 6.5): no limit on their number but the kernel's 500, and no
/// escaping of colons.
fn overlay(source: &str, layers: &[PathBuf]) -> Result<OwnedFd, MountError> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(tried("use the overlay file system"))?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", source).map_err(tried("name the mount"))?;
    for layer in layers {
        fsconfig_set_string(context, "lowerdir+", layer.as_path())
            .map_err(tried("stack the layers (Linux 6.5 or newer can)"))?;
    }
    fsconfig_set_flag(context, "ro").map_err(tried("make it read-only"))?;
    fsconfig_create(context).map_err(tried("stack the layers"))?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID;
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(tried("make the mount"))
}

fn is_opaque(layer: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::getxattr(layer, "trusted.overlay.opaque", &mut value).is_ok() && value == *b"y"
}

/// Lists the images that are mounted, in the order in which the system lists them.
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

/// Returns the number of the topmost mount at `path`, as [`Mounted::number`].
fn mount_number(path: &Path) -> rustix::io::Result<u64> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let found = rustix::fs::statx(CWD, path, flags, StatxFlags::MNT_ID)?;
    Ok(found.stx_mnt_id)
}

fn tried(action: &'static str) -> impl Fn(rustix::io::Errno) -> MountError {
    move |error| MountError::System {
        action,
        source: error.into(),
    }
}

impl Mounted {
    /// Reads one line of `/proc/self/mountinfo` (see proc(5)); `None` if it is no mount of ours.
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<_> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        // Users can choose the source of their own mounts (FUSE), but not that they are overlays.
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

/// Undoes the octal escapes (`\040` is a space) of a mount table.
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
            _ => {
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
    fn knows_its_mounts_by_their_source() {
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
        // Anybody who has `fusermount` can do this, and must not keep an image from being removed.
        let forged = format!("36 35 0:9 / /mnt rw,nosuid,nodev - fuse.x windlass:{id} rw");
        assert_eq!(Mounted::parse(forged.as_bytes()), None);
    }
}

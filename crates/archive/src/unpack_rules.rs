//! Rules that unpacking and flattening share, so that both produce the same tree from the same layers.

use crate::error::EntryError;

/// The mode of directories for which no entry exists.
pub(crate) const IMPLIED_DIRECTORY_MODE: u32 = 0o755;

/// The number of symbolic links that are followed for one path, as in the kernel.
pub(crate) const MAX_LINKS: usize = 40;

/// The number of components that are resolved for one path. No legitimate path needs more.
pub(crate) const MAX_STEPS: usize = 8192;

/// Reopening a directory takes its path; this many bytes of the path cost as much as one component.
const PATH_BYTES_PER_STEP: usize = 64;

/// What to do when a parent directory is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingParent {
    /// Create it: an entry is about to be added to it.
    Create,
    /// Leave it missing: the caller only looks for an existing file.
    Leave,
}

/// Charges one step of a path through a symbolic link to the `budget`. `path_length` is the length of the
/// directory's path in bytes.
pub(crate) fn charge_link_step(budget: &mut u64, path_length: usize) -> Result<(), EntryError> {
    let cost = 1 + (path_length / PATH_BYTES_PER_STEP) as u64;
    *budget = budget.checked_sub(cost).ok_or(EntryError::LinkLoop)?;
    Ok(())
}

/// Pushes the components of `path` onto the stack `pending`, so that the first component is popped first.
pub(crate) fn push_components(pending: &mut Vec<Vec<u8>>, path: &[u8]) {
    let components = path.split(|&byte| byte == b'/').rev();
    let components = components.filter(|name| !matches!(*name, b"" | b"."));
    pending.extend(components.map(<[u8]>::to_vec));
}

/// Returns whether a layer may set the extended attribute. Attributes of overlayfs would make the kernel
/// redirect accesses (A21); labels and measurements belong to the host on which the layer was created.
pub(crate) fn is_allowed_xattr(name: &[u8]) -> bool {
    let is_overlay = name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
    let is_of_host = matches!(
        name,
        b"security.selinux" | b"security.ima" | b"security.evm"
    );
    !is_overlay && !is_of_host
}

/// Returns the `dev_t` of a device. The kernel has 12 bits for the major and 20 bits for the minor number.
pub(crate) fn device_number(major: u64, minor: u64) -> Result<u64, EntryError> {
    let fits = |number: u64, bits: u32| u32::try_from(number).ok().filter(|n| n >> bits == 0);
    let number = fits(major, 12).zip(fits(minor, 20));
    let (major, minor) = number.ok_or(EntryError::Device { major, minor })?;
    Ok(rustix::fs::makedev(major, minor))
}

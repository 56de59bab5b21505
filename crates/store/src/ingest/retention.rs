//! Partial blobs that are retained for the next pull: listing them and removing them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use windlass_oci::Digest;

use super::error::IngestError;
use crate::Store;
use crate::database::from_integer;
use crate::error::{FileError, FileErrorContext};
use crate::partial_file::{RECORD_SUFFIX, read_record};
use crate::store_root::{StoreArea, StoreRoot, list_names};
use crate::tree;

/// The part of a blob that is on disk and need not be downloaded again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialBlob {
    /// The digest of the complete blob.
    pub digest: Digest,
    /// The size of the complete blob, in bytes.
    pub size: u64,
    /// The bytes that are present; fewer may remain after a reboot.
    #[serde(rename = "held")]
    pub stored: u64,
    /// The disk space that it takes up, in bytes.
    pub on_disk: u64,
    /// The time of the last write.
    #[serde(rename = "grown")]
    pub modified: SystemTime,
}

/// How long partial blobs are retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A partial blob that was not written to for this long is removed.
    pub max_age: Duration,
    /// The maximum of disk space for all partial blobs, in bytes; the oldest are removed first.
    pub max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            max_bytes: 16 << 30,
        }
    }
}

impl Store {
    /// Returns the partial blobs, including those being downloaded, the oldest first.
    pub fn partial_blobs(&self) -> Result<Vec<PartialBlob>, FileError> {
        match self.inner().find_root() {
            Some(root) => list_partials(root),
            None => Ok(Vec::new()),
        }
    }

    /// Removes the partial blobs that `retention` does not cover, and returns them. Blobs that are being
    /// downloaded stay, and so do those in `needed`.
    ///
    /// In addition, partial blobs never take up more than the free space of the disk: on a full disk they make
    /// room for pulls that can finish.
    pub fn expire_partials(
        &self,
        retention: &Retention,
        needed: &[Digest],
    ) -> Result<Vec<PartialBlob>, IngestError> {
        let inner = self.writable()?;
        let now = SystemTime::now();
        let mut partials = list_partials(inner.root())?;
        let mut used: u64 = partials.iter().map(|blob| blob.on_disk).sum();
        let mut free = self.available()?;
        let mut removed = Vec::new();
        partials.retain(|blob| !needed.contains(&blob.digest));
        for blob in partials {
            let age = now.duration_since(blob.modified).unwrap_or_default();
            let is_retained = age <= retention.max_age && used <= retention.max_bytes.min(free);
            if is_retained {
                continue;
            }
            if self.remove_partial(&blob)?.is_some() {
                used -= blob.on_disk;
                free = free.saturating_add(blob.on_disk);
                removed.push(blob);
            }
        }
        Ok(removed)
    }

    /// Removes all partial blobs except those being downloaded. Returns them, and the bytes of disk space that
    /// were freed, as `du` counts them.
    pub fn remove_partials(&self) -> Result<(Vec<PartialBlob>, u64), IngestError> {
        let (mut removed, mut freed) = (Vec::new(), 0);
        for blob in list_partials(self.writable()?.root())? {
            if let Some(bytes) = self.remove_partial(&blob)? {
                freed += bytes;
                removed.push(blob);
            }
        }
        Ok((removed, freed))
    }

    /// Returns what [`Store::remove_partials`] would remove and free if no pull was running. Changes nothing.
    pub fn remove_partials_preview(&self) -> Result<(Vec<PartialBlob>, u64), FileError> {
        let Some(root) = self.inner().find_root() else {
            return Ok((Vec::new(), 0));
        };
        let (blobs, mut freed) = (list_partials(root)?, 0);
        for blob in &blobs {
            let name = partial_name(&blob.digest, blob.size);
            for name in [format!("{name}{RECORD_SUFFIX}"), name] {
                let length = length(root.area(StoreArea::Ingest), &name);
                let length = length.at("examine", || path(root, &name))?;
                freed += length.map_or(0, |(_, on_disk, _)| on_disk);
            }
        }
        Ok((blobs, freed))
    }

    /// Returns the free space of the file system of the store, in bytes.
    pub fn available(&self) -> Result<u64, FileError> {
        let Some(root) = self.inner().find_root() else {
            return Ok(u64::MAX);
        };
        let stat = rustix::fs::fstatvfs(root.dir()).at("examine", || root.path().to_owned())?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes a partial blob and its record, unless it is being downloaded; returns the bytes freed.
    fn remove_partial(&self, blob: &PartialBlob) -> Result<Option<u64>, IngestError> {
        let inner = self.writable()?;
        let name = partial_name(&blob.digest, blob.size);
        let Some(_claim) = inner.active_ingests().claim(&name) else {
            return Ok(None);
        };
        let mut freed = 0;
        let ingest = inner.root().area(StoreArea::Ingest);
        // The record is removed first: a file without one is a leftover.
        for name in [format!("{name}{RECORD_SUFFIX}"), name] {
            let path = || inner.root().area_path(StoreArea::Ingest).join(&name);
            tree::remove_counting(ingest, name.as_ref(), &mut freed).at("remove", path)?;
        }
        Ok(Some(freed))
    }
}

/// Returns the file name of a partial blob in `ingest/`.
///
/// The size is part of the name, so that a descriptor with a wrong size does not spoil the file of a correct
/// one.
pub(super) fn partial_name(digest: &Digest, size: u64) -> String {
    format!("{}-{}-{size}", digest.algorithm().name(), digest.hex())
}

fn parse_name(name: &str) -> Option<(Digest, u64)> {
    let (algorithm, rest) = name.split_once('-')?;
    let (hex, size) = rest.split_once('-')?;
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    let size = size.parse().ok()?;
    (partial_name(&digest, size) == name).then_some((digest, size))
}

/// Returns whether `name` in `ingest/` is a partial blob with a valid record, or such a record.
pub(crate) fn is_valid_partial(root: &StoreRoot, name: &str) -> Result<bool, FileError> {
    let name = name.strip_suffix(RECORD_SUFFIX).unwrap_or(name);
    let Some((_, size)) = parse_name(name) else {
        return Ok(false);
    };
    let length = match length(root.area(StoreArea::Ingest), name) {
        Ok(length) => length,
        Err(error) => return Err(error).at("examine", || path(root, name)),
    };
    let has_file = length.is_some_and(|length| length.0 <= size);
    Ok(has_file && read_record(root, name, size)?.is_some())
}

/// Returns whether `name` in `ingest/` is a record.
pub(crate) fn is_record(name: &OsStr) -> bool {
    name.as_bytes().ends_with(RECORD_SUFFIX.as_bytes())
}

/// Lists the partial blobs, the oldest first.
fn list_partials(root: &StoreRoot) -> Result<Vec<PartialBlob>, FileError> {
    let ingest = root.area(StoreArea::Ingest);
    let mut found = BTreeMap::new();
    for name in list_names(ingest, || root.area_path(StoreArea::Ingest))? {
        let Some(name) = name.to_str() else { continue };
        let Some((digest, size)) = parse_name(name) else {
            continue;
        };
        let Some((_, on_disk, modified)) =
            length(ingest, name).at("examine", || path(root, name))?
        else {
            continue;
        };
        // A download that has just started has no record yet.
        let record = read_record(root, name, size)?;
        let stored = record.map_or(0, |record| record.stored.total());
        let blob = PartialBlob {
            digest,
            size,
            stored,
            on_disk,
            modified,
        };
        found.insert((modified, name.to_owned()), blob);
    }
    Ok(found.into_values().collect())
}

/// Returns the length of a file, its disk space in bytes, and the time of its last write; `None` if it is not a
/// file.
fn length(
    ingest: BorrowedFd<'_>,
    name: &str,
) -> rustix::io::Result<Option<(u64, u64, SystemTime)>> {
    let stat = match rustix::fs::statat(ingest, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // It was finished meanwhile.
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    let modified = SystemTime::UNIX_EPOCH.checked_add(seconds);
    Ok(Some((
        from_integer(stat.st_size),
        from_integer(stat.st_blocks).saturating_mul(512),
        modified.unwrap_or(SystemTime::UNIX_EPOCH),
    )))
}

fn path(root: &StoreRoot, name: &str) -> PathBuf {
    root.area_path(StoreArea::Ingest).join(name)
}

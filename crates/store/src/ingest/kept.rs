//! Partial blobs that were kept for the next pull: which there are, and for how long.

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

use super::partial::{RECORD_SUFFIX, read_record};
use crate::Store;
use crate::database::from_integer;
use crate::error::{At, FileError};
use crate::ingest::IngestError;
use crate::root::{Root, StoreArea};
use crate::sweep::names;
use crate::tree;

/// A part of a blob that is on disk, so that it need not be fetched again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialBlob {
    /// What all of it would hash to.
    pub digest: Digest,
    /// How large it would be, in bytes.
    pub size: u64,
    /// How much of it is there, in bytes; after another boot it may be less.
    #[serde(rename = "held")]
    pub stored: u64,
    /// What it takes up on disk, in bytes.
    pub on_disk: u64,
    /// When it last grew.
    #[serde(rename = "grown")]
    pub modified: SystemTime,
}

/// For how long partial blobs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// One that did not grow for so long goes.
    pub max_age: Duration,
    /// All of them together take up no more than this, in bytes; the oldest go first.
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
    /// Returns the partial blobs, those that are just coming in included, the oldest first.
    pub fn partial_blobs(&self) -> Result<Vec<PartialBlob>, FileError> {
        match self.inner().find_root() {
            Some(root) => kept(root),
            None => Ok(Vec::new()),
        }
    }

    /// Removes the partial blobs that are kept no longer, and returns them. Those that are coming in stay, and
    /// so do those of `wanted`.
    ///
    /// Beyond the bounds of `keep` they never take up more than what is free beside them: where a disk is full,
    /// what could not be finished makes room for what can.
    pub fn expire_partials(
        &self,
        keep: &Retention,
        wanted: &[Digest],
    ) -> Result<Vec<PartialBlob>, IngestError> {
        let inner = self.writable()?;
        let now = SystemTime::now();
        let mut left = kept(inner.root())?;
        let mut taken_up: u64 = left.iter().map(|blob| blob.on_disk).sum();
        let mut free = self.available()?;
        let mut gone = Vec::new();
        left.retain(|blob| !wanted.contains(&blob.digest));
        for blob in left {
            let age = now.duration_since(blob.modified).unwrap_or_default();
            let is_fine = age <= keep.max_age && taken_up <= keep.max_bytes.min(free);
            if is_fine {
                continue;
            }
            if self.remove_partial(&blob)?.is_some() {
                taken_up -= blob.on_disk;
                free = free.saturating_add(blob.on_disk);
                gone.push(blob);
            }
        }
        Ok(gone)
    }

    /// Removes all partial blobs but those that are coming in. Returns them, and how many bytes of the disk that gave
    /// back, as `du` counts them.
    pub fn remove_partials(&self) -> Result<(Vec<PartialBlob>, u64), IngestError> {
        let (mut gone, mut freed) = (Vec::new(), 0);
        for blob in kept(self.writable()?.root())? {
            if let Some(bytes) = self.remove_partial(&blob)? {
                freed += bytes;
                gone.push(blob);
            }
        }
        Ok((gone, freed))
    }

    /// Returns what [`Store::remove_partials`] would remove and give back if no pull was running. Changes nothing.
    pub fn remove_partials_preview(&self) -> Result<(Vec<PartialBlob>, u64), FileError> {
        let Some(root) = self.inner().find_root() else {
            return Ok((Vec::new(), 0));
        };
        let (blobs, mut freed) = (kept(root)?, 0);
        for blob in &blobs {
            let name = kept_name(&blob.digest, blob.size);
            for name in [format!("{name}{RECORD_SUFFIX}"), name] {
                let length = length(root.area(StoreArea::Ingest), &name);
                let length = length.at("examine", || path(root, &name))?;
                freed += length.map_or(0, |(_, on_disk, _)| on_disk);
            }
        }
        Ok((blobs, freed))
    }

    /// Returns how many bytes can be written to the file system of the store.
    pub fn available(&self) -> Result<u64, FileError> {
        let Some(root) = self.inner().find_root() else {
            return Ok(u64::MAX);
        };
        let stat = rustix::fs::fstatvfs(root.dir()).at("examine", || root.path().to_owned())?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Removes it, and its record, unless it is coming in; returns the bytes that this gave back.
    fn remove_partial(&self, blob: &PartialBlob) -> Result<Option<u64>, IngestError> {
        let inner = self.writable()?;
        let name = kept_name(&blob.digest, blob.size);
        let Some(_taken) = inner.active_ingests().take(&name) else {
            return Ok(None);
        };
        let mut freed = 0;
        let ingest = inner.root().area(StoreArea::Ingest);
        // The record first: without it the file is a leftover.
        for name in [format!("{name}{RECORD_SUFFIX}"), name] {
            let path = || inner.root().area_path(StoreArea::Ingest).join(&name);
            tree::remove_counting(ingest, name.as_ref(), &mut freed).at("remove", path)?;
        }
        Ok(Some(freed))
    }
}

/// Returns what the partial blob is called in `ingest/`.
///
/// The size belongs to the name: who lies about it does not spoil what others have.
pub(super) fn kept_name(digest: &Digest, size: u64) -> String {
    format!("{}-{}-{size}", digest.algorithm().name(), digest.hex())
}

fn parse_name(name: &str) -> Option<(Digest, u64)> {
    let (algorithm, rest) = name.split_once('-')?;
    let (hex, size) = rest.split_once('-')?;
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    let size = size.parse().ok()?;
    (kept_name(&digest, size) == name).then_some((digest, size))
}

/// Tells whether `name` in `ingest/` is that of a partial blob with a sound record, or of such a record.
pub(crate) fn is_kept(root: &Root, name: &str) -> Result<bool, FileError> {
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

/// Tells whether `name` in `ingest/` is that of a record.
pub(crate) fn is_record(name: &OsStr) -> bool {
    name.as_bytes().ends_with(RECORD_SUFFIX.as_bytes())
}

/// Lists the partial blobs, the oldest first.
fn kept(root: &Root) -> Result<Vec<PartialBlob>, FileError> {
    let ingest = root.area(StoreArea::Ingest);
    let mut found = BTreeMap::new();
    for name in names(ingest, || root.area_path(StoreArea::Ingest))? {
        let Some(name) = name.to_str() else { continue };
        let Some((digest, size)) = parse_name(name) else {
            continue;
        };
        let Some((_, on_disk, grown)) = length(ingest, name).at("examine", || path(root, name))?
        else {
            continue;
        };
        // One that has just begun has no record yet.
        let record = read_record(root, name, size)?;
        let held = record.map_or(0, |record| record.held.total());
        let blob = PartialBlob {
            digest,
            size,
            stored: held,
            on_disk,
            modified: grown,
        };
        found.insert((grown, name.to_owned()), blob);
    }
    Ok(found.into_values().collect())
}

/// Returns the length of a file, what it takes up, and when it was last written; `None` if it is no file.
fn length(
    ingest: BorrowedFd<'_>,
    name: &str,
) -> rustix::io::Result<Option<(u64, u64, SystemTime)>> {
    let stat = match rustix::fs::statat(ingest, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        // It was finished in the meantime.
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0));
    let grown = SystemTime::UNIX_EPOCH.checked_add(seconds);
    Ok(Some((
        from_integer(stat.st_size),
        from_integer(stat.st_blocks).saturating_mul(512),
        grown.unwrap_or(SystemTime::UNIX_EPOCH),
    )))
}

fn path(root: &Root, name: &str) -> PathBuf {
    root.area_path(StoreArea::Ingest).join(name)
}

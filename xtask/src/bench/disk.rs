//! A fresh ext4 on a loop device for every run.
//!
//! Files made within minutes of a large delete cost several times as much on ext4; a store that is
//! only emptied between runs would measure that.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context;
use windlass_testing::real::{command, run};

/// Bytes of the file system: the largest image, its blobs, and what a tool keeps on the side.
const SIZE: u64 = 12 << 30;

/// The file below the loop device, and where it is mounted.
#[derive(Debug)]
pub(super) struct Disk {
    file: PathBuf,
    mount_point: PathBuf,
}

/// A mounted fresh file system; unmounted on drop.
#[derive(Debug)]
pub(super) struct Mounted<'a> {
    disk: &'a Disk,
}

impl Disk {
    /// Reserves the space in `work`, once for all runs.
    pub(super) fn allocate(work: &Path) -> anyhow::Result<Self> {
        let disk = Self {
            file: work.join("disk.ext4"),
            mount_point: work.join("mnt"),
        };
        fs::create_dir_all(&disk.mount_point)?;
        let have = fs::metadata(&disk.file).map_or(0, |metadata| metadata.len());
        if have != SIZE {
            run(command("fallocate")
                .args(["--length", &SIZE.to_string()])
                .arg(&disk.file))
            .context("space for the runs")?;
        }
        Ok(disk)
    }

    /// Makes the file system anew and mounts it.
    pub(super) fn fresh(&self) -> anyhow::Result<Mounted<'_>> {
        // Not discarding keeps the file's blocks; they are reserved once.
        run(command("mkfs.ext4")
            .args(["-q", "-F", "-E", "nodiscard"])
            .arg(&self.file))?;
        // The kernel would otherwise spend the first minutes zeroing inode tables.
        run(command("mount")
            .args(["-t", "ext4", "-o", "loop,noinit_itable"])
            .arg(&self.file)
            .arg(&self.mount_point))?;
        let mounted = Mounted { disk: self };
        mounted.write_directly()?;
        Ok(mounted)
    }
}

impl Mounted<'_> {
    /// Where the file system is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.disk.mount_point
    }

    /// Spares the second page cache below the loop device, and what it would write back later.
    fn write_directly(&self) -> anyhow::Result<()> {
        let source = run(command("findmnt")
            .args(["--noheadings", "--output=SOURCE", "--mountpoint"])
            .arg(self.path()))?;
        let device = String::from_utf8(source)?;
        run(command("losetup").args(["--direct-io=on", device.trim_end()]))?;
        Ok(())
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let unmounted = run(command("umount").arg("--recursive").arg(self.path()));
        if unmounted.is_err() {
            // Something still has a file open; the namespace's end does the rest.
            drop(run(command("umount")
                .args(["--recursive", "--lazy"])
                .arg(self.path())));
        }
    }
}

/// Counts the regular files below `dir`.
pub(super) fn count_files(dir: &Path) -> io::Result<u64> {
    let mut files = 0;
    let mut directories = vec![dir.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            }
            files += u64::from(kind.is_file());
        }
    }
    Ok(files)
}

/// Reads a file to its end, so that the page cache holds it.
pub(super) fn read_through(path: &Path) -> io::Result<u64> {
    io::copy(&mut File::open(path)?, &mut io::sink())
}

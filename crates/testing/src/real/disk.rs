//! An ext4 file system of a given size, on a loop device.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{command, run};

/// The file of the loop device, and the mount point.
#[derive(Debug)]
pub struct LoopDisk {
    file: PathBuf,
    mount_point: PathBuf,
}

/// A mounted fresh file system; unmounted on drop.
#[derive(Debug)]
pub struct MountedDisk<'a> {
    disk: &'a LoopDisk,
}

impl LoopDisk {
    /// Creates a disk of `size` bytes in `dir`, with all its space reserved; an existing one is used again.
    ///
    /// # Errors
    /// If the space cannot be reserved.
    pub fn reserved(dir: &Path, size: u64) -> io::Result<Self> {
        let disk = Self::sparse(dir, size)?;
        run(command("fallocate")
            .args(["--length", &size.to_string()])
            .arg(&disk.file))?;
        Ok(disk)
    }

    /// Creates a sparse disk of `size` bytes in `dir`.
    ///
    /// # Errors
    /// If its file cannot be created.
    pub fn sparse(dir: &Path, size: u64) -> io::Result<Self> {
        let disk = Self {
            file: dir.join("disk.ext4"),
            mount_point: dir.join("mnt"),
        };
        fs::create_dir_all(&disk.mount_point)?;
        File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&disk.file)?
            .set_len(size)?;
        Ok(disk)
    }

    /// Creates a new file system and mounts it.
    ///
    /// # Errors
    /// If a tool fails; also without root, or without loop devices.
    pub fn fresh(&self) -> io::Result<MountedDisk<'_>> {
        // Without discarding, the blocks of the file stay reserved.
        run(command("mkfs.ext4")
            .args(["-q", "-F", "-E", "nodiscard"])
            .arg(&self.file))?;
        // Otherwise the kernel would spend the first minutes zeroing inode tables.
        run(command("mount")
            .args(["-t", "ext4", "-o", "loop,noinit_itable"])
            .arg(&self.file)
            .arg(&self.mount_point))?;
        let mounted = MountedDisk { disk: self };
        mounted.write_directly()?;
        Ok(mounted)
    }
}

impl MountedDisk<'_> {
    /// Returns the mount point.
    pub fn path(&self) -> &Path {
        &self.disk.mount_point
    }

    /// Avoids a second page cache below the loop device, with its later writes.
    fn write_directly(&self) -> io::Result<()> {
        let source = run(command("findmnt")
            .args(["--noheadings", "--output=SOURCE", "--mountpoint"])
            .arg(self.path()))?;
        let device = String::from_utf8_lossy(&source);
        // Not every file system supports this; the disk works without it.
        drop(run(
            command("losetup").args(["--direct-io=on", device.trim_end()])
        ));
        Ok(())
    }
}

impl Drop for MountedDisk<'_> {
    fn drop(&mut self) {
        let unmounted = run(command("umount").arg("--recursive").arg(self.path()));
        if unmounted.is_err() {
            // A process still has a file open; the end of the namespace unmounts it.
            drop(run(command("umount")
                .args(["--recursive", "--lazy"])
                .arg(self.path())));
        }
    }
}

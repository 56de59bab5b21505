//! An ext4 of a size of one's choosing, on a loop device.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{command, run};

/// The file below the loop device, and where it is mounted.
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
    /// A disk of `size` bytes in `dir`, all of them reserved; one that is there is used again.
    ///
    /// # Errors
    /// When the space cannot be reserved.
    pub fn reserved(dir: &Path, size: u64) -> io::Result<Self> {
        let disk = Self::sparse(dir, size)?;
        run(command("fallocate")
            .args(["--length", &size.to_string()])
            .arg(&disk.file))?;
        Ok(disk)
    }

    /// A disk of `size` bytes in `dir` that takes up what is written to it.
    ///
    /// # Errors
    /// When its file cannot be made.
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

    /// Makes the file system anew and mounts it.
    ///
    /// # Errors
    /// When a tool fails; without root, or without loop devices.
    pub fn fresh(&self) -> io::Result<MountedDisk<'_>> {
        // Not discarding keeps the file's blocks; they are reserved once.
        run(command("mkfs.ext4")
            .args(["-q", "-F", "-E", "nodiscard"])
            .arg(&self.file))?;
        // The kernel would otherwise spend the first minutes zeroing inode tables.
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
    /// Where the file system is mounted.
    pub fn path(&self) -> &Path {
        &self.disk.mount_point
    }

    /// Spares the second page cache below the loop device, and what it would write back later.
    fn write_directly(&self) -> io::Result<()> {
        let source = run(command("findmnt")
            .args(["--noheadings", "--output=SOURCE", "--mountpoint"])
            .arg(self.path()))?;
        let device = String::from_utf8_lossy(&source);
        // Not every file system below can do it; the disk is a disk without.
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
            // Something still has a file open; the namespace's end does the rest.
            drop(run(command("umount")
                .args(["--recursive", "--lazy"])
                .arg(self.path())));
        }
    }
}

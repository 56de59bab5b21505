//! Text representations of directory trees, for comparison.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Lists the name, type and content of each file, and hard links as such.
///
/// ```text
/// d/
/// d/f "content"
/// d/hard = d/f
/// l -> target
/// ```
pub(crate) fn shape(root: &Path) -> String {
    describe(root, false)
}

/// Like [`shape`], with modes, owners, times and extended attributes, and a line for the root.
pub(crate) fn full(root: &Path) -> String {
    describe(root, true)
}

/// Returns the extended attributes of a file.
pub(crate) fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty());
    let shown = names.filter(|name| *name != b"security.selinux");
    let value = |name: &[u8]| {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    shown
        .map(|name| (name.escape_ascii().to_string(), value(name)))
        .collect()
}

fn describe(root: &Path, all: bool) -> String {
    let mut text = String::new();
    let mut inodes = BTreeMap::new();
    if all {
        line(&mut text, root, ".", &mut inodes, true);
    }
    inside(root, root, &mut text, &mut inodes, all);
    text
}

fn inside(
    root: &Path,
    directory: &Path,
    text: &mut String,
    inodes: &mut BTreeMap<u64, String>,
    all: bool,
) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        line(text, &path, &name.escape_ascii().to_string(), inodes, all);
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            inside(root, &path, text, inodes, all);
        }
    }
}

fn line(text: &mut String, path: &Path, name: &str, inodes: &mut BTreeMap<u64, String>, all: bool) {
    let data = fs::symlink_metadata(path).unwrap();
    let kind = data.file_type();
    text.push_str(name);
    if kind.is_dir() {
        text.push('/');
    } else if let Some(first) = inodes.get(&data.ino()) {
        writeln!(text, " = {first}").unwrap();
        return;
    } else {
        inodes.insert(data.ino(), name.to_owned());
    }
    if kind.is_symlink() {
        let target = fs::read_link(path).unwrap();
        write!(text, " -> {}", target.as_os_str().as_bytes().escape_ascii()).unwrap();
    } else if kind.is_file() {
        let content = fs::read(path).unwrap();
        if content.len() > 64 {
            write!(
                text,
                " {} {}",
                content.len(),
                windlass_oci::Digest::sha256(&content)
            )
            .unwrap();
        } else {
            write!(text, " \"{}\"", content.escape_ascii()).unwrap();
        }
    } else if kind.is_fifo() {
        text.push_str(" fifo");
    } else if !kind.is_dir() {
        let device = data.rdev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let letter = if kind.is_block_device() { 'b' } else { 'c' };
        write!(text, " {letter} {major}:{minor}").unwrap();
    }
    let xattrs = xattrs(path);
    if all {
        let mode = data.mode() & 0o7777;
        write!(text, " {mode:o} {}:{}", data.uid(), data.gid()).unwrap();
        write!(text, " {}.{:09}", data.mtime(), data.mtime_nsec()).unwrap();
    }
    for (name, value) in xattrs {
        write!(text, " {name}={}", value.escape_ascii()).unwrap();
    }
    text.push('\n');
}

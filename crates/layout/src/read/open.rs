//! Opens archives and directories, and detects their format.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::file_name::{INDEX, MANIFEST, OCI_LAYOUT, REPOSITORIES, VERSION};
use super::layout::Layout;
use super::options::{ReadOptions, StoredLayer};
use super::{directory, oci};
use crate::contents::LayoutContents;
use crate::error::{LayoutDefect, LayoutError};
use crate::kind::LayoutKind;
use crate::path::InnerPath;
use crate::spool;

impl Layout {
    /// Opens the archive or directory at `path`.
    pub fn open<'a>(path: &Path, options: impl Into<ReadOptions<'a>>) -> Result<Self, LayoutError> {
        let options = options.into();
        // Opening a fifo must not block until another process opens it for writing.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        let opened = opened.map_err(|error| LayoutError::io("open it")(error.into()))?;
        let stat = rustix::fs::fstat(opened.as_fd());
        let stat = stat.map_err(|error| LayoutError::io("read it")(error.into()))?;
        if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
            return Self::from_contents(LayoutContents::Directory(opened), options.stored_layer);
        }
        let flags = rustix::fs::fcntl_getfl(&opened).and_then(|flags| {
            let blocking = flags.difference(OFlags::NONBLOCK);
            rustix::fs::fcntl_setfl(&opened, blocking)
        });
        flags.map_err(|error| LayoutError::io("read it")(error.into()))?;
        Self::from_file(opened.into(), options)
    }

    /// Opens the archive in `file`, which may be a pipe. It is read from the current position; a pipe is read to its
    /// end.
    pub fn from_file<'a>(
        file: File,
        options: impl Into<ReadOptions<'a>>,
    ) -> Result<Self, LayoutError> {
        let ReadOptions {
            spool,
            stored_layer,
        } = options.into();
        let contents = LayoutContents::archive(spool::seekable(file, spool)?)?;
        Self::from_contents(contents, stored_layer)
    }

    /// Detects the format and reads all lists of images: an archive may have OCI's and Docker's, and either may be
    /// incomplete.
    fn from_contents(
        contents: LayoutContents,
        stored_layer: StoredLayer<'_>,
    ) -> Result<Self, LayoutError> {
        let exists = |name| {
            contents
                .find(&InnerPath::of_name(name))
                .map(|file| file.is_some())
        };
        let is_archive = matches!(contents, LayoutContents::Archive(..));
        let (has_marker, has_index) = (exists(OCI_LAYOUT)?, exists(INDEX)?);
        let has_list = exists(MANIFEST)?;
        if has_list && !is_archive && !has_marker && exists(VERSION)? {
            return directory::read(contents);
        }
        if !has_index && !has_list {
            return Err(match exists(REPOSITORIES)? {
                true => LayoutDefect::LegacyFormat.into(),
                false => LayoutDefect::NoImages.into(),
            });
        }
        let kind = match (has_index, is_archive) {
            (true, true) => LayoutKind::OciArchive,
            (true, false) => LayoutKind::OciDirectory,
            (false, _) => LayoutKind::DockerArchive,
        };
        let mut layout = Self::empty(kind, contents);
        if has_marker {
            oci::check_version(&layout.contents)?;
        }
        let artifacts = match has_index {
            true => layout.add_oci_images()?,
            false => Vec::new(),
        };
        if has_list {
            layout.add_docker_images(stored_layer)?;
        }
        if layout.entries.is_empty() {
            layout.list_artifacts(artifacts);
        }
        if layout.entries.is_empty() {
            return Err(LayoutDefect::EmptyLists.into());
        }
        Ok(layout)
    }
}

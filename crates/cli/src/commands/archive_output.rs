//! The destination of commands that write an archive.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use clap::ValueEnum;
use windlass::transfer::{ArchiveCompression, OutputTarget};

use crate::error::Error;
use crate::operation::standard_output;

/// The values of `--compress`: the compression of an archive as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CompressionArg {
    /// No compression; layers usually are compressed already
    None,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

/// The destination of an archive: a file, or standard output.
#[derive(Clone, Copy, Debug)]
pub(super) struct ArchiveOutput<'a> {
    file: Option<&'a Path>,
}

impl<'a> ArchiveOutput<'a> {
    /// Returns the destination for the value of `--output`: standard output for `-` and by default.
    pub(super) fn new(option: Option<&'a Path>) -> Self {
        Self {
            file: option.filter(|path| *path != Path::new("-")),
        }
    }

    /// Returns the path of the file, or `None` for standard output.
    pub(super) fn file(self) -> Option<&'a Path> {
        self.file
    }

    /// Rejects a terminal, and a standard output that the result as JSON needs.
    pub(super) fn check(self, is_json: bool) -> Result<(), Error> {
        let problem = if self.file.is_some() {
            return Ok(());
        } else if io::stdout().is_terminal() {
            "cannot write an archive to a terminal: use --output or redirect standard output"
        } else if is_json {
            "cannot write both --json and the archive to standard output: use --output"
        } else {
            return Ok(());
        };
        let text = problem.to_owned();
        Err(Error::Usage { text })
    }

    /// Opens standard output, or returns the path of the file.
    pub(super) fn target(self) -> Result<OutputTarget, Error> {
        match self.file {
            Some(path) => Ok(OutputTarget::Path(path.to_owned())),
            None => standard_output(),
        }
    }

    /// Returns the requested compression, or else the one of the file extension.
    pub(super) fn compression(self, requested: Option<CompressionArg>) -> ArchiveCompression {
        match (requested, self.file) {
            (Some(CompressionArg::None), _) | (None, None) => ArchiveCompression::None,
            (Some(CompressionArg::Gzip), _) => ArchiveCompression::Gzip,
            (Some(CompressionArg::Zstd), _) => ArchiveCompression::Zstd,
            (None, Some(path)) => ArchiveCompression::of_name(path),
        }
    }

    /// Returns a description such as `Saving alpine to alpine.tar`.
    pub(super) fn action(self, verb: &str, images: &str) -> String {
        match self.file {
            Some(path) => format!("{verb} {images} to {}", path.display()),
            None => format!("{verb} {images}"),
        }
    }
}

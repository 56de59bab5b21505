//! The `--compress` option of commands that write archives.

use clap::ValueEnum;

/// The compression of an archive as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionArg {
    /// No compression; layers usually are compressed already
    None,
    /// gzip
    Gzip,
    /// zstd
    Zstd,
}

impl From<CompressionArg> for windlass::transfer::ArchiveCompression {
    fn from(arg: CompressionArg) -> Self {
        match arg {
            CompressionArg::None => Self::None,
            CompressionArg::Gzip => Self::Gzip,
            CompressionArg::Zstd => Self::Zstd,
        }
    }
}

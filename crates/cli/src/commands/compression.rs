//! How archives are compressed, as people ask for it.

use clap::ValueEnum;

/// How an archive is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// Not at all: layers mostly are already
    None,
    /// As by gzip
    Gzip,
    /// As by zstd
    Zstd,
}

impl From<Compression> for windlass::Compression {
    fn from(asked: Compression) -> Self {
        match asked {
            Compression::None => Self::None,
            Compression::Gzip => Self::Gzip,
            Compression::Zstd => Self::Zstd,
        }
    }
}

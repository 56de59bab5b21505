//! Archives as files: where they are written, and how they are compressed on the way.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use clap::ValueEnum;
use flate2::GzBuilder;
use flate2::write::GzEncoder;
use windlass::NewFile;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::error::FreightError;

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

/// Where an archive goes.
pub(crate) enum Output<'a> {
    /// A file that appears when it is whole.
    File(NewFile),
    /// Whoever reads.
    Stream(&'a mut (dyn Write + Send)),
}

/// Small pieces are gathered before they are written; those of blobs are larger, and pass by.
const BUFFER: usize = 64 << 10;

impl Compression {
    /// Returns what the ending of a file's name asks for.
    pub(crate) fn of_name(path: &Path) -> Self {
        let name = path.to_string_lossy().to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".gz", ".tgz"]) {
            Self::Gzip
        } else if ends(&[".zst", ".tzst", ".zstd"]) {
            Self::Zstd
        } else {
            Self::None
        }
    }
}

impl Output<'_> {
    /// Begins a file at `path`.
    pub(crate) fn file(path: &Path) -> Result<Self, FreightError> {
        let file = NewFile::begin(path);
        Ok(Self::File(file.map_err(failed("make the file"))?))
    }

    /// Has `work` write, compressed, and finishes what it wrote if that went well.
    pub(crate) fn write<T>(
        mut self,
        compression: Compression,
        work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, FreightError>,
    ) -> Result<T, FreightError> {
        let out: &mut (dyn Write + Send) = match &mut self {
            Self::File(file) => file,
            Self::Stream(out) => *out,
        };
        let mut out = BufWriter::with_capacity(BUFFER, out);
        let result = match compression {
            Compression::None => work(&mut out)?,
            Compression::Gzip => {
                // Without a time: the same images make the same bytes.
                let mut gzip: GzEncoder<_> =
                    GzBuilder::new().write(&mut out, flate2::Compression::fast());
                let result = work(&mut gzip)?;
                gzip.finish().map_err(failed("write"))?;
                result
            }
            Compression::Zstd => {
                let zstd = ZstdEncoder::new(&mut out, zstd::DEFAULT_COMPRESSION_LEVEL);
                let mut zstd = zstd.map_err(failed("compress"))?;
                let result = work(&mut zstd)?;
                zstd.finish().map_err(failed("write"))?;
                result
            }
        };
        out.flush().map_err(failed("write"))?;
        drop(out);
        if let Self::File(file) = self {
            file.finish().map_err(failed("put the file in its place"))?;
        }
        Ok(result)
    }
}

pub(crate) fn failed(action: &'static str) -> impl Fn(io::Error) -> FreightError {
    move |source| FreightError::File { action, source }
}

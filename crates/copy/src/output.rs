//! Archives as files: where they are written, and how they are compressed on the way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use windlass_layout::{AtomicFile, WriteError};
use windlass_operation::{Cancellation, Cancelled};
use zstd::stream::write::Encoder as ZstdEncoder;

/// How an archive is compressed as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveCompression {
    /// Not at all: layers mostly are already.
    None,
    /// As by gzip.
    Gzip,
    /// As by zstd.
    Zstd,
}

/// Where an archive is to go.
pub enum OutputTarget {
    /// The file, pipe or device at a path. A file appears when it is whole.
    Path(PathBuf),
    /// A stream. After an error, what was written to it has no end.
    Stream(Box<dyn Write + Send>),
}

/// Where an archive goes.
pub enum ArchiveOutput<'a> {
    /// A file that appears when it is whole.
    File(AtomicFile),
    /// A pipe with a name, or a device: what is written to it is gone.
    Device(File),
    /// A stream, such as a pipe to another process.
    Stream(Box<dyn Write + Send + 'a>),
}

/// Small pieces are gathered before they are written; those of blobs are larger, and pass by.
const BUFFER: usize = 64 << 10;

impl ArchiveCompression {
    /// Returns the compression that the extension of a file name stands for.
    pub fn of_name(path: &Path) -> Self {
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

impl OutputTarget {
    /// Begins the file, or returns the stream.
    pub fn open(self) -> Result<ArchiveOutput<'static>, WriteError> {
        match self {
            Self::Path(path) => ArchiveOutput::at(&path),
            Self::Stream(out) => Ok(ArchiveOutput::Stream(out)),
        }
    }
}

impl ArchiveOutput<'_> {
    /// Begins a file at `path`; a link there is followed to the file that it stands for.
    pub fn at(path: &Path) -> Result<Self, WriteError> {
        let begun = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => fs::canonicalize(path)
                .and_then(|path| AtomicFile::create(&path))
                .map(Self::File),
            // What is no file is nothing to be put in place of.
            Ok(_) => OpenOptions::new().write(true).open(path).map(Self::Device),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                AtomicFile::create(path).map(Self::File)
            }
            Err(error) => Err(error),
        };
        begun.map_err(failed("make the file"))
    }

    /// Has `work` write, compressed, and finishes what it wrote if that succeeded and was not cancelled.
    pub fn write<T, E: From<WriteError> + From<Cancelled>>(
        mut self,
        compression: ArchiveCompression,
        cancellation: &Cancellation,
        work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
    ) -> Result<T, E> {
        let out: &mut (dyn Write + Send) = match &mut self {
            Self::File(file) => file,
            Self::Device(file) => file,
            Self::Stream(out) => out,
        };
        let mut out = BufWriter::with_capacity(BUFFER, out);
        let result = match compression {
            ArchiveCompression::None => work(&mut out),
            ArchiveCompression::Gzip => {
                // Without a time: the same images make the same bytes.
                let gzip = GzBuilder::new().write(&mut out, flate2::Compression::fast());
                gzipped(gzip, work)
            }
            ArchiveCompression::Zstd => {
                let zstd = ZstdEncoder::new(&mut out, zstd::DEFAULT_COMPRESSION_LEVEL);
                let zstd = zstd.map_err(failed("compress"));
                zstd.map_err(E::from).and_then(|zstd| zstded(zstd, work))
            }
        };
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                // The incomplete output is discarded.
                drop(out.into_parts());
                return Err(error);
            }
        };
        out.flush().map_err(failed("write"))?;
        drop(out);
        cancellation.begin_commit()?;
        if let Self::File(file) = self {
            file.finish().map_err(failed("put the file in its place"))?;
        }
        Ok(result)
    }
}

fn gzipped<W: Write + Send, T, E: From<WriteError>>(
    mut gzip: GzEncoder<W>,
    work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let result = work(&mut gzip)?;
    gzip.finish().map_err(failed("write"))?;
    Ok(result)
}

fn zstded<W: Write + Send, T, E: From<WriteError>>(
    mut zstd: ZstdEncoder<'_, W>,
    work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let result = work(&mut zstd)?;
    zstd.finish().map_err(failed("write"))?;
    Ok(result)
}

impl std::fmt::Debug for OutputTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl std::fmt::Debug for ArchiveOutput<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::Device(_) => "Device",
            Self::Stream(_) => "Stream",
        })
    }
}

fn failed(action: &'static str) -> impl Fn(io::Error) -> WriteError {
    move |source| WriteError::Write { action, source }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::CopyError;

    fn write(path: &Path, text: &'static str, well: bool) -> Result<(), CopyError> {
        let cancellation = Cancellation::default();
        ArchiveOutput::at(path)?.write(ArchiveCompression::of_name(path), &cancellation, |out| {
            out.write_all(text.as_bytes()).map_err(failed("write"))?;
            match well {
                true => Ok(()),
                false => Err(failed("go on")(io::ErrorKind::Other.into()).into()),
            }
        })
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        let top = tempfile::tempdir().unwrap();
        for name in ["a.tar", "a.tar.gz", "a.tar.zst"] {
            let path = top.path().join(name);
            fs::write(&path, "before").unwrap();
            write(&path, "after", false).unwrap_err();
            assert_eq!(fs::read(&path).unwrap(), b"before", "{name}");
            write(&path, "after", true).unwrap();
            assert_ne!(fs::read(&path).unwrap(), b"before", "{name}");
        }
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 3);
    }

    /// A reader of the stream detects the failure with either compression.
    #[test]
    fn a_stream_that_fails_does_not_look_whole() {
        for compression in [ArchiveCompression::Gzip, ArchiveCompression::Zstd] {
            let mut out = Vec::new();
            // More than any buffer holds, and hard to compress.
            let mut noise = 1_u32;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .take(1 << 20)
            .collect();
            let cancellation = Cancellation::default();
            let written: Result<(), CopyError> = ArchiveOutput::Stream(Box::new(&mut out)).write(
                compression,
                &cancellation,
                |out| {
                    out.write_all(&noise).map_err(failed("write"))?;
                    Err(failed("go on")(io::ErrorKind::Other.into()).into())
                },
            );
            written.unwrap_err();
            assert!(!out.is_empty(), "{compression:?}");
            let mut read = Vec::new();
            let ended = match compression {
                ArchiveCompression::Gzip => {
                    flate2::read::GzDecoder::new(&*out).read_to_end(&mut read)
                }
                _ => zstd::Decoder::new(&*out).unwrap().read_to_end(&mut read),
            };
            let error = ended.unwrap_err();
            assert_eq!(
                error.kind(),
                io::ErrorKind::UnexpectedEof,
                "{compression:?}"
            );
        }
    }

    #[test]
    fn a_file_whose_writing_is_cancelled_does_not_appear() {
        let top = tempfile::tempdir().unwrap();
        let path = top.path().join("a.tar");
        let cancellation = Cancellation::default();
        let output = ArchiveOutput::at(&path).unwrap();
        let written = output.write(ArchiveCompression::None, &cancellation, |_| {
            cancellation.cancel();
            Ok::<_, CopyError>(())
        });
        assert!(matches!(written, Err(CopyError::Cancelled)));
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_are_written_through_and_devices_stay_what_they_are() {
        let top = tempfile::tempdir().unwrap();
        let (file, link) = (top.path().join("file"), top.path().join("link"));
        fs::write(&file, "before").unwrap();
        symlink(&file, &link).unwrap();
        write(&link, "after", true).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"after");
        assert!(link.is_symlink());
        write(Path::new("/dev/null"), "after", true).unwrap();
        assert!(!Path::new("/dev/null").is_file());
        let error = ArchiveOutput::at(top.path()).unwrap_err();
        assert_eq!(
            windlass_oci::text::error_chain(&error),
            "cannot make the file: is a directory"
        );
    }
}

//! The files and streams to which archives are written, and their compression.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use windlass_layout::{AtomicFile, WriteError};
use windlass_operation::{Cancellation, Cancelled};
use zstd::stream::write::Encoder as ZstdEncoder;

/// The compression of a whole archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveCompression {
    /// No compression: most layers are compressed already.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
}

/// The destination of an archive.
pub enum OutputTarget {
    /// The file, pipe or device at a path. A file becomes visible when it is complete.
    Path(PathBuf),
    /// A stream. After an error, the output is truncated: a reader detects that from the compression or from the tar.
    Stream(Box<dyn Write + Send>),
}

/// The open destination of an archive.
pub enum ArchiveOutput<'a> {
    /// A file that becomes visible when it is complete.
    File(AtomicFile),
    /// A named pipe or a device. Written bytes cannot be taken back.
    Device(File),
    /// A stream, such as a pipe to another process.
    Stream(Box<dyn Write + Send + 'a>),
}

/// The size of the output buffer in bytes. The content of blobs is written in larger pieces, which bypass the buffer.
const BUFFER_SIZE: usize = 64 << 10;

impl ArchiveCompression {
    /// Returns the compression that the extension of a file name implies.
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
    /// Opens the path, or returns the stream.
    pub fn open(self) -> Result<ArchiveOutput<'static>, WriteError> {
        match self {
            Self::Path(path) => ArchiveOutput::at(&path),
            Self::Stream(out) => Ok(ArchiveOutput::Stream(out)),
        }
    }
}

impl ArchiveOutput<'_> {
    /// Opens `path`. A symbolic link is followed, and its target is replaced.
    pub fn at(path: &Path) -> Result<Self, WriteError> {
        let output = match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(metadata) if metadata.is_file() => fs::canonicalize(path)
                .and_then(|path| AtomicFile::create(&path))
                .map(Self::File),
            // Pipes and devices cannot be replaced.
            Ok(_) => OpenOptions::new().write(true).open(path).map(Self::Device),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                AtomicFile::create(path).map(Self::File)
            }
            Err(error) => Err(error),
        };
        output.map_err(write_error("make the file"))
    }

    /// Calls `work` with a writer that compresses. Makes the output visible if `work` succeeds and is not cancelled.
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
        let mut out = BufWriter::with_capacity(BUFFER_SIZE, out);
        let result = match compression {
            ArchiveCompression::None => work(&mut out),
            ArchiveCompression::Gzip => {
                // Without a timestamp, so that the same images produce the same bytes.
                let gzip = GzBuilder::new().write(&mut out, flate2::Compression::fast());
                write_gzip(gzip, work)
            }
            ArchiveCompression::Zstd => {
                let zstd = ZstdEncoder::new(&mut out, zstd::DEFAULT_COMPRESSION_LEVEL);
                let zstd = zstd.map_err(write_error("compress"));
                zstd.map_err(E::from)
                    .and_then(|zstd| write_zstd(zstd, work))
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
        out.flush().map_err(write_error("write"))?;
        drop(out);
        cancellation.begin_commit()?;
        if let Self::File(file) = self {
            file.finish()
                .map_err(write_error("put the file in its place"))?;
        }
        Ok(result)
    }
}

fn write_gzip<W: Write + Send, T, E: From<WriteError>>(
    mut gzip: GzEncoder<W>,
    work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let result = work(&mut gzip)?;
    gzip.finish().map_err(write_error("write"))?;
    Ok(result)
}

fn write_zstd<W: Write + Send, T, E: From<WriteError>>(
    mut zstd: ZstdEncoder<'_, W>,
    work: impl FnOnce(&mut (dyn Write + Send)) -> Result<T, E>,
) -> Result<T, E> {
    let result = work(&mut zstd)?;
    zstd.finish().map_err(write_error("write"))?;
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

fn write_error(action: &'static str) -> impl Fn(io::Error) -> WriteError {
    move |source| WriteError::Write { action, source }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::error::CopyError;

    fn write(path: &Path, text: &'static str, succeeds: bool) -> Result<(), CopyError> {
        let cancellation = Cancellation::default();
        ArchiveOutput::at(path)?.write(ArchiveCompression::of_name(path), &cancellation, |out| {
            out.write_all(text.as_bytes())
                .map_err(write_error("write"))?;
            match succeeds {
                true => Ok(()),
                false => Err(write_error("go on")(io::ErrorKind::Other.into()).into()),
            }
        })
    }

    #[test]
    fn a_file_is_replaced_when_it_is_complete() {
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
    fn a_failed_stream_is_recognizably_truncated() {
        for compression in [ArchiveCompression::Gzip, ArchiveCompression::Zstd] {
            let mut out = Vec::new();
            // More than the buffers hold, and not compressible.
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
                    out.write_all(&noise).map_err(write_error("write"))?;
                    Err(write_error("go on")(io::ErrorKind::Other.into()).into())
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
    fn a_cancelled_file_is_discarded() {
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
    fn links_are_followed_and_devices_are_not_replaced() {
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

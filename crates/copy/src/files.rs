//! Into archives and directories.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use windlass_layout::{
    ArchiveEvent, ArchiveWriter, Batch, LayoutDirectory, LayoutKind, VerifyingReader, WriteError,
};
use windlass_oci::{Descriptor, Digest};

use crate::events::{BlobStatus, CopyEvent, Tell};
use crate::push::PushError;
use crate::source::Source;

/// Why images could not be carried.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// They could not be pushed.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// Ends what runs, when it is set.
pub type Stop = AtomicBool;

/// It was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

/// Reads until it is told to stop.
struct Stoppable<'a, R> {
    inner: R,
    stop: &'a Stop,
}

/// Writes the images of `batch`, which `source` has, as an archive.
pub fn to_archive(
    source: &dyn Source,
    batch: &Batch,
    (kind, out): (LayoutKind, &mut dyn Write),
    stop: &Stop,
    tell: Tell<'_>,
) -> Result<(), CopyError> {
    plan(batch, tell);
    let mut current = None;
    let mut open =
        |blob: &Descriptor| -> io::Result<Box<dyn Read + '_>> { Ok(open(source, blob, stop)?) };
    let mut told = |step| match step {
        ArchiveEvent::BlobStarted(digest) => {
            current = Some(digest);
            status(tell, digest, BlobStatus::Carrying);
        }
        ArchiveEvent::BytesWritten(bytes) => {
            let digest = current.expect("a blob was begun");
            tell(CopyEvent::Moved { digest, bytes });
        }
        ArchiveEvent::BlobFinished(digest) => status(tell, digest, BlobStatus::Carried),
    };
    let written = ArchiveWriter::new(kind, out).write(batch, &mut open, &mut told);
    written.map_err(|error| unless_stopped(error, stop))
}

/// Writes the images of `batch`, which `source` has, into a directory, `at_once` blobs at a time.
pub fn to_directory(
    source: &dyn Source,
    batch: &Batch,
    directory: LayoutDirectory,
    at_once: usize,
    stop: &Stop,
    tell: Tell<'_>,
) -> Result<(), CopyError> {
    directory.check_image_count(batch.images.len())?;
    plan(batch, tell);
    let blobs: Vec<_> = batch.blobs.values().collect();
    each(&blobs, at_once, stop, |blob| {
        let digest = blob.digest;
        if directory.has_blob(blob) {
            status(tell, digest, BlobStatus::Exists);
            return Ok(());
        }
        status(tell, digest, BlobStatus::Carrying);
        let unread = |source| WriteError::Read { digest, source };
        let mut reader = open(source, blob, stop).map_err(unread)?;
        let moved = |bytes| tell(CopyEvent::Moved { digest, bytes });
        directory.write_blob(blob, &mut reader, &moved)?;
        status(tell, digest, BlobStatus::Carried);
        Ok(())
    })
    .map_err(|error: CopyError| match stop.load(Ordering::Relaxed) {
        true => CopyError::Cancelled,
        false => error,
    })?;
    Ok(directory.commit(batch)?)
}

/// Does `work` for each of `items`, `at_once` at a time, until one fails or all are told to stop. Returns the first
/// failure, or that it was told to stop.
pub fn each<T: Sync, E: Send + From<Stopped>>(
    items: &[T],
    at_once: usize,
    stop: &Stop,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let has_failed = AtomicBool::new(false);
    let run = || {
        while !has_failed.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
            let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) else {
                return;
            };
            if let Err(error) = work(item) {
                has_failed.store(true, Ordering::Relaxed);
                let mut failed = failed
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                failed.get_or_insert(error);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..at_once.min(items.len()) {
            scope.spawn(run);
        }
        run();
    });
    let failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match failed {
        Some(error) => Err(error),
        None if stop.load(Ordering::Relaxed) => Err(Stopped.into()),
        None => Ok(()),
    }
}

/// Begins to read a blob that proves itself.
pub(crate) fn open<'a>(
    source: &'a dyn Source,
    blob: &Descriptor,
    stop: &'a Stop,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let inner = source.open(blob, 0)?;
    let inner = Stoppable { inner, stop };
    Ok(Box::new(VerifyingReader::new(
        inner,
        blob.digest,
        blob.size,
    )))
}

pub(crate) fn plan(batch: &Batch, tell: Tell<'_>) {
    let blobs = batch.blobs.values();
    let blobs = blobs.map(|blob| (blob.digest, blob.size)).collect();
    tell(CopyEvent::Planned(blobs));
}

pub(crate) fn status(tell: Tell<'_>, digest: Digest, status: BlobStatus) {
    tell(CopyEvent::Blob { digest, status });
}

impl From<Stopped> for CopyError {
    fn from(_: Stopped) -> Self {
        Self::Cancelled
    }
}

fn unless_stopped(error: WriteError, stop: &Stop) -> CopyError {
    match stop.load(Ordering::Relaxed) {
        true => CopyError::Cancelled,
        false => error.into(),
    }
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            // Not `Interrupted`: that would be tried again.
            return Err(io::Error::other("cancelled"));
        }
        self.inner.read(buffer)
    }
}

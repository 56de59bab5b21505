//! Writes images into archives and directories.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use windlass_layout::{
    ArchiveEvent, ArchiveWriter, Batch, LayoutDirectory, LayoutKind, VerifyingReader, WriteError,
};
use windlass_oci::{Descriptor, Digest};
use windlass_operation::{Cancellation, Cancelled};

use crate::events::{BlobStatus, CopyContext, CopyEvent};
use crate::push::PushError;
use crate::source::ContentSource;

/// Why a copy failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The copy was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The archive or directory could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The push failed.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// Writes the images of `batch`, which `source` has, as an archive.
pub fn to_archive(
    source: &dyn ContentSource,
    batch: &Batch,
    kind: LayoutKind,
    out: &mut dyn Write,
    context: &CopyContext,
) -> Result<(), CopyError> {
    plan(batch, context);
    let mut current = None;
    let mut open =
        |blob: &Descriptor| -> io::Result<Box<dyn Read + '_>> { Ok(open(source, blob, context)?) };
    let mut report = |step| match step {
        ArchiveEvent::BlobStarted(digest) => {
            current = Some(digest);
            status(context, digest, BlobStatus::Transferring);
        }
        ArchiveEvent::BytesWritten(bytes) => {
            let digest = current.expect("a blob was begun");
            context.send(CopyEvent::Moved { digest, bytes });
        }
        ArchiveEvent::BlobFinished(digest) => status(context, digest, BlobStatus::Transferred),
    };
    let written = ArchiveWriter::new(kind, out).write(batch, &mut open, &mut report);
    written.map_err(|error| unless_cancelled(error, context))
}

/// Writes the images of `batch`, which `source` has, into a directory, `at_once` blobs at a time.
pub fn to_directory(
    source: &dyn ContentSource,
    batch: &Batch,
    directory: LayoutDirectory,
    at_once: usize,
    context: &CopyContext,
) -> Result<(), CopyError> {
    directory.check_image_count(batch.images.len())?;
    plan(batch, context);
    let blobs: Vec<_> = batch.blobs.values().collect();
    for_each_parallel(&blobs, at_once, context.cancellation(), |blob| {
        let digest = blob.digest;
        if directory.has_blob(blob) {
            status(context, digest, BlobStatus::Exists);
            return Ok(());
        }
        status(context, digest, BlobStatus::Transferring);
        let unread = |source| WriteError::Read { digest, source };
        let mut reader = open(source, blob, context).map_err(unread)?;
        let moved = |bytes| context.send(CopyEvent::Moved { digest, bytes });
        directory.write_blob(blob, &mut reader, &moved)?;
        status(context, digest, BlobStatus::Transferred);
        Ok(())
    })
    .map_err(|error: CopyError| match context.is_cancelled() {
        true => CopyError::Cancelled,
        false => error,
    })?;
    context.begin_commit()?;
    Ok(directory.commit(batch)?)
}

/// Does `work` for each of `items`, `at_once` at a time, until one fails or the work is cancelled. Returns the first
/// failure, or else that the work was cancelled.
pub fn for_each_parallel<T: Sync, E: Send + From<Cancelled>>(
    items: &[T],
    at_once: usize,
    cancellation: &Cancellation,
    work: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let has_failed = AtomicBool::new(false);
    let run = || {
        while !has_failed.load(Ordering::Relaxed) && !cancellation.is_cancelled() {
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
        None if cancellation.is_cancelled() => Err(Cancelled.into()),
        None => Ok(()),
    }
}

/// Opens a blob for reading; the reader verifies size and digest.
pub(crate) fn open<'a>(
    source: &'a dyn ContentSource,
    blob: &Descriptor,
    context: &CopyContext,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    let inner = context.reader(source.open(blob, 0)?);
    Ok(Box::new(VerifyingReader::new(
        inner,
        blob.digest,
        blob.size,
    )))
}

pub(crate) fn plan(batch: &Batch, context: &CopyContext) {
    let blobs = batch.blobs.values();
    let blobs = blobs.map(|blob| (blob.digest, blob.size)).collect();
    context.send(CopyEvent::Planned(blobs));
}

pub(crate) fn status(context: &CopyContext, digest: Digest, status: BlobStatus) {
    context.send(CopyEvent::Blob { digest, status });
}

impl From<Cancelled> for CopyError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

fn unless_cancelled(error: WriteError, context: &CopyContext) -> CopyError {
    match context.is_cancelled() {
        true => CopyError::Cancelled,
        false => error.into(),
    }
}

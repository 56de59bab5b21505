//! Writes images to archives and directories.

use std::io::{self, Read, Write};

use windlass_layout::{
    ArchiveEvent, ArchiveWriter, Batch, LayoutDirectory, LayoutKind, WriteError,
};
use windlass_oci::Descriptor;

use crate::error::CopyError;
use crate::events::{BlobStatus, CopyContext, CopyEvent, report_planned, report_status};
use crate::parallel::for_each_parallel;
use crate::source::{ContentSource, open_verified};

/// Writes the images of `batch`, which `source` has, as an archive.
pub fn to_archive(
    source: &dyn ContentSource,
    batch: &Batch,
    kind: LayoutKind,
    out: &mut dyn Write,
    context: &CopyContext,
) -> Result<(), CopyError> {
    report_planned(context, batch);
    let mut current = None;
    let mut open = |blob: &Descriptor| -> io::Result<Box<dyn Read + '_>> {
        Ok(open_verified(source, blob, context)?)
    };
    let mut report = |event| match event {
        ArchiveEvent::BlobStarted(digest) => {
            current = Some(digest);
            report_status(context, digest, BlobStatus::Transferring);
        }
        ArchiveEvent::BytesWritten(bytes) => {
            let digest = current.expect("the writer reports the start of a blob first");
            context.send(CopyEvent::Moved { digest, bytes });
        }
        ArchiveEvent::BlobFinished(digest) => {
            report_status(context, digest, BlobStatus::Transferred);
        }
    };
    let written = ArchiveWriter::new(kind, out).write(batch, &mut open, &mut report);
    written.map_err(|error| or_cancelled(error.into(), context))
}

/// Writes the images of `batch`, which `source` has, into a directory, `concurrent_blobs` blobs at a time.
pub fn to_directory(
    source: &dyn ContentSource,
    batch: &Batch,
    directory: LayoutDirectory,
    concurrent_blobs: usize,
    context: &CopyContext,
) -> Result<(), CopyError> {
    directory.check_image_count(batch.images.len())?;
    report_planned(context, batch);
    let blobs: Vec<_> = batch.blobs.values().collect();
    let write = |blob: &&Descriptor| write_blob(source, blob, &directory, context);
    for_each_parallel(&blobs, concurrent_blobs, context.cancellation(), write)
        .map_err(|error| or_cancelled(error, context))?;
    context.begin_commit()?;
    Ok(directory.commit(batch)?)
}

fn write_blob(
    source: &dyn ContentSource,
    blob: &Descriptor,
    directory: &LayoutDirectory,
    context: &CopyContext,
) -> Result<(), CopyError> {
    let digest = blob.digest;
    if directory.has_blob(blob) {
        report_status(context, digest, BlobStatus::Exists);
        return Ok(());
    }
    report_status(context, digest, BlobStatus::Transferring);
    let read_error = |source| WriteError::Read { digest, source };
    let mut reader = open_verified(source, blob, context).map_err(read_error)?;
    let on_write = |bytes| context.send(CopyEvent::Moved { digest, bytes });
    directory.write_blob(blob, &mut reader, &on_write)?;
    report_status(context, digest, BlobStatus::Transferred);
    Ok(())
}

/// A cancelled copy fails where it reads; that error is replaced.
fn or_cancelled(error: CopyError, context: &CopyContext) -> CopyError {
    match context.is_cancelled() {
        true => CopyError::Cancelled,
        false => error,
    }
}

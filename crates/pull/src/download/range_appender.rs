//! Appends received bytes to a range of a partial blob.

use std::io::IoSlice;

use bytes::Bytes;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use windlass_store::{AppendError, RangeHandle, RangeWriter};

use crate::blocking::task_error;
use crate::error::LayerError;

/// Appends batches to a range on blocking threads, one at a time, while the next batch is received.
pub(super) struct RangeAppender<'a> {
    writes: &'a TaskTracker,
    handle: RangeHandle,
    /// `None` while a batch is being written.
    range_writer: Option<RangeWriter>,
    writing: Option<JoinHandle<(RangeWriter, Result<(), AppendError>)>>,
    /// Whether the range is complete.
    pub(super) is_full: bool,
}

impl<'a> RangeAppender<'a> {
    pub(super) fn new(range_writer: RangeWriter, writes: &'a TaskTracker) -> Self {
        Self {
            writes,
            handle: range_writer.handle(),
            range_writer: Some(range_writer),
            writing: None,
            is_full: false,
        }
    }

    /// Starts to write the part of `batch` that belongs to the range; returns its size in bytes.
    pub(super) async fn append(&mut self, mut batch: Vec<Bytes>) -> Result<u64, LayerError> {
        let size = batch.iter().map(|chunk| chunk.len() as u64).sum();
        let reserved = self.handle.reserve(size);
        self.is_full = reserved < size;
        truncate(&mut batch, reserved);
        self.flush().await?;
        let mut range_writer = self
            .range_writer
            .take()
            .expect("flush returns the range writer");
        self.writing = Some(self.writes.spawn_blocking(move || {
            let slices: Vec<_> = batch.iter().map(|chunk| IoSlice::new(chunk)).collect();
            let written = range_writer.append(&slices);
            (range_writer, written)
        }));
        Ok(reserved)
    }

    /// Waits until the current batch is written.
    pub(super) async fn flush(&mut self) -> Result<(), LayerError> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let ended = writing.await;
        self.writing = None;
        let (range_writer, written) = ended.map_err(task_error)?;
        self.is_full |= range_writer.position() == range_writer.end();
        self.range_writer = Some(range_writer);
        Ok(written?)
    }
}

/// Removes all bytes after the first `size` ones.
fn truncate(batch: &mut Vec<Bytes>, mut size: u64) {
    batch.retain_mut(|chunk| {
        let length = usize::try_from(size).unwrap_or(usize::MAX);
        chunk.truncate(length);
        size -= chunk.len() as u64;
        !chunk.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_range_are_removed() {
        let blob = Bytes::from_static(b"0123456789");
        for size in 0..=11 {
            for length in 1..=11 {
                let chunks = blob.chunks(length).map(Bytes::copy_from_slice);
                let mut batch: Vec<_> = chunks.collect();
                truncate(&mut batch, size);
                assert!(batch.iter().all(|chunk| !chunk.is_empty()));
                let expected = usize::try_from(size).unwrap().min(10);
                assert_eq!(batch.concat(), blob[..expected]);
            }
        }
    }
}

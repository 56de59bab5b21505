//! Writers and readers of one blob: every interleaving ends with the right bytes or the right error.

mod resuming;

use std::io::{IoSlice, Read as _};
use std::sync::mpsc;
use std::thread;

use windlass_oci::{Algorithm, Digest};

use super::{
    AppendError, Ingest, IngestReader, IngestStopped, IngestWriter, RangeWriter, VerifyError,
};
use crate::BlobDraft;
use crate::tests::fixture::{TestStore, list};

/// Returns bytes without repetition.
fn bytes(length: usize) -> Vec<u8> {
    let word = |position: u32| position.wrapping_mul(0x9e37_79b9).to_le_bytes();
    (0u32..).flat_map(word).take(length).collect()
}

fn begin(fixture: &TestStore, content: &[u8]) -> (Ingest, IngestWriter) {
    let digest = Digest::sha256(content);
    fixture.own().ingest(&digest, content.len() as u64).unwrap()
}

/// Appends to the first missing range.
fn append(writer: &IngestWriter, chunks: &[&[u8]]) -> Result<(), AppendError> {
    let chunks: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    writer.claim(u64::MAX).unwrap().append(&chunks)
}

/// Returns the content of a range.
fn part<'a>(content: &'a [u8], piece: &RangeWriter) -> &'a [u8] {
    let [start, end] =
        [piece.position(), piece.end()].map(|position| usize::try_from(position).unwrap());
    &content[start..end]
}

/// Reads to the end, `size` bytes at a time.
fn read_all(mut reader: IngestReader, size: usize) -> (Vec<u8>, Result<BlobDraft, VerifyError>) {
    let mut received = Vec::new();
    let mut piece = vec![0; size];
    loop {
        match reader.read(&mut piece).unwrap() {
            0 => return (received, reader.verify()),
            length => received.extend_from_slice(&piece[..length]),
        }
    }
}

fn stopped(error: &std::io::Error) -> Option<IngestStopped> {
    error.get_ref()?.downcast_ref().copied()
}

/// DL-3.
#[test]
fn readers_get_every_byte_for_any_chunk_sizes() {
    let content = bytes(3_000_017);
    for (written, read) in [
        (1 << 20, 4096),
        (1009, 1 << 20),
        (70_001, 333),
        (4096, 65_536),
    ] {
        let fixture = TestStore::new();
        let (ingest, writer) = begin(&fixture, &content);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let reader = ingest.reader();
                thread::spawn(move || read_all(reader, read))
            })
            .collect();
        for chunk in content.chunks(written) {
            let (front, back) = chunk.split_at(chunk.len() / 3);
            append(&writer, &[front, back]).unwrap();
        }
        writer.finish().unwrap();
        for reader in readers {
            let (received, draft) = reader.join().unwrap();
            let draft = draft.unwrap();
            assert!(
                received == content,
                "written by {written} bytes, read by {read}"
            );
            assert_eq!(draft.size(), content.len() as u64);
        }
    }
}

/// Several writers with ranges of their own, at different speeds.
#[test]
fn several_writers_make_one_blob() {
    let fixture = TestStore::new();
    let content = bytes(2_000_003);
    let (ingest, writer) = begin(&fixture, &content);
    let reader = ingest.reader();
    let task = thread::spawn(move || read_all(reader, 10_000));
    thread::scope(|scope| {
        for length in [1000, 7777, 64] {
            let (writer, content) = (&writer, &content);
            scope.spawn(move || {
                while let Some(mut piece) = writer.claim(100_000) {
                    for chunk in part(content, &piece).chunks(length) {
                        piece.append(&[IoSlice::new(chunk)]).unwrap();
                    }
                }
            });
        }
    });
    writer.finish().unwrap();
    let (received, draft) = task.join().unwrap();
    assert!(received == content);
    draft.unwrap();
}

/// Ranges that are truncated or dropped can be claimed again.
#[test]
fn ranges_are_claimed_in_order_and_released() {
    let fixture = TestStore::new();
    let content = bytes(100);
    let (ingest, writer) = begin(&fixture, &content);
    let ends = |piece: &RangeWriter| (piece.position(), piece.end());
    let mut whole = writer.claim(u64::MAX).unwrap();
    assert_eq!(ends(&whole), (0, 100));
    assert!(writer.claim(1).is_none());
    whole.append(&[IoSlice::new(&content[..10])]).unwrap();
    whole.handle().truncate(40);
    let mut next = writer.claim(20).unwrap();
    assert_eq!(ends(&next), (40, 60));
    let error = next.append(&[IoSlice::new(&content[40..61])]).unwrap_err();
    assert!(matches!(error, AppendError::TooLong { .. }), "{error}");
    next.append(&[IoSlice::new(&content[40..50])]).unwrap();
    assert_eq!((ingest.contiguous_bytes(), ingest.stored_bytes()), (10, 20));
    assert_eq!(
        [whole.handle().reserve(5), whole.handle().reserve(100)],
        [5, 25]
    );
    whole.handle().truncate(20);
    assert_eq!(ends(&whole), (10, 40), "reserved bytes stay in the range");
    let extent = whole.handle();
    drop((next, whole));
    extent.truncate(0);
    let gaps: Vec<_> = std::iter::from_fn(|| writer.claim(45))
        .map(|piece| {
            let range = ends(&piece);
            std::mem::forget(piece);
            range
        })
        .collect();
    assert_eq!(gaps, [(10, 40), (50, 95), (95, 100)]);
}

/// The reader sleeps, and the last byte wakes it.
#[test]
fn a_waiting_reader_gets_the_last_byte() {
    let fixture = TestStore::new();
    let content = bytes(100_000);
    let (ingest, writer) = begin(&fixture, &content);
    let mut reader = ingest.reader();
    let (sender, receiver) = mpsc::channel();
    let task = thread::spawn(move || {
        let mut received = vec![0; 99_999];
        reader.read_exact(&mut received).unwrap();
        sender.send(()).unwrap();
        reader.read_to_end(&mut received).unwrap();
        (received, reader.verify().unwrap())
    });
    append(&writer, &[&content[..99_999]]).unwrap();
    receiver.recv().unwrap();
    assert_eq!(ingest.contiguous_bytes(), 99_999);
    append(&writer, &[&content[99_999..]]).unwrap();
    assert!(task.join().unwrap().0 == content);
}

/// More chunks than one system call takes, some of them empty.
#[test]
fn many_small_chunks_arrive_in_order() {
    let fixture = TestStore::new();
    let content = bytes(3000);
    let (ingest, writer) = begin(&fixture, &content);
    let chunks = content
        .chunks(1)
        .flat_map(|byte| [IoSlice::new(byte), IoSlice::new(b"")]);
    let mut piece = writer.claim(u64::MAX).unwrap();
    piece.append(&chunks.collect::<Vec<_>>()).unwrap();
    let mut reader = ingest.reader();
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
    reader.verify().unwrap();
}

#[test]
fn an_empty_blob_is_complete_at_once() {
    let fixture = TestStore::new();
    let (ingest, writer) = begin(&fixture, b"");
    writer.finish().unwrap();
    let mut reader = ingest.reader();
    assert_eq!(reader.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(reader.verify().unwrap().size(), 0);
}

/// T16: one byte more than announced is rejected before it is written.
#[test]
fn more_bytes_than_announced_are_rejected() {
    let fixture = TestStore::new();
    let (ingest, writer) = begin(&fixture, b"12345");
    append(&writer, &[b"123"]).unwrap();
    let error = append(&writer, &[b"456"]).unwrap_err();
    assert!(
        matches!(error, AppendError::TooLong { size: 5, .. }),
        "{error}"
    );
    assert_eq!((writer.stored_bytes(), ingest.contiguous_bytes()), (3, 3));
    let error = writer.finish().unwrap_err();
    assert!(
        matches!(
            error,
            AppendError::TooShort {
                received: 3,
                size: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn cancelling_wakes_a_reader_and_stops_the_writer() {
    let fixture = TestStore::new();
    let (ingest, writer) = begin(&fixture, b"12345");
    let mut reader = ingest.reader();
    let task = thread::spawn(move || reader.read(&mut [0; 8]).unwrap_err());
    ingest.cancel();
    assert_eq!(
        stopped(&task.join().unwrap()),
        Some(IngestStopped::Cancelled)
    );
    let error = append(&writer, &[b"1"]).unwrap_err();
    assert!(matches!(error, AppendError::Cancelled), "{error}");
}

#[test]
fn a_dropped_writer_fails_its_readers() {
    let fixture = TestStore::new();
    let (ingest, writer) = begin(&fixture, b"12345");
    let mut reader = ingest.reader();
    append(&writer, &[b"1234"]).unwrap();
    let task = thread::spawn(move || {
        let error = std::io::copy(&mut reader, &mut std::io::sink()).unwrap_err();
        (error, reader)
    });
    drop(writer);
    let (error, reader) = task.join().unwrap();
    assert_eq!(stopped(&error), Some(IngestStopped::Abandoned));
    let error = reader.verify().unwrap_err();
    assert!(
        matches!(error, VerifyError::NotAllRead { size: 5, .. }),
        "{error}"
    );
    drop(ingest);
    let name = format!("sha256-{}-5", Digest::sha256(b"12345").hex());
    let files = [name.clone(), name + ".record"];
    assert_eq!(list(&fixture.path().join("ingest")), files);
}

/// T15: wrong bytes are not accepted as the blob, and none of them stay.
#[test]
fn wrong_bytes_are_rejected() {
    let fixture = TestStore::new();
    let store = fixture.own();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let expected = Digest::of(algorithm, b"right");
        let (ingest, writer) = store.ingest(&expected, 5).unwrap();
        append(&writer, &[b"wrong"]).unwrap();
        let mut reader = ingest.reader();
        std::io::copy(&mut reader, &mut std::io::sink()).unwrap();
        let error = reader.verify().unwrap_err();
        let actual = Digest::of(algorithm, b"wrong");
        assert_eq!(error, VerifyError::Digest { expected, actual });
    }
    let error = store
        .put_blob(&Digest::sha256(b"right"), b"wrong")
        .unwrap_err();
    assert!(matches!(error, crate::PutError::Digest { .. }), "{error}");
    assert_eq!(list(&fixture.path().join("ingest")), [""; 0]);
}

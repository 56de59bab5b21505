//! One writes, others follow: every interleaving ends in the right bytes or in the right error.

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

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Vec<u8> {
    let word = |place: u32| place.wrapping_mul(0x9e37_79b9).to_le_bytes();
    (0u32..).flat_map(word).take(length).collect()
}

fn begin(place: &TestStore, content: &[u8]) -> (Ingest, IngestWriter) {
    let digest = Digest::sha256(content);
    place.own().ingest(&digest, content.len() as u64).unwrap()
}

/// Appends to the first piece that is missing.
fn append(writer: &IngestWriter, chunks: &[&[u8]]) -> Result<(), AppendError> {
    let chunks: Vec<_> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    writer.claim(u64::MAX).unwrap().append(&chunks)
}

/// Returns what belongs into a piece.
fn part<'a>(content: &'a [u8], piece: &RangeWriter) -> &'a [u8] {
    let [start, end] = [piece.position(), piece.end()].map(|place| usize::try_from(place).unwrap());
    &content[start..end]
}

/// Reads to the end, `size` bytes at a time.
fn read_all(mut follower: IngestReader, size: usize) -> (Vec<u8>, Result<BlobDraft, VerifyError>) {
    let mut seen = Vec::new();
    let mut piece = vec![0; size];
    loop {
        match follower.read(&mut piece).unwrap() {
            0 => return (seen, follower.verify()),
            length => seen.extend_from_slice(&piece[..length]),
        }
    }
}

fn stopped(error: &std::io::Error) -> Option<IngestStopped> {
    error.get_ref()?.downcast_ref().copied()
}

/// DL-3.
#[test]
fn followers_see_every_byte_whatever_the_pieces() {
    let content = bytes(3_000_017);
    for (written, read) in [
        (1 << 20, 4096),
        (1009, 1 << 20),
        (70_001, 333),
        (4096, 65_536),
    ] {
        let place = TestStore::new();
        let (ingest, writer) = begin(&place, &content);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let follower = ingest.reader();
                thread::spawn(move || read_all(follower, read))
            })
            .collect();
        for chunk in content.chunks(written) {
            let (front, back) = chunk.split_at(chunk.len() / 3);
            append(&writer, &[front, back]).unwrap();
        }
        writer.finish().unwrap();
        for reader in readers {
            let (seen, draft) = reader.join().unwrap();
            let draft = draft.unwrap();
            assert!(seen == content, "pieces of {written} read by {read}");
            assert_eq!(draft.size(), content.len() as u64);
        }
    }
}

/// Several writers, each with pieces of their own, in whatever order they get on.
#[test]
fn several_writers_make_one_blob() {
    let place = TestStore::new();
    let content = bytes(2_000_003);
    let (ingest, writer) = begin(&place, &content);
    let follower = ingest.reader();
    let reader = thread::spawn(move || read_all(follower, 10_000));
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
    let (seen, draft) = reader.join().unwrap();
    assert!(seen == content);
    draft.unwrap();
}

/// What is given back, by cutting or by leaving, is claimed by the next.
#[test]
fn pieces_are_claimed_in_order_and_given_back() {
    let place = TestStore::new();
    let content = bytes(100);
    let (ingest, writer) = begin(&place, &content);
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
    assert_eq!(ends(&whole), (10, 40), "what is reserved is not cut off");
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

/// The follower sleeps for bytes that it knows must come, and is woken by the last of them.
#[test]
fn a_waiting_follower_gets_the_last_byte() {
    let place = TestStore::new();
    let content = bytes(100_000);
    let (ingest, writer) = begin(&place, &content);
    let mut follower = ingest.reader();
    let (says, hears) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut seen = vec![0; 99_999];
        follower.read_exact(&mut seen).unwrap();
        says.send(()).unwrap();
        follower.read_to_end(&mut seen).unwrap();
        (seen, follower.verify().unwrap())
    });
    append(&writer, &[&content[..99_999]]).unwrap();
    hears.recv().unwrap();
    assert_eq!(ingest.contiguous_bytes(), 99_999);
    append(&writer, &[&content[99_999..]]).unwrap();
    assert!(reader.join().unwrap().0 == content);
}

/// More pieces than the kernel takes at once, some of them empty.
#[test]
fn many_small_pieces_arrive_in_order() {
    let place = TestStore::new();
    let content = bytes(3000);
    let (ingest, writer) = begin(&place, &content);
    let pieces = content
        .chunks(1)
        .flat_map(|byte| [IoSlice::new(byte), IoSlice::new(b"")]);
    let mut piece = writer.claim(u64::MAX).unwrap();
    piece.append(&pieces.collect::<Vec<_>>()).unwrap();
    let mut follower = ingest.reader();
    std::io::copy(&mut follower, &mut std::io::sink()).unwrap();
    follower.verify().unwrap();
}

#[test]
fn an_empty_blob_is_complete_at_once() {
    let place = TestStore::new();
    let (ingest, writer) = begin(&place, b"");
    writer.finish().unwrap();
    let mut follower = ingest.reader();
    assert_eq!(follower.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(follower.verify().unwrap().size(), 0);
}

/// T16: one byte more than announced is refused before it is written.
#[test]
fn refuses_more_than_was_announced() {
    let place = TestStore::new();
    let (ingest, writer) = begin(&place, b"12345");
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
fn cancelling_wakes_a_follower_and_stops_the_writer() {
    let place = TestStore::new();
    let (ingest, writer) = begin(&place, b"12345");
    let mut follower = ingest.reader();
    let reader = thread::spawn(move || follower.read(&mut [0; 8]).unwrap_err());
    ingest.cancel();
    assert_eq!(
        stopped(&reader.join().unwrap()),
        Some(IngestStopped::Cancelled)
    );
    let error = append(&writer, &[b"1"]).unwrap_err();
    assert!(matches!(error, AppendError::Cancelled), "{error}");
}

#[test]
fn a_writer_that_leaves_fails_its_followers() {
    let place = TestStore::new();
    let (ingest, writer) = begin(&place, b"12345");
    let mut follower = ingest.reader();
    append(&writer, &[b"1234"]).unwrap();
    let reader = thread::spawn(move || {
        let error = std::io::copy(&mut follower, &mut std::io::sink()).unwrap_err();
        (error, follower)
    });
    drop(writer);
    let (error, follower) = reader.join().unwrap();
    assert_eq!(stopped(&error), Some(IngestStopped::Abandoned));
    let error = follower.verify().unwrap_err();
    assert!(
        matches!(error, VerifyError::NotAllRead { size: 5, .. }),
        "{error}"
    );
    drop(ingest);
    let name = format!("sha256-{}-5", Digest::sha256(b"12345").hex());
    let kept = [name.clone(), name + ".record"];
    assert_eq!(list(&place.path().join("ingest")), kept);
}

/// T15: the wrong bytes are no blob, and nothing of them stays.
#[test]
fn wrong_bytes_are_refused() {
    let place = TestStore::new();
    let store = place.own();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let wanted = Digest::of(algorithm, b"right");
        let (ingest, writer) = store.ingest(&wanted, 5).unwrap();
        append(&writer, &[b"wrong"]).unwrap();
        let mut follower = ingest.reader();
        std::io::copy(&mut follower, &mut std::io::sink()).unwrap();
        let error = follower.verify().unwrap_err();
        let actual = Digest::of(algorithm, b"wrong");
        assert_eq!(
            error,
            VerifyError::Digest {
                expected: wanted,
                actual
            }
        );
    }
    let error = store
        .put_blob(&Digest::sha256(b"right"), b"wrong")
        .unwrap_err();
    assert!(matches!(error, crate::PutError::Digest { .. }), "{error}");
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
}

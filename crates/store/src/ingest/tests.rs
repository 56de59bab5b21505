//! One writes, others follow: every interleaving ends in the right bytes or in the right error.

use std::io::{IoSlice, Read as _};
use std::sync::mpsc;
use std::thread;

use windlass_oci::{Algorithm, Digest};

use super::{AppendError, Ingest, IngestWriter, Stopped, VerifyError};
use crate::tests::fixture::{Place, list};

/// Bytes that differ from place to place.
fn bytes(length: usize) -> Vec<u8> {
    let word = |place: u32| place.wrapping_mul(0x9e37_79b9).to_le_bytes();
    (0u32..).flat_map(word).take(length).collect()
}

fn begin(place: &Place, content: &[u8]) -> (Ingest, IngestWriter) {
    let digest = Digest::sha256(content);
    place.own().ingest(&digest, content.len() as u64).unwrap()
}

fn stopped(error: &std::io::Error) -> Option<Stopped> {
    error.get_ref()?.downcast_ref().copied()
}

#[test]
fn followers_see_every_byte_whatever_the_pieces() {
    let place = Place::new();
    let content = bytes(3_000_017);
    for (written, read) in [
        (1 << 20, 4096),
        (1009, 1 << 20),
        (70_001, 333),
        (4096, 65_536),
    ] {
        let (ingest, mut writer) = begin(&place, &content);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut follower = ingest.follower();
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    let mut piece = vec![0; read];
                    loop {
                        match follower.read(&mut piece).unwrap() {
                            0 => return (seen, follower.verify().unwrap()),
                            length => seen.extend_from_slice(&piece[..length]),
                        }
                    }
                })
            })
            .collect();
        for chunk in content.chunks(written) {
            let (front, back) = chunk.split_at(chunk.len() / 3);
            writer
                .append(&[IoSlice::new(front), IoSlice::new(back)])
                .unwrap();
        }
        writer.finish().unwrap();
        for reader in readers {
            let (seen, draft) = reader.join().unwrap();
            assert!(seen == content, "pieces of {written} read by {read}");
            assert_eq!(draft.size(), content.len() as u64);
        }
    }
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
}

/// The follower sleeps for bytes that it knows must come, and is woken by the last of them.
#[test]
fn a_waiting_follower_gets_the_last_byte() {
    let place = Place::new();
    let content = bytes(100_000);
    let (ingest, mut writer) = begin(&place, &content);
    let mut follower = ingest.follower();
    let (says, hears) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut seen = vec![0; 99_999];
        follower.read_exact(&mut seen).unwrap();
        says.send(()).unwrap();
        follower.read_to_end(&mut seen).unwrap();
        (seen, follower.verify().unwrap())
    });
    writer.append(&[IoSlice::new(&content[..99_999])]).unwrap();
    hears.recv().unwrap();
    assert_eq!(ingest.received(), 99_999);
    writer.append(&[IoSlice::new(&content[99_999..])]).unwrap();
    assert!(reader.join().unwrap().0 == content);
}

/// More pieces than the kernel takes at once, some of them empty.
#[test]
fn many_small_pieces_arrive_in_order() {
    let place = Place::new();
    let content = bytes(3000);
    let (ingest, mut writer) = begin(&place, &content);
    let pieces = content
        .chunks(1)
        .flat_map(|byte| [IoSlice::new(byte), IoSlice::new(b"")]);
    writer.append(&pieces.collect::<Vec<_>>()).unwrap();
    let mut follower = ingest.follower();
    std::io::copy(&mut follower, &mut std::io::sink()).unwrap();
    follower.verify().unwrap();
}

#[test]
fn an_empty_blob_is_complete_at_once() {
    let place = Place::new();
    let (ingest, writer) = begin(&place, b"");
    writer.finish().unwrap();
    let mut follower = ingest.follower();
    assert_eq!(follower.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(follower.verify().unwrap().size(), 0);
}

/// T16: one byte more than announced is refused before it is written.
#[test]
fn refuses_more_than_was_announced() {
    let place = Place::new();
    let (ingest, mut writer) = begin(&place, b"12345");
    writer.append(&[IoSlice::new(b"123")]).unwrap();
    let error = writer.append(&[IoSlice::new(b"456")]).unwrap_err();
    assert!(
        matches!(error, AppendError::TooLong { size: 5, .. }),
        "{error}"
    );
    assert_eq!((writer.offset(), ingest.received()), (3, 3));
    let error = writer.finish().unwrap_err();
    assert!(
        matches!(
            error,
            AppendError::TooShort {
                held: 3,
                size: 5,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn cancelling_wakes_a_follower_and_stops_the_writer() {
    let place = Place::new();
    let (ingest, mut writer) = begin(&place, b"12345");
    let mut follower = ingest.follower();
    let reader = thread::spawn(move || follower.read(&mut [0; 8]).unwrap_err());
    ingest.cancel();
    assert_eq!(stopped(&reader.join().unwrap()), Some(Stopped::Cancelled));
    let error = writer.append(&[IoSlice::new(b"1")]).unwrap_err();
    assert!(matches!(error, AppendError::Cancelled), "{error}");
}

#[test]
fn a_writer_that_leaves_fails_its_followers() {
    let place = Place::new();
    let (ingest, mut writer) = begin(&place, b"12345");
    let mut follower = ingest.follower();
    writer.append(&[IoSlice::new(b"1234")]).unwrap();
    let reader = thread::spawn(move || {
        let error = std::io::copy(&mut follower, &mut std::io::sink()).unwrap_err();
        (error, follower)
    });
    drop(writer);
    let (error, follower) = reader.join().unwrap();
    assert_eq!(stopped(&error), Some(Stopped::Abandoned));
    let error = follower.verify().unwrap_err();
    assert!(
        matches!(error, VerifyError::NotAllRead { size: 5, .. }),
        "{error}"
    );
    drop(ingest);
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
}

/// T15: the wrong bytes are no blob, and nothing of them stays.
#[test]
fn wrong_bytes_are_refused() {
    let place = Place::new();
    let store = place.own();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let wanted = Digest::of(algorithm, b"right");
        let (ingest, mut writer) = store.ingest(&wanted, 5).unwrap();
        writer.append(&[IoSlice::new(b"wrong")]).unwrap();
        let mut follower = ingest.follower();
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

//! Partial blobs are continued after a drop, a kill and a reboot, and wrong ones are not.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;
use crate::partial::{ByteRanges, PartialRecord};
use crate::partial_file::RECORD_SUFFIX;
use crate::tests::fixture::own;
use crate::{PartialBlob, Retention, Store};

const SIZE: usize = 5_000_000;

/// Continues a blob of `content`: returns the bytes that were present, and the verified blob.
fn resume(store: &Store, content: &[u8]) -> (u64, Result<BlobDraft, VerifyError>) {
    let digest = Digest::sha256(content);
    let (ingest, writer) = store.ingest(&digest, content.len() as u64).unwrap();
    let before = ingest.stored_bytes();
    while let Some(mut piece) = writer.claim(u64::MAX) {
        let rest = part(content, &piece);
        piece.append(&[IoSlice::new(rest)]).unwrap();
    }
    writer.finish().unwrap();
    let (_, draft) = read_all(ingest.reader(), 70_000);
    (before, draft)
}

/// Writes the first `length` bytes and reads them.
fn begin_and_read(store: &Store, content: &[u8], length: usize) -> (Ingest, IngestWriter) {
    let digest = Digest::sha256(content);
    let (ingest, writer) = store.ingest(&digest, content.len() as u64).unwrap();
    let mut piece = writer.claim(u64::MAX).unwrap();
    for chunk in content[..length].chunks(65_536) {
        piece.append(&[IoSlice::new(chunk)]).unwrap();
    }
    let mut read = vec![0; length];
    ingest.reader().read_exact(&mut read).unwrap();
    drop(piece);
    (ingest, writer)
}

/// Copies the store as it is after its owner was killed.
fn after_a_kill(fixture: &TestStore) -> TestStore {
    let other = TestStore::new();
    drop(other.own());
    for name in list(&fixture.path().join("ingest")) {
        let [from, to] = [fixture, &other].map(|fixture| fixture.path().join("ingest").join(&name));
        fs::copy(from, to).unwrap();
    }
    other
}

fn record_path(fixture: &TestStore) -> std::path::PathBuf {
    let ingest = fixture.path().join("ingest");
    let names = list(&ingest);
    let name = names.iter().find(|name| name.ends_with(RECORD_SUFFIX));
    ingest.join(name.unwrap())
}

fn change_record(fixture: &TestStore, change: impl FnOnce(&mut PartialRecord)) {
    let path = record_path(fixture);
    let mut record = PartialRecord::parse(&fs::read(&path).unwrap(), SIZE as u64).unwrap();
    change(&mut record);
    fs::write(path, record.to_bytes()).unwrap();
}

#[test]
fn a_dropped_blob_is_continued() {
    let fixture = TestStore::new();
    let content = bytes(SIZE);
    drop(begin_and_read(&fixture.own(), &content, 3_000_000));
    let store = fixture.own();
    let (before, draft) = resume(&store, &content);
    assert_eq!(before, 3_000_000);
    drop(draft.unwrap());
    // A complete blob is retained, too.
    let (before, draft) = resume(&store, &content);
    assert_eq!(before, SIZE as u64);
    draft.unwrap();
}

/// At most the bytes since the last record are lost. No byte was synced, so the hash starts again.
#[test]
fn a_kill_loses_less_than_a_megabyte() {
    let fixture = TestStore::new();
    let content = bytes(SIZE);
    let store = fixture.own();
    let _running = begin_and_read(&store, &content, 3_000_000);
    let other = after_a_kill(&fixture);
    let record =
        PartialRecord::parse(&fs::read(record_path(&other)).unwrap(), SIZE as u64).unwrap();
    assert_eq!(record.hash, None);
    let (before, draft) = resume(&other.own(), &content);
    assert!((2_740_000..=3_000_000).contains(&before), "{before}");
    draft.unwrap();
}

/// Bytes before the checkpoint are not hashed again: the digest is right although one of them was changed.
/// (Only root could change it.)
#[test]
fn the_hash_continues_from_its_checkpoint() {
    let fixture = TestStore::new();
    let content = bytes(SIZE);
    drop(begin_and_read(&fixture.own(), &content, 3_000_000));
    let path = record_path(&fixture);
    let record = PartialRecord::parse(&fs::read(&path).unwrap(), SIZE as u64).unwrap();
    assert_eq!(record.durable, ByteRanges::from(0..3_000_000));
    let hashed = record.hash.unwrap().position;
    assert!((1_900_000..=3_000_000).contains(&hashed), "{hashed}");

    let change = |at: u64| {
        use std::os::unix::fs::FileExt as _;
        let data = path.to_str().unwrap().strip_suffix(RECORD_SUFFIX).unwrap();
        let file = fs::File::options().write(true).open(data).unwrap();
        file.write_at(b"changed", at).unwrap();
    };
    change(hashed - 100);
    let (before, draft) = resume(&fixture.own(), &content);
    assert_eq!(before, 3_000_000);
    drop(draft.unwrap());
    change_record(&fixture, |record| record.hash = None);
    let (_, draft) = resume(&fixture.own(), &content);
    assert!(
        matches!(draft, Err(VerifyError::Digest { .. })),
        "{draft:?}"
    );
}

/// After a reboot only synced bytes count as present and hashed.
#[test]
fn after_a_reboot_safe_bytes_are_continued() {
    let content = bytes(SIZE);
    let fixture = TestStore::new();
    drop(begin_and_read(&fixture.own(), &content, 3_000_000));
    change_record(&fixture, |record| {
        record.boot = "another".to_owned();
        record.durable = [0..2_500_000, 2_800_000..2_900_000].into_iter().collect();
    });
    let (before, draft) = resume(&fixture.own(), &content);
    assert_eq!(before, 2_600_000);
    draft.unwrap();
}

/// Wrong bytes are discarded at once: they are not restored after a kill either.
#[test]
fn wrong_bytes_are_never_used_again() {
    let fixture = TestStore::new();
    let (content, wrong) = (bytes(SIZE), vec![7; SIZE]);
    let store = fixture.own();
    let (ingest, writer) = store
        .ingest(&Digest::sha256(&content), SIZE as u64)
        .unwrap();
    append(&writer, &[&wrong]).unwrap();
    let (_, draft) = read_all(ingest.reader(), 1 << 20);
    assert!(
        matches!(draft, Err(VerifyError::Digest { .. })),
        "{draft:?}"
    );
    let other = after_a_kill(&fixture);
    drop((ingest, writer));
    assert_eq!(list(&fixture.path().join("ingest")), [""; 0]);
    assert_eq!(resume(&store, &content).0, 0);
    assert_eq!(resume(&other.own(), &content).0, 0);
}

#[test]
fn a_discarded_blob_is_not_retained() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let (ingest, writer) = begin_and_read(&store, &bytes(SIZE), 3_000_000);
    ingest.discard();
    drop((ingest, writer));
    assert_eq!(list(&fixture.path().join("ingest")), [""; 0]);
}

/// While one ingest has a partial blob, a second one starts with an empty file, which is not retained.
#[test]
fn a_partial_blob_has_one_owner() {
    let fixture = TestStore::new();
    let content = bytes(SIZE);
    let store = fixture.own();
    let first = begin_and_read(&store, &content, 1_000_000);
    let second = begin_and_read(&store, &content, 2_000_000);
    assert_eq!(second.0.stored_bytes(), 2_000_000);
    drop((second, first));
    let (before, draft) = resume(&store, &content);
    assert_eq!(before, 1_000_000);
    draft.unwrap();
}

/// T16: another announced size does not get the same file.
#[test]
fn a_size_is_part_of_the_name() {
    let fixture = TestStore::new();
    let content = bytes(SIZE);
    let store = fixture.own();
    drop(begin_and_read(&store, &content, 1_000_000));
    let (other, _) = { &store }.ingest(&Digest::sha256(&content), 10).unwrap();
    assert_eq!(other.stored_bytes(), 0);
    assert_eq!(resume(&store, &content).0, 1_000_000);
}

/// A name for the damage, the damage, and the bytes that are still used.
type Damage<'a> = (&'a str, &'a dyn Fn(&TestStore), u64);

/// T45: with any file under the right name, the blob is right or downloaded again.
#[test]
fn a_damaged_blob_is_not_continued() {
    let content = bytes(SIZE);
    let data = |fixture: &TestStore| {
        let record = record_path(fixture);
        let name = record.to_str().unwrap().to_owned();
        std::path::PathBuf::from(name.strip_suffix(RECORD_SUFFIX).unwrap())
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let damages: [Damage<'_>; 7] = [
        ("no record", &|fixture| remove(&record_path(fixture)), 0),
        ("no file", &|fixture| remove(&data(fixture)), 0),
        (
            "a short file",
            &|fixture| truncate(&data(fixture), 1_000_000),
            1_000_000,
        ),
        (
            "a long file",
            &|fixture| truncate(&data(fixture), 9_000_000),
            0,
        ),
        (
            "half a record",
            &|fixture| truncate(&record_path(fixture), 50),
            0,
        ),
        ("a link", &|fixture| link(&data(fixture)), 0),
        ("a directory", &|fixture| directory(&data(fixture)), 0),
    ];
    for (name, damage, left) in damages {
        let fixture = TestStore::new();
        drop(begin_and_read(&fixture.own(), &content, 3_000_000));
        damage(&fixture);
        let (before, draft) = resume(&own(&fixture.path()), &content);
        assert_eq!(before, left, "{name}");
        draft.unwrap();
    }
}

fn truncate(path: &Path, length: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

fn link(path: &Path) {
    let elsewhere = path.with_file_name("elsewhere");
    fs::rename(path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(elsewhere, path).unwrap();
}

fn directory(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
}

fn digests(blobs: Vec<PartialBlob>) -> Vec<Digest> {
    blobs.into_iter().map(|blob| blob.digest).collect()
}

/// The oldest are removed first, by age and by size; blobs being downloaded, and those that are needed, stay.
#[test]
fn partial_blobs_expire() {
    let fixture = TestStore::new();
    let store = fixture.own();
    let contents: Vec<Vec<u8>> = (0..4).map(|n| bytes(SIZE + n)).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| Digest::sha256(&contents[n]));
    for (age, content) in contents.iter().enumerate() {
        drop(begin_and_read(&store, content, 1_000_000));
        let name = format!("sha256-{}-{}", Digest::sha256(content).hex(), content.len());
        let file = fixture.path().join("ingest").join(name);
        let hours = Duration::from_secs(3600 * (10 - age as u64));
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - hours).unwrap();
    }
    let listed = fixture.lookup().partial_blobs().unwrap();
    let stored: Vec<_> = listed.iter().map(|blob| (blob.stored, blob.size)).collect();
    let sizes = [0, 1, 2, 3].map(|n| (1_000_000, (SIZE + n) as u64));
    assert_eq!(stored, sizes);
    assert_eq!(digests(listed), [a, b, c, d]);

    let day = Duration::from_secs(24 * 3600);
    let expire = |max_age, max_bytes, wanted: &[Digest]| {
        let keep = Retention { max_age, max_bytes };
        digests(store.expire_partials(&keep, wanted).unwrap())
    };
    assert_eq!(expire(day, u64::MAX, &[]), []);
    assert_eq!(
        expire(Duration::from_secs(3600 * 9 + 60), u64::MAX, &[]),
        [a]
    );
    let running = begin_and_read(&store, &contents[1], 0);
    assert_eq!(expire(day, 2_500_000, &[c]), [d]);
    drop(running);
    assert_eq!(expire(day, 0, &[]), [b, c]);
    assert_eq!(list(&fixture.path().join("ingest")), [""; 0]);
}

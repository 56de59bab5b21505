//! What was not finished goes on where it stopped: after a drop, a kill, a reboot. And what is wrong does not.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::record::PartialRecord;
use super::super::{ByteRanges, RECORD_SUFFIX};
use super::*;
use crate::tests::fixture::own;
use crate::{PartialBlob, Retention, Store};

const SIZE: usize = 5_000_000;

/// Goes on with a blob of `content`: returns what was there, and then the whole of it.
fn go_on(store: &Store, content: &[u8]) -> (u64, Result<BlobDraft, VerifyError>) {
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

/// Brings the first `length` bytes in, and has them read.
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

/// Copies the store as it stands: what somebody finds who comes after its owner was killed.
fn after_a_kill(place: &TestStore) -> TestStore {
    let other = TestStore::new();
    drop(other.own());
    for name in list(&place.path().join("ingest")) {
        let [from, to] = [place, &other].map(|place| place.path().join("ingest").join(&name));
        fs::copy(from, to).unwrap();
    }
    other
}

fn record_path(place: &TestStore) -> std::path::PathBuf {
    let ingest = place.path().join("ingest");
    let names = list(&ingest);
    let name = names.iter().find(|name| name.ends_with(RECORD_SUFFIX));
    ingest.join(name.unwrap())
}

fn change_record(place: &TestStore, change: impl FnOnce(&mut PartialRecord)) {
    let path = record_path(place);
    let mut record = PartialRecord::parse(&fs::read(&path).unwrap(), SIZE as u64).unwrap();
    change(&mut record);
    fs::write(path, record.to_bytes()).unwrap();
}

#[test]
fn what_is_dropped_is_gone_on_with() {
    let place = TestStore::new();
    let content = bytes(SIZE);
    drop(begin_and_read(&place.own(), &content, 3_000_000));
    let store = place.own();
    let (before, draft) = go_on(&store, &content);
    assert_eq!(before, 3_000_000);
    drop(draft.unwrap());
    // What is complete is kept, too.
    let (before, draft) = go_on(&store, &content);
    assert_eq!(before, SIZE as u64);
    draft.unwrap();
}

/// At most a record's worth is lost, and the hash is taken up where it is safe: nowhere, nothing was synced.
#[test]
fn who_is_killed_loses_less_than_a_megabyte() {
    let place = TestStore::new();
    let content = bytes(SIZE);
    let store = place.own();
    let _running = begin_and_read(&store, &content, 3_000_000);
    let other = after_a_kill(&place);
    let record =
        PartialRecord::parse(&fs::read(record_path(&other)).unwrap(), SIZE as u64).unwrap();
    assert_eq!(record.hash, None);
    let (before, draft) = go_on(&other.own(), &content);
    assert!((2_740_000..=3_000_000).contains(&before), "{before}");
    draft.unwrap();
}

/// The part that is hashed is read, but not hashed again: the digest comes out right although it differs now.
/// (Nothing but the power of root could change it; that it is noticed elsewhere is no matter here.)
#[test]
fn the_hash_goes_on_where_it_was() {
    let place = TestStore::new();
    let content = bytes(SIZE);
    drop(begin_and_read(&place.own(), &content, 3_000_000));
    let path = record_path(&place);
    let record = PartialRecord::parse(&fs::read(&path).unwrap(), SIZE as u64).unwrap();
    assert_eq!(record.safe, ByteRanges::from(0..3_000_000));
    let hashed = record.hash.unwrap().position;
    assert!((1_900_000..=3_000_000).contains(&hashed), "{hashed}");

    let change = |at: u64| {
        use std::os::unix::fs::FileExt as _;
        let data = path.to_str().unwrap().strip_suffix(RECORD_SUFFIX).unwrap();
        let file = fs::File::options().write(true).open(data).unwrap();
        file.write_at(b"changed", at).unwrap();
    };
    change(hashed - 100);
    let (before, draft) = go_on(&place.own(), &content);
    assert_eq!(before, 3_000_000);
    drop(draft.unwrap());
    change_record(&place, |record| record.hash = None);
    let (_, draft) = go_on(&place.own(), &content);
    assert!(
        matches!(draft, Err(VerifyError::Digest { .. })),
        "{draft:?}"
    );
}

/// After another boot only what was synced is there, and hashed.
#[test]
fn after_a_reboot_what_is_safe_is_gone_on_with() {
    let content = bytes(SIZE);
    let place = TestStore::new();
    drop(begin_and_read(&place.own(), &content, 3_000_000));
    change_record(&place, |record| {
        record.boot = "another".to_owned();
        record.safe = [0..2_500_000, 2_800_000..2_900_000].into_iter().collect();
    });
    let (before, draft) = go_on(&place.own(), &content);
    assert_eq!(before, 2_600_000);
    draft.unwrap();
}

/// What is not the blob is condemned at once: not even a kill brings it back.
#[test]
fn what_is_wrong_is_never_offered_again() {
    let place = TestStore::new();
    let (content, wrong) = (bytes(SIZE), vec![7; SIZE]);
    let store = place.own();
    let (ingest, writer) = store
        .ingest(&Digest::sha256(&content), SIZE as u64)
        .unwrap();
    append(&writer, &[&wrong]).unwrap();
    let (_, draft) = read_all(ingest.reader(), 1 << 20);
    assert!(
        matches!(draft, Err(VerifyError::Digest { .. })),
        "{draft:?}"
    );
    let other = after_a_kill(&place);
    drop((ingest, writer));
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
    assert_eq!(go_on(&store, &content).0, 0);
    assert_eq!(go_on(&other.own(), &content).0, 0);
}

#[test]
fn what_is_discarded_is_not_kept() {
    let place = TestStore::new();
    let store = place.own();
    let (ingest, writer) = begin_and_read(&store, &bytes(SIZE), 3_000_000);
    ingest.discard();
    drop((ingest, writer));
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
}

/// While one has it, another gets an empty one of their own, which nobody goes on with.
#[test]
fn a_partial_blob_has_one_owner() {
    let place = TestStore::new();
    let content = bytes(SIZE);
    let store = place.own();
    let first = begin_and_read(&store, &content, 1_000_000);
    let second = begin_and_read(&store, &content, 2_000_000);
    assert_eq!(second.0.stored_bytes(), 2_000_000);
    drop((second, first));
    let (before, draft) = go_on(&store, &content);
    assert_eq!(before, 1_000_000);
    draft.unwrap();
}

/// T16: who announces another size does not get the same file.
#[test]
fn a_size_is_part_of_the_name() {
    let place = TestStore::new();
    let content = bytes(SIZE);
    let store = place.own();
    drop(begin_and_read(&store, &content, 1_000_000));
    let (liar, _) = { &store }.ingest(&Digest::sha256(&content), 10).unwrap();
    assert_eq!(liar.stored_bytes(), 0);
    assert_eq!(go_on(&store, &content).0, 1_000_000);
}

/// What it is called, what is done, and how much is left then.
type Damage<'a> = (&'a str, &'a dyn Fn(&TestStore), u64);

/// T45: whatever lies there under the right name, the blob comes out right or is fetched anew.
#[test]
fn what_is_damaged_is_not_gone_on_with() {
    let content = bytes(SIZE);
    let data = |place: &TestStore| {
        let record = record_path(place);
        let name = record.to_str().unwrap().to_owned();
        std::path::PathBuf::from(name.strip_suffix(RECORD_SUFFIX).unwrap())
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let damages: [Damage<'_>; 7] = [
        ("no record", &|place| remove(&record_path(place)), 0),
        ("no file", &|place| remove(&data(place)), 0),
        (
            "a short file",
            &|place| truncate(&data(place), 1_000_000),
            1_000_000,
        ),
        ("a long file", &|place| truncate(&data(place), 9_000_000), 0),
        (
            "half a record",
            &|place| truncate(&record_path(place), 50),
            0,
        ),
        ("a link", &|place| link(&data(place)), 0),
        ("a directory", &|place| directory(&data(place)), 0),
    ];
    for (name, damage, left) in damages {
        let place = TestStore::new();
        drop(begin_and_read(&place.own(), &content, 3_000_000));
        damage(&place);
        let (before, draft) = go_on(&own(&place.path()), &content);
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

/// The oldest go first, by age and by bytes; those that come in, and those that are wanted, stay.
#[test]
fn partial_blobs_expire() {
    let place = TestStore::new();
    let store = place.own();
    let contents: Vec<Vec<u8>> = (0..4).map(|n| bytes(SIZE + n)).collect();
    let [a, b, c, d] = [0, 1, 2, 3].map(|n| Digest::sha256(&contents[n]));
    for (age, content) in contents.iter().enumerate() {
        drop(begin_and_read(&store, content, 1_000_000));
        let name = format!("sha256-{}-{}", Digest::sha256(content).hex(), content.len());
        let file = place.path().join("ingest").join(name);
        let hours = Duration::from_secs(3600 * (10 - age as u64));
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - hours).unwrap();
    }
    let listed = place.lookup().partial_blobs().unwrap();
    let held: Vec<_> = listed.iter().map(|blob| (blob.stored, blob.size)).collect();
    let sizes = [0, 1, 2, 3].map(|n| (1_000_000, (SIZE + n) as u64));
    assert_eq!(held, sizes);
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
    assert_eq!(list(&place.path().join("ingest")), [""; 0]);
}

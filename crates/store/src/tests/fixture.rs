//! A store in a temporary directory, and images for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{IoSlice, Read as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use windlass_oci::{DiffId, Digest, ImageId, Reference};

use crate::{
    BlobDraft, BlobSource, CommitError, Committed, FinishedLayer, LayerMetadata, LayerSource,
    LowerLink, NewImage, NewLayer, OpenMode, Store, WhenBusy,
};

/// A directory for a store, removed on drop.
pub(crate) struct TestStore {
    dir: TempDir,
}

/// A layer to create; its name determines its content.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerPlan {
    pub(crate) name: String,
    pub(crate) implied_directories: Vec<Vec<u8>>,
    pub(crate) lower_links: Vec<LowerLink>,
}

/// An image to create; its name determines its config, its layers its content.
#[derive(Clone, Debug)]
pub(crate) struct ImagePlan {
    pub(crate) name: String,
    pub(crate) layers: Vec<LayerPlan>,
    pub(crate) index: bool,
    pub(crate) reference: Option<Reference>,
}

impl TestStore {
    /// Creates the directory on a disk, where directories take up blocks as well.
    pub(crate) fn on_disk() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    /// Creates the directory in memory, if possible: the barrier of a commit flushes the whole file system, and
    /// other writes on a busy one would slow the tests down.
    pub(crate) fn new() -> Self {
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let dir = in_memory.or_else(|_| tempfile::tempdir()).unwrap();
        Self { dir }
    }

    /// Returns the parent directory of the store.
    pub(crate) fn around(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub(crate) fn own(&self) -> Store {
        own(&self.path())
    }

    pub(crate) fn lookup(&self) -> Store {
        Store::open(&self.path(), OpenMode::Unlocked, |_| {
            unreachable!("no lock is taken")
        })
        .unwrap()
    }
}

pub(crate) fn own(path: &Path) -> Store {
    let access = OpenMode::Exclusive { purpose: "a test" };
    Store::open(path, access, |owner| panic!("busy: {owner}")).unwrap()
}

pub(crate) fn try_own(path: &Path) -> Result<Store, crate::StoreOpenError> {
    Store::open(path, OpenMode::Exclusive { purpose: "a test" }, |_| {
        WhenBusy::Fail
    })
}

impl LayerPlan {
    pub(crate) fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self {
            name,
            ..Self::default()
        }
    }

    pub(crate) fn diff_id(&self) -> DiffId {
        DiffId::new(Digest::sha256(format!("tar of {}", self.name)))
    }

    pub(crate) fn blob(&self) -> Vec<u8> {
        format!("compressed tar of {}", self.name).into_bytes()
    }

    pub(crate) fn draft(&self, store: &Store) -> FinishedLayer {
        self.draft_with(store, |dir| {
            fs::write(dir.join("file"), &self.name).unwrap();
        })
    }

    /// Creates the layer with the files that `fill` writes.
    pub(crate) fn draft_with(&self, store: &Store, fill: impl FnOnce(&Path)) -> FinishedLayer {
        let draft = store.draft_layer().unwrap();
        fill(&path_of(draft.dir()));
        draft.finish(LayerMetadata {
            diff_id: self.diff_id(),
            size: self.name.len() as u64,
            entries: 1,
            implied_directories: self.implied_directories.clone(),
            lower_links: self.lower_links.clone(),
        })
    }
}

impl ImagePlan {
    pub(crate) fn new(name: &str, layers: &[&str], reference: &str) -> Self {
        Self {
            name: name.to_owned(),
            layers: layers.iter().map(|name| LayerPlan::new(name)).collect(),
            index: false,
            reference: Some(reference.parse().unwrap()),
        }
    }

    pub(crate) fn config(&self) -> Vec<u8> {
        let diff_ids: Vec<_> = self
            .layers
            .iter()
            .map(|layer| format!("\"{}\"", layer.diff_id()))
            .collect();
        format!(
            r#"{{"author":"{}","os":"linux","architecture":"amd64","created":"2026-01-02T03:04:05Z","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            self.name,
            diff_ids.join(",")
        )
        .into_bytes()
    }

    pub(crate) fn id(&self) -> ImageId {
        ImageId::new(Digest::sha256(self.config()))
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        format!("manifest of {}", self.id()).into_bytes()
    }

    pub(crate) fn index_bytes(&self) -> Vec<u8> {
        format!("index of {}", self.id()).into_bytes()
    }

    pub(crate) fn target(&self) -> Digest {
        let index = self.index.then(|| Digest::sha256(self.index_bytes()));
        index.unwrap_or_else(|| Digest::sha256(self.manifest()))
    }

    /// Returns all blobs of the image, by digest.
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, Vec<u8>> {
        let mut blobs = vec![self.config(), self.manifest()];
        blobs.extend(self.index.then(|| self.index_bytes()));
        blobs.extend(self.layers.iter().map(LayerPlan::blob));
        blobs
            .into_iter()
            .map(|bytes| (Digest::sha256(&bytes), bytes))
            .collect()
    }

    /// Does what a pull does: uses stored content, and creates the rest.
    pub(crate) fn draft(&self, store: &Store) -> NewImage {
        let take = |layer: &LayerPlan| {
            if let Some(held) = store.layer(&layer.diff_id()).unwrap() {
                return new_layer(layer, LayerSource::Stored(held), None);
            }
            let blob = download(store, &layer.blob());
            new_layer(layer, LayerSource::New(layer.draft(store)), Some(blob))
        };
        let layers = self.layers.iter().map(take).collect();
        self.with_layers(store, layers)
    }

    pub(crate) fn with_layers(&self, store: &Store, layers: Vec<NewLayer>) -> NewImage {
        NewImage {
            config: put(store, &self.config()),
            manifest: put(store, &self.manifest()),
            indexes: self
                .index
                .then(|| put(store, &self.index_bytes()))
                .into_iter()
                .collect(),
            artifacts: Vec::new(),
            layers,
            reference: self.reference.clone(),
        }
    }

    pub(crate) fn pull(&self, store: &Store) -> Result<Committed, CommitError> {
        store.commit(&self.draft(store))
    }
}

pub(crate) fn new_layer(plan: &LayerPlan, layer: LayerSource, blob: Option<BlobDraft>) -> NewLayer {
    NewLayer {
        layer,
        digest: Digest::sha256(plan.blob()),
        size: plan.blob().len() as u64,
        blob: blob.map(BlobSource::New),
    }
}

/// Ingests `bytes` as a download does, with a writer and a reader.
pub(crate) fn download(store: &Store, bytes: &[u8]) -> BlobDraft {
    let (ingest, writer) = store
        .ingest(&Digest::sha256(bytes), bytes.len() as u64)
        .unwrap();
    let mut follower = ingest.reader();
    if let Some(mut piece) = writer.claim(u64::MAX) {
        piece.append(&[IoSlice::new(bytes)]).unwrap();
    }
    writer.finish().unwrap();
    let mut read = Vec::new();
    follower.read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
    follower.verify().unwrap()
}

pub(crate) fn put(store: &Store, bytes: &[u8]) -> BlobSource {
    let digest = Digest::sha256(bytes);
    match store.blob(&digest).unwrap() {
        Some(held) => BlobSource::Stored(held),
        None => BlobSource::New(store.put_blob(&digest, bytes).unwrap()),
    }
}

pub(crate) fn path_of(dir: BorrowedFd<'_>) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd())).unwrap()
}

/// Creates an overlayfs whiteout, which every user may do.
pub(crate) fn whiteout(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
}

/// Marks a directory as opaque.
pub(crate) fn make_opaque(path: &Path) {
    let is_root = rustix::process::geteuid().is_root();
    let realm = if is_root { "trusted" } else { "user" };
    let name = format!("{realm}.overlay.opaque");
    rustix::fs::setxattr(path, name, b"y", rustix::fs::XattrFlags::empty()).unwrap();
}

/// Returns the names in a directory, in order; a missing one is empty.
pub(crate) fn list(path: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
    let mut names: Vec<_> = entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Blobs and layers, by the hex digits of their digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) blobs: BTreeSet<String>,
    pub(crate) layers: BTreeSet<String>,
}

/// Checks that `store` has exactly the content that its images need, complete (invariants 1, 4 and 5), and that
/// its images are among `plans`. Returns their names, in order.
pub(crate) fn check(store: &Store, plans: &[ImagePlan]) -> Vec<String> {
    check_beside(store, plans, &Content::default())
}

/// Checks the same, with `others` stored as well for a pull.
pub(crate) fn check_beside(store: &Store, plans: &[ImagePlan], others: &Content) -> Vec<String> {
    let mut names = Vec::new();
    let Content {
        mut blobs,
        mut layers,
    } = others.clone();
    for image in store.images().unwrap() {
        let plan = plans
            .iter()
            .find(|plan| plan.id() == image.id)
            .expect("an image of the test");
        for (digest, bytes) in plan.blobs() {
            assert!(
                store.read_blob(&digest).unwrap() == bytes,
                "{} of {}",
                digest,
                plan.name
            );
            blobs.insert(digest.hex());
        }
        let diff_ids: Vec<_> = image.layers.iter().map(|layer| layer.diff_id).collect();
        let planned: Vec<_> = plan.layers.iter().map(LayerPlan::diff_id).collect();
        assert_eq!(diff_ids, planned);
        for layer in &plan.layers {
            let held = store
                .layer(&layer.diff_id())
                .unwrap()
                .expect("an image has its layers");
            let file = fs::read_to_string(held.path().join("file"));
            assert_eq!(file.unwrap_or_default(), layer.name);
            layers.insert(layer.diff_id().digest().hex());
        }
        names.push(plan.name.clone());
    }
    let path = store.path().unwrap();
    assert_eq!(list(&path.join("blobs/sha256")), Vec::from_iter(blobs));
    assert_eq!(list(&path.join("layers/sha256")), Vec::from_iter(layers));
    assert_eq!(list(&path.join("drafts")), [""; 0]);
    let is_partial = |name: &String| name.starts_with("sha256-");
    let ingest = list(&path.join("ingest"));
    assert!(ingest.iter().all(is_partial), "{ingest:?}");
    assert!(!path.join("unsettled").exists());
    names.sort();
    names
}

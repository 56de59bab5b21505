//! A source in memory, whose content has names for assertions.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read};
use std::sync::Mutex;

use bytes::Bytes;
use serde_json::json;
use windlass_copy::{ContentSource, SourceError};
use windlass_layout::Artifact;
use windlass_oci::{Descriptor, Digest, Tag};
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, PackedIndex, descriptor};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The documents and blobs of images and artifacts, in memory.
#[derive(Debug, Default)]
pub(crate) struct MemorySource {
    content: BTreeMap<Digest, Bytes>,
    names: BTreeMap<Digest, String>,
    referrers: BTreeMap<Digest, Vec<Artifact>>,
    requested: Mutex<Vec<Digest>>,
}

impl MemorySource {
    /// Adds an image; its config and its layers are named after it.
    pub(crate) fn image(&mut self, name: &str, image: &PackedImage) -> Descriptor {
        self.blob(&format!("{name} config"), image.config.clone());
        for layer in &image.layers {
            self.blob(&format!("{name} layer"), layer.bytes.clone());
        }
        let root = self.document(name, image.manifest.clone(), &image.media_type);
        assert_eq!(root.digest, image.digest);
        root
    }

    /// Adds an index without its manifests.
    pub(crate) fn index(&mut self, name: &str, index: &PackedIndex) -> Descriptor {
        self.document(name, index.bytes.clone(), &index.media_type)
    }

    /// Adds an artifact with one blob. The subject lists it as a referrer.
    pub(crate) fn artifact(&mut self, name: &str, subject: &Descriptor) -> Descriptor {
        let blob = Bytes::from(format!("content of {name}"));
        let layer = descriptor("text/plain", Digest::sha256(&blob), blob.len() as u64);
        let config = Bytes::from_static(b"{}");
        let config = descriptor(
            "application/vnd.oci.empty.v1+json",
            self.blob("empty config", config),
            2,
        );
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/example",
            "config": config,
            "layers": [layer],
            "subject": descriptor(subject.media_type.as_str(), subject.digest, subject.size),
        });
        self.blob(&format!("{name} blob"), blob);
        let root = self.document(name, Bytes::from(manifest.to_string()), MANIFEST);
        self.list(subject, root.clone(), None);
        root
    }

    /// Lists `root` as an artifact of `subject`.
    pub(crate) fn list(&mut self, subject: &Descriptor, root: Descriptor, tag: Option<Tag>) {
        let listed = self.referrers.entry(subject.digest).or_default();
        listed.push(Artifact { root, tag });
    }

    pub(crate) fn document(&mut self, name: &str, bytes: Bytes, media_type: &str) -> Descriptor {
        let size = bytes.len() as u64;
        let digest = self.blob(name, bytes);
        serde_json::from_value(descriptor(media_type, digest, size)).unwrap()
    }

    pub(crate) fn blob(&mut self, name: &str, bytes: Bytes) -> Digest {
        let digest = Digest::sha256(&bytes);
        self.content.insert(digest, bytes);
        self.names.insert(digest, name.to_owned());
        digest
    }

    /// Removes content, but not its name.
    pub(crate) fn remove(&mut self, digest: &Digest) {
        self.content.remove(digest).unwrap();
    }

    /// Replaces content, or removes it, under the same digest.
    pub(crate) fn replace(&mut self, digest: &Digest, content: Option<&'static str>) {
        match content {
            Some(content) => self
                .content
                .insert(*digest, Bytes::from_static(content.as_bytes())),
            None => self.content.remove(digest),
        };
    }

    /// Removes the content whose name does not satisfy `keep`.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        let names = &self.names;
        self.content.retain(|digest, _| keep(&names[digest]));
    }

    pub(crate) fn name(&self, digest: &Digest) -> &str {
        &self.names[digest]
    }

    /// Returns the names of `digests`, sorted.
    pub(crate) fn names<'a>(&self, digests: impl IntoIterator<Item = &'a Digest>) -> Vec<&str> {
        let names: BTreeSet<_> = digests.into_iter().map(|it| self.name(it)).collect();
        names.into_iter().collect()
    }

    /// Returns the documents that were requested, in order.
    pub(crate) fn requested(&self) -> Vec<&str> {
        let requested = self.requested.lock().unwrap();
        requested.iter().map(|digest| self.name(digest)).collect()
    }
}

impl ContentSource for MemorySource {
    fn document(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, SourceError> {
        self.requested.lock().unwrap().push(descriptor.digest);
        Ok(self.content.get(&descriptor.digest).map(|it| it.to_vec()))
    }

    fn open(&self, blob: &Descriptor, position: u64) -> io::Result<Box<dyn Read + Send + '_>> {
        let bytes = self.content.get(&blob.digest);
        let mut reader = Cursor::new(bytes.ok_or(io::ErrorKind::NotFound)?);
        reader.set_position(position);
        Ok(Box::new(reader))
    }

    fn has(&self, blob: &Descriptor) -> bool {
        self.content.contains_key(&blob.digest)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Artifact>, SourceError> {
        Ok(self.referrers.get(subject).cloned().unwrap_or_default())
    }
}

/// Returns an image for `platform` with one layer of its own.
pub(crate) fn image_for(platform: &str) -> PackedImage {
    ImageBuilder::new()
        .platform(platform)
        .layer(LayerBuilder::new().file("platform", platform.as_bytes()))
        .pack()
}

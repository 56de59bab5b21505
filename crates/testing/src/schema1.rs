//! Builds images in Docker's manifest schema 1, signed as Docker did.

mod sign;

use bytes::Bytes;
use serde::Serialize as _;
use serde_json::{Value, json};
use windlass_oci::Digest;

use crate::PackedLayer;
use crate::image::host_architecture;

const MEDIA_TYPE: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
/// Docker's compressed empty tar: the layer of every step without a layer.
const EMPTY_LAYER: [u8; 32] = [
    31, 139, 8, 0, 0, 9, 110, 136, 0, 255, 98, 24, 5, 163, 96, 20, 140, 88, 0, 8, 0, 0, 255, 255,
    46, 175, 181, 239, 0, 4, 0, 0,
];

/// Builds an image of schema 1 from its steps, base first.
///
/// ```
/// use windlass_testing::{LayerBuilder, Registry, Schema1Builder};
///
/// let registry = Registry::start();
/// let image = Schema1Builder::new("app", "1")
///     .layer(LayerBuilder::of_size(100)).created_by("/bin/sh -c make")
///     .empty_step("/bin/sh -c #(nop) CMD [\"/app\"]");
/// let image = registry.push_schema1(image, "app:1");
/// assert_ne!(image.digest, windlass_oci::Digest::sha256(&image.bytes));
/// ```
///
/// [`step`](Self::step) changes the description of a step (`v1Compatibility`), [`document`](Self::document) the
/// signed document, and [`flaw`](Self::flaw), [`header`](Self::header) and [`protected`](Self::protected) the
/// signature.
#[derive(Clone, Debug)]
pub struct Schema1Builder {
    name: String,
    tag: String,
    config: Value,
    layers: Vec<PackedLayer>,
    steps: Vec<HistoryStep>,
    document_edits: Vec<JsonEdit>,
    signing: sign::SignatureOptions,
}

/// An image of schema 1 as a registry stores it.
#[derive(Clone, Debug)]
pub struct PackedSchema1 {
    /// The signed document, exactly as served.
    pub bytes: Bytes,
    /// The signed content: the document without its signatures.
    pub payload: Bytes,
    /// The digest of `payload`, under which the document is served.
    pub digest: Digest,
    /// The document's media type.
    pub media_type: String,
    /// The layers, base first, one for each step: steps without a layer have Docker's empty one.
    pub layers: Vec<PackedLayer>,
    /// The steps' IDs, base first.
    pub ids: Vec<String>,
}

/// A flaw of the signature or the document, which clients must reject or ignore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema1Flaw {
    /// There are no signatures.
    Unsigned,
    /// The list of signatures is empty.
    NoSignatures,
    /// One bit of the signature is wrong.
    WrongSignature,
    /// The key in the header is not the one that signed.
    OtherKey,
    /// The key ID does not match the key in the header.
    OtherKeyId,
    /// The first layer's digest was changed after signing.
    Tampered,
    /// Other layers follow the signed part: a second `fsLayers` (CVE-2014-8179, T18).
    UnsignedLayers,
    /// The signed tail is more than a closing brace: it contains other layers, which are not in the document.
    LayersInTail,
    /// The length of the signed part exceeds the document.
    LongerThanItIs,
    /// The algorithm is `none`.
    NoAlgorithm,
}

/// A change to a document before it is serialized.
type JsonEdit = fn(&mut Value);

#[derive(Clone, Debug)]
struct HistoryStep {
    blob: Digest,
    compatibility: Value,
}

impl Schema1Builder {
    /// Starts an image named `name:tag` without steps, for this machine, in the format of Docker 1.10.
    pub fn new(name: &str, tag: &str) -> Self {
        Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
            config: json!({
                "architecture": host_architecture(),
                "os": "linux",
                "docker_version": "1.10.3",
                "config": { "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
            }),
            layers: Vec::new(),
            steps: Vec::new(),
            document_edits: Vec::new(),
            signing: sign::SignatureOptions::default(),
        }
    }

    /// Adds a layer on top.
    #[must_use]
    pub fn layer(self, layer: impl Into<PackedLayer>) -> Self {
        let layer = layer.into();
        let size = json!({ "Size": layer.size });
        self.put(layer, "layer", &size)
    }

    /// Adds a step without a layer (`throwaway`).
    #[must_use]
    pub fn empty_step(self, command: &str) -> Self {
        self.put(empty_layer(), command, &json!({ "throwaway": true }))
    }

    /// Sets the command of the last step (`container_config.Cmd`).
    ///
    /// # Panics
    /// If there is no step.
    #[must_use]
    pub fn created_by(self, command: &str) -> Self {
        let words: Vec<&str> = command.split(' ').collect();
        self.step(|step| step["container_config"]["Cmd"] = json!(words))
    }

    /// Changes the description of the last step: its ID, its parent, anything.
    ///
    /// # Panics
    /// If there is no step.
    #[must_use]
    pub fn step(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let last = self.steps.last_mut().expect("a step was added before");
        edit(&mut last.compatibility);
        self
    }

    /// Sets the version of Docker in the config. Before 1.8.3 image IDs were computed differently (S1-6).
    #[must_use]
    pub fn docker_version(self, version: &str) -> Self {
        self.config(|config| config["docker_version"] = json!(version))
    }

    /// Changes the config, which is part of the top step.
    #[must_use]
    pub fn config(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.config);
        self
    }

    /// Changes the document before it is signed.
    #[must_use]
    pub fn document(mut self, edit: JsonEdit) -> Self {
        self.document_edits.push(edit);
        self
    }

    /// Adds a flaw.
    #[must_use]
    pub fn flaw(mut self, flaw: Schema1Flaw) -> Self {
        self.signing.flaw = Some(flaw);
        self
    }

    /// Changes the signature's header, which is not signed.
    #[must_use]
    pub fn header(mut self, edit: JsonEdit) -> Self {
        self.signing.header_edits.push(edit);
        self
    }

    /// Changes the signature's protected header (`formatLength`, `formatTail`, `time`) before it is signed.
    #[must_use]
    pub fn protected(mut self, edit: JsonEdit) -> Self {
        self.signing.protected_edits.push(edit);
        self
    }

    /// Signs the image with a new key, so that the signature is different each time.
    pub fn pack(&self) -> PackedSchema1 {
        let compatibilities = self.compatibilities();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let ids = compatibilities.iter().map(|it| text(&it["id"])).collect();
        let blobs = self
            .steps
            .iter()
            .map(|step| json!({ "blobSum": step.blob }));
        let history = compatibilities
            .iter()
            .map(|it| json!({ "v1Compatibility": it.to_string() }));
        let mut document = json!({
            "schemaVersion": 1,
            "name": self.name,
            "tag": self.tag,
            "architecture": self.config["architecture"],
            "fsLayers": blobs.rev().collect::<Value>(),
            "history": history.rev().collect::<Value>(),
        });
        for edit in &self.document_edits {
            edit(&mut document);
        }
        let payload = pretty(&document);
        let bytes = self.signing.sign(&payload);
        PackedSchema1 {
            bytes: bytes.into(),
            digest: Digest::sha256(&payload),
            payload: payload.into(),
            media_type: MEDIA_TYPE.to_owned(),
            layers: self.layers.clone(),
            ids,
        }
    }

    fn put(mut self, layer: PackedLayer, command: &str, more: &Value) -> Self {
        let parent = self.steps.last().map(|it| it.compatibility["id"].clone());
        let number = self.steps.len();
        let seed = format!("{number} {} {parent:?}", layer.digest);
        let mut compatibility = json!({
            "id": hex(&Digest::sha256(seed.as_bytes())),
            "created": format!("2016-01-01T00:00:{:02}Z", number % 60),
            "container_config": { "Cmd": [command] },
        });
        if let Some(parent) = parent {
            compatibility["parent"] = parent;
        }
        merge(&mut compatibility, more);
        let blob = layer.digest;
        self.steps.push(HistoryStep {
            blob,
            compatibility,
        });
        self.layers.push(layer);
        self
    }

    /// Returns the descriptions of the steps, base first; the top one includes the config.
    fn compatibilities(&self) -> Vec<Value> {
        let steps = self.steps.iter();
        let mut all: Vec<Value> = steps.map(|step| step.compatibility.clone()).collect();
        if let Some(top) = all.last_mut() {
            merge(top, &self.config);
        }
        all
    }
}

impl From<Schema1Builder> for PackedSchema1 {
    fn from(image: Schema1Builder) -> Self {
        image.pack()
    }
}

impl From<&Schema1Builder> for PackedSchema1 {
    fn from(image: &Schema1Builder) -> Self {
        image.pack()
    }
}

impl From<&Self> for PackedSchema1 {
    fn from(image: &Self) -> Self {
        image.clone()
    }
}

/// Serializes JSON as Docker does: indented by three spaces.
fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"   ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    let written = value.serialize(&mut serializer);
    written.expect("a JSON value can be written to memory");
    bytes
}

/// Adds the members that `into` lacks.
fn merge(into: &mut Value, from: &Value) {
    let into = into.as_object_mut().expect("a step is an object");
    for (key, value) in from.as_object().into_iter().flatten() {
        into.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn empty_layer() -> PackedLayer {
    let tar = vec![0; 1024];
    let diff_id = windlass_oci::DiffId::new(Digest::sha256(&tar));
    PackedLayer::new(
        EMPTY_LAYER.to_vec(),
        diff_id,
        crate::BlobCompression::default(),
    )
}

fn hex(digest: &Digest) -> String {
    let text = digest.to_string();
    let (_, hex) = text.split_once(':').expect("a digest names its algorithm");
    hex.to_owned()
}

#[cfg(test)]
mod tests;

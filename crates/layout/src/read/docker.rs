//! Docker archives: `manifest.json` lists configs and layers by their paths, and there are no manifests.
//!
//! One is made for each image: an OCI manifest of the config's and the layers' exact bytes, so that the image ID is
//! the one it had.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _};

use serde::Deserialize;
use serde_json::json;
use windlass_oci::{
    Algorithm, Descriptor, DiffId, Digest, Hasher, ImageConfig, LayerEncoding, MAX_CONFIG_SIZE,
    MAX_INDEX_ENTRIES, MAX_LAYERS, MediaType, Reference,
};

use super::{LARGEST_LIST, Layout, LayoutEntry, MANIFEST, descriptor, prove};
use crate::contents::Contents;
use crate::detect_encoding;
use crate::error::{LayoutDefect, LayoutError};
use crate::extent::FileSection;
use crate::kind::LayoutKind;
use crate::path::InnerPath;

/// An image, as the list has it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "windlass_oci::json::bounded_list::<_, MAX_LAYERS, _>"
    )]
    layers: Vec<String>,
}

/// The list.
#[derive(Deserialize)]
struct List(
    #[serde(deserialize_with = "windlass_oci::json::bounded_list::<_, MAX_INDEX_ENTRIES, _>")]
    Vec<Listed>,
);

/// The blobs that were looked at.
struct Blobs<'a> {
    contents: &'a Contents,
    /// By path: the descriptor of a config, and what it says. Many names may be listed with one.
    configs: HashMap<InnerPath, (Descriptor, Vec<DiffId>)>,
    places: HashMap<Digest, InnerPath>,
    /// By path: many images share their layers.
    seen: HashMap<InnerPath, Descriptor>,
}

const KEYS: &[&str] = &["Config", "RepoTags", "Layers"];

pub(super) fn read(contents: Contents) -> Result<Layout, LayoutError> {
    let path = InnerPath::of_name(MANIFEST);
    let bytes = contents.read(&path, LARGEST_LIST)?;
    let List(listed) = windlass_oci::json::parse(&bytes, KEYS).map_err(|source| {
        let path = path.shown();
        LayoutDefect::Json { path, source }
    })?;
    let mut blobs = Blobs {
        contents: &contents,
        configs: HashMap::new(),
        places: HashMap::new(),
        seen: HashMap::new(),
    };
    let mut entries: Vec<LayoutEntry> = Vec::new();
    let (mut made, mut places) = (HashMap::new(), HashMap::new());
    for image in listed {
        let manifest = blobs.manifest(&image)?;
        let root = descriptor(MediaType::OciManifest, &manifest);
        let names = image.repo_tags.unwrap_or_default();
        let names = names
            .iter()
            .filter_map(|name| name.parse::<Reference>().ok());
        let names = names.map(|name| name.without_digest().or_latest());
        let at = *places.entry(root.digest).or_insert(entries.len());
        if at == entries.len() {
            made.insert(root.digest, manifest);
            let (names, ref_names) = (Vec::new(), Vec::new());
            entries.push(LayoutEntry {
                root,
                names,
                ref_names,
            });
        }
        entries[at].names.extend(names);
    }
    let places = blobs.places;
    Ok(Layout {
        kind: LayoutKind::DockerArchive,
        contents,
        entries,
        made,
        artifacts: HashMap::new(),
        places,
    })
}

impl Blobs<'_> {
    /// Makes the manifest of an image.
    fn manifest(&mut self, image: &Listed) -> Result<Vec<u8>, LayoutError> {
        let path = inner_path(&image.config)?;
        let (descriptor, diff_ids) = match self.configs.get(&path) {
            Some(known) => known.clone(),
            None => self.config(&path)?,
        };
        let layers = &image.layers;
        if diff_ids.len() != layers.len() {
            return Err(LayoutError::Defect(LayoutDefect::LayerCount {
                path: path.shown(),
                diff_ids: diff_ids.len(),
                layers: layers.len(),
            }));
        }
        let layers: Vec<_> = (layers.iter().zip(&diff_ids))
            .map(|(layer, diff_id)| self.layer(layer, diff_id))
            .collect::<Result<_, _>>()?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OciManifest.as_str(),
            "config": descriptor,
            "layers": layers,
        });
        Ok(manifest.to_string().into_bytes())
    }

    /// Reads the config at `path`.
    fn config(&mut self, path: &InnerPath) -> Result<(Descriptor, Vec<DiffId>), LayoutError> {
        let bytes = self.contents.read(path, MAX_CONFIG_SIZE)?;
        if let Some(digest) = path.claimed_digest() {
            prove(path, digest, &bytes)?;
        }
        let config = ImageConfig::parse(&bytes).map_err(|source| {
            let path = path.shown();
            LayoutDefect::Config { path, source }
        })?;
        let descriptor = descriptor(MediaType::OciConfig, &bytes);
        self.places.insert(descriptor.digest, path.clone());
        let known = (descriptor, config.rootfs.diff_ids);
        self.configs.insert(path.clone(), known.clone());
        Ok(known)
    }

    /// Describes the layer at `path`. What a plain tar hashes to is its diff ID, if the config is right; whoever
    /// reads it will see. A compressed one is read through, unless its name says what it hashes to.
    fn layer(&mut self, path: &str, diff_id: &DiffId) -> Result<Descriptor, LayoutError> {
        let path = inner_path(path)?;
        if let Some(seen) = self.seen.get(&path) {
            return Ok(seen.clone());
        }
        let extent = self.contents.get(&path)?;
        let encoding = detect_encoding(&mut extent.read_from(0))?;
        let digest = match (path.claimed_digest(), encoding) {
            (Some(digest), _) => digest,
            (None, LayerEncoding::Plain) => *diff_id.digest(),
            (None, _) => hash(&extent)?,
        };
        let layer = Descriptor {
            media_type: MediaType::OciLayer(encoding),
            digest,
            size: extent.size(),
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        };
        self.places.insert(digest, path.clone());
        self.seen.insert(path, layer.clone());
        Ok(layer)
    }
}

fn inner_path(text: &str) -> Result<InnerPath, LayoutError> {
    let none = || LayoutDefect::Path {
        path: windlass_oci::text::sanitize(text),
    };
    Ok(InnerPath::parse(text.as_bytes())?.ok_or_else(none)?)
}

fn hash(extent: &FileSection) -> Result<Digest, LayoutError> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut reader = extent.read_from(0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(LayoutError::io("read it")(error)),
        }
    }
}

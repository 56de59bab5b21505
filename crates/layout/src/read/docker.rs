//! Reads Docker archives: `manifest.json` lists configs and layers by path, and there are no image manifests.
//!
//! An OCI manifest is generated for each image. It refers to the unchanged config and layers, so the image keeps its
//! ID.

use std::collections::HashMap;
use std::io::{self, Read as _};

use serde::Deserialize;
use serde_json::json;
use windlass_archive::UnpackError;
use windlass_oci::{
    Algorithm, Descriptor, DiffId, Digest, Hasher, ImageConfig, LayerEncoding, MAX_CONFIG_SIZE,
    MAX_INDEX_ENTRIES, MAX_LAYERS, MediaType, Reference,
};

use super::document::{MAX_LIST_SIZE, descriptor, verify_digest};
use super::entry::{LayoutEntry, tagged_name};
use super::file_name::MANIFEST;
use super::layout::Layout;
use super::merge::AssignedNames;
use super::options::StoredLayer;
use crate::contents::LayoutContents;
use crate::detect_encoding;
use crate::error::{LayoutDefect, LayoutError};
use crate::path::InnerPath;
use crate::section::FileSection;

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListedImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(
        default,
        deserialize_with = "windlass_oci::json::bounded_list::<_, MAX_LAYERS, _>"
    )]
    layers: Vec<String>,
}

/// The content of `manifest.json`.
#[derive(Deserialize)]
struct ImageList(
    #[serde(deserialize_with = "windlass_oci::json::bounded_list::<_, MAX_INDEX_ENTRIES, _>")]
    Vec<ListedImage>,
);

/// The configs and layers that have been read.
struct BlobReader<'a> {
    contents: &'a LayoutContents,
    stored_layer: StoredLayer<'a>,
    /// The descriptors and diff IDs of configs, by path. Several images may have the same config.
    configs: HashMap<InnerPath, (Descriptor, Vec<DiffId>)>,
    /// The paths of the configs and layers, by digest.
    paths: HashMap<Digest, InnerPath>,
    /// The descriptors of layers, by path. Images often share layers.
    layers: HashMap<InnerPath, Descriptor>,
}

/// The field names of `manifest.json`.
const KEYS: &[&str] = &["Config", "RepoTags", "Layers"];

impl Layout {
    /// Adds the images of `manifest.json` to the list. An image that is listed already only gets their names.
    pub(super) fn add_docker_images(
        &mut self,
        stored_layer: StoredLayer<'_>,
    ) -> Result<(), LayoutError> {
        let listed = read_list(&self.contents)?;
        let listed_configs = self.listed_configs();
        let (mut entries, mut indexes) = (Vec::new(), HashMap::new());
        let (mut generated, mut names) = (HashMap::new(), Vec::new());
        let mut blobs = BlobReader::new(&self.contents, stored_layer);
        for image in listed {
            let image_names = image.names();
            let config = blobs.config_digest(&image)?;
            if let Some(positions) = listed_configs.get(&config) {
                let positions = positions.clone();
                names.push(AssignedNames {
                    positions,
                    config,
                    names: image_names,
                });
                continue;
            }
            let manifest = blobs.manifest(&image)?;
            let root = descriptor(MediaType::OciManifest, &manifest);
            let index = *indexes.entry(root.digest).or_insert(entries.len());
            if index == entries.len() {
                generated.insert(root.digest, manifest);
                entries.push(LayoutEntry::unnamed(root));
            }
            let positions = vec![self.entries.len() + index];
            names.push(AssignedNames {
                positions,
                config,
                names: image_names,
            });
        }
        self.blob_paths = blobs.paths;
        self.generated = generated;
        self.entries.extend(entries);
        for names in names {
            self.assign(names);
        }
        Ok(())
    }
}

fn read_list(contents: &LayoutContents) -> Result<Vec<ListedImage>, LayoutError> {
    let path = InnerPath::of_name(MANIFEST);
    let bytes = contents.read(&path, MAX_LIST_SIZE)?;
    let ImageList(listed) = windlass_oci::json::parse(&bytes, KEYS).map_err(|source| {
        let path = path.sanitized();
        LayoutDefect::Json { path, source }
    })?;
    Ok(listed)
}

impl ListedImage {
    /// Returns the valid names with a tag.
    fn names(&self) -> Vec<Reference> {
        let names = self.repo_tags.iter().flatten();
        let names = names.filter_map(|name| name.parse::<Reference>().ok());
        names.filter_map(tagged_name).collect()
    }
}

impl<'a> BlobReader<'a> {
    fn new(contents: &'a LayoutContents, stored_layer: StoredLayer<'a>) -> Self {
        Self {
            contents,
            stored_layer,
            configs: HashMap::new(),
            paths: HashMap::new(),
            layers: HashMap::new(),
        }
    }

    /// Returns the digest of the config of an image. It is not verified if it is taken from the path.
    fn config_digest(&mut self, image: &ListedImage) -> Result<Digest, LayoutError> {
        let path = inner_path(&image.config)?;
        match path.claimed_digest() {
            Some(digest) => Ok(digest),
            None => Ok(self.config(&path)?.0.digest),
        }
    }

    /// Generates the manifest of an image.
    fn manifest(&mut self, image: &ListedImage) -> Result<Vec<u8>, LayoutError> {
        let path = inner_path(&image.config)?;
        let (descriptor, diff_ids) = self.config(&path)?;
        let layers = &image.layers;
        if diff_ids.len() != layers.len() {
            return Err(LayoutError::Defect(LayoutDefect::LayerCount {
                path: path.sanitized(),
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

    /// Reads the config at `path`. Returns its descriptor and diff IDs.
    fn config(&mut self, path: &InnerPath) -> Result<(Descriptor, Vec<DiffId>), LayoutError> {
        if let Some(config) = self.configs.get(path) {
            return Ok(config.clone());
        }
        let bytes = self.contents.read(path, MAX_CONFIG_SIZE)?;
        if let Some(digest) = path.claimed_digest() {
            verify_digest(path, digest, &bytes)?;
        }
        let config = ImageConfig::parse(&bytes).map_err(|source| {
            let path = path.sanitized();
            LayoutDefect::Config { path, source }
        })?;
        let descriptor = descriptor(MediaType::OciConfig, &bytes);
        self.paths.insert(descriptor.digest, path.clone());
        let config = (descriptor, config.rootfs.diff_ids);
        self.configs.insert(path.clone(), config.clone());
        Ok(config)
    }

    /// Returns the descriptor of the layer at `path`. The digest of an uncompressed layer is its diff ID; it is
    /// verified when the layer is read. A compressed layer is hashed here unless its name contains the digest. A layer that
    /// is not in the archive is that of the store, if it has it.
    fn layer(&mut self, path: &str, diff_id: &DiffId) -> Result<Descriptor, LayoutError> {
        let path = inner_path(path)?;
        if let Some(layer) = self.layers.get(&path) {
            return Ok(layer.clone());
        }
        let section = match self.contents.find(&path)? {
            Some(section) => section,
            None => match (self.stored_layer)(diff_id) {
                Some(stored) => return Ok(stored),
                None => self.contents.get(&path)?,
            },
        };
        let encoding = detect_encoding(&mut section.read_from(0));
        let encoding = encoding.map_err(|error| unsupported_layer(&path, error))?;
        let digest = match (path.claimed_digest(), encoding) {
            (Some(digest), _) => digest,
            (None, LayerEncoding::Plain) => *diff_id.digest(),
            (None, _) => hash(&section)?,
        };
        let layer = Descriptor::new(MediaType::OciLayer(encoding), digest, section.size());
        self.paths.insert(digest, path.clone());
        self.layers.insert(path, layer.clone());
        Ok(layer)
    }
}

/// Adds the path of a layer to the error that its compression is not supported.
fn unsupported_layer(path: &InnerPath, error: LayoutError) -> LayoutError {
    match error {
        LayoutError::Tar(source @ UnpackError::UnsupportedCompression { .. }) => {
            let path = path.sanitized();
            LayoutDefect::Layer { path, source }.into()
        }
        error => error,
    }
}

fn inner_path(text: &str) -> Result<InnerPath, LayoutError> {
    let invalid = || LayoutDefect::Path {
        path: windlass_oci::text::sanitize(text),
    };
    Ok(InnerPath::parse(text.as_bytes())?.ok_or_else(invalid)?)
}

fn hash(section: &FileSection) -> Result<Digest, LayoutError> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut reader = section.read_from(0);
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

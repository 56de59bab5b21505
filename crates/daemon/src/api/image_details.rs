//! Details of images from their configs and manifests. These never change, so they are read once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};
use windlass::Engine;
use windlass::error::StoreError;
use windlass::image::{Digest, ImageId, ImageName, ImageSummary};
use windlass_docker_api::OciDescriptor;

use super::container_config;
use super::values::{NO_SECONDS, seconds};

/// Details from the config and the manifest or index of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageDetails {
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) comment: String,
    pub(crate) author: String,
    pub(crate) docker_version: String,
    pub(crate) os_version: Option<String>,
    /// The variant of the architecture, not normalized.
    pub(crate) variant: Option<String>,
    /// When the image was created, in seconds since 1970.
    pub(crate) created: i64,
    /// The diff IDs of the layers, base first.
    pub(crate) layers: Vec<String>,
    /// The container configuration; each field has the type that Docker's clients require.
    pub(crate) config: Map<String, Value>,
    pub(crate) descriptor: Option<OciDescriptor>,
}

/// Details by image, and by the manifest or index that it was pulled as.
#[derive(Debug, Default)]
pub(crate) struct ImageDetailsCache(Mutex<HashMap<(ImageId, Digest), Arc<ImageDetails>>>);

/// How many images are cached.
const CAPACITY: usize = 4096;

impl ImageDetailsCache {
    /// Returns the details of `image`, from the cache or from its documents.
    pub(crate) fn of(
        &self,
        engine: &Engine,
        image: &ImageSummary,
    ) -> Result<Arc<ImageDetails>, StoreError> {
        let key = (image.id, image.target);
        if let Some(details) = self.entries().get(&key) {
            return Ok(Arc::clone(details));
        }
        let details = Arc::new(ImageDetails::read(engine, image)?);
        let mut entries = self.entries();
        if entries.len() == CAPACITY {
            entries.clear();
        }
        entries.insert(key, Arc::clone(&details));
        Ok(details)
    }

    /// Returns the details of `image` for a list. An image whose documents are damaged is listed with what its record
    /// contains; one that was removed meanwhile is left out.
    pub(crate) fn of_listed(
        &self,
        engine: &Engine,
        image: &ImageSummary,
    ) -> Option<Arc<ImageDetails>> {
        let error = match self.of(engine, image) {
            Ok(details) => return Some(details),
            Err(error) => error,
        };
        if let Err(StoreError::Find(_)) = engine.image(&ImageName::Id(image.id)) {
            return None;
        }
        let cause = windlass::text::error_chain(&error);
        tracing::warn!(id = %image.id, error = %cause, "the documents of an image are damaged: it is listed without details");
        Some(Arc::new(ImageDetails {
            created: created(image),
            ..ImageDetails::default()
        }))
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<(ImageId, Digest), Arc<ImageDetails>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ImageDetails {
    fn read(engine: &Engine, image: &ImageSummary) -> Result<Self, StoreError> {
        let config = engine.read_document(image.id.digest())?;
        let mut details = Self::of_config(&config);
        details.created = created(image);
        let target = engine.read_document(&image.target)?;
        details.descriptor = Some(descriptor(&image.target, &target));
        Ok(details)
    }

    /// Parses a config. Fields of an unexpected type are left out.
    fn of_config(config: &[u8]) -> Self {
        let document: Value = serde_json::from_slice(config).unwrap_or_default();
        let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        let run = match document.get("config") {
            Some(Value::Object(run)) => container_config::typed(run),
            _ => Map::new(),
        };
        let history = document.get("history").and_then(Value::as_array);
        let last = history.and_then(|steps| steps.last());
        let comment = last.and_then(|step| step.get("comment")?.as_str());
        let layers = document
            .pointer("/rootfs/diff_ids")
            .and_then(Value::as_array);
        let layers = layers.into_iter().flatten().filter_map(Value::as_str);
        Self {
            labels: run.get("Labels").and_then(Value::as_object).map(labels),
            comment: text("comment")
                .or(comment.map(str::to_owned))
                .unwrap_or_default(),
            author: text("author").unwrap_or_default(),
            docker_version: text("docker_version").unwrap_or_default(),
            os_version: text("os.version"),
            variant: text("variant").filter(|variant| !variant.is_empty()),
            created: 0,
            layers: layers.map(str::to_owned).collect(),
            config: run,
            descriptor: None,
        }
    }
}

/// Returns when the image was created, in seconds since 1970. Docker's CLI prints `N/A` for an unknown time.
fn created(image: &ImageSummary) -> i64 {
    let created = image.created.as_deref().and_then(seconds);
    created.unwrap_or(NO_SECONDS)
}

fn labels(labels: &Map<String, Value>) -> BTreeMap<String, String> {
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.iter().filter_map(pair).collect()
}

pub(super) fn descriptor(digest: &Digest, bytes: &[u8]) -> OciDescriptor {
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let media_type = document.get("mediaType").and_then(Value::as_str);
    let is_index = document.get("manifests").is_some();
    let usual = match is_index {
        true => "application/vnd.oci.image.index.v1+json",
        false => "application/vnd.oci.image.manifest.v1+json",
    };
    OciDescriptor {
        media_type: media_type.unwrap_or(usual).to_owned(),
        digest: digest.to_string(),
        size: bytes.len().try_into().unwrap_or(i64::MAX),
        platform: None,
        annotations: BTreeMap::new(),
    }
}

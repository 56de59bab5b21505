//! Imports a tar as an image with one layer.

mod change;
mod source;

use std::io::{self, Read};

use serde_json::json;
use windlass_archive::{Compression, Ownership, UnpackError};
use windlass_copy::{CopyContext, CopyEvent};
use windlass_oci::{Descriptor, Digest, ImageId, LayerEncoding, MediaType, Platform, Reference};
use windlass_operation::{Cancelled, Operation};
use windlass_pull::{ExpectedLayer, LocalLayer, LocalLayerError, unpack_local_layer};
use windlass_store::{
    BlobSource, CommitError, FindError, LayerSource, NewImage, NewLayer, PutError, ReadError,
};

use crate::engine::Engine;
use crate::load::{Loaded, MovedName};

pub use change::{ChangeError, ChangeProblem, ContainerConfig, Healthcheck};
pub use source::ImportSource;

/// Options of [`Engine::import`].
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The name of the image, if any: with a tag or `latest`, without a digest.
    pub name: Option<Reference>,
    /// The platform.
    pub platform: Platform,
    /// The configuration of its containers.
    pub config: ContainerConfig,
    /// The time of creation, in the form of RFC 3339.
    pub created: String,
    /// A comment for its history.
    pub comment: String,
    /// The maximum size of the tar in bytes, as received.
    pub limit: Option<u64>,
}

/// Why no image was made. Nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The source is empty.
    #[error("the source is empty: it is not even an empty tar")]
    Empty,
    /// The source exceeds the limit.
    #[error("it is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The compression is not supported for layers.
    #[error(
        "it is compressed with {name}, and a layer can only be plain, or compressed with gzip or zstd"
    )]
    Compression {
        /// The compression.
        name: &'static str,
    },
    /// The tar is not a valid layer.
    #[error(transparent)]
    Layer(Box<LocalLayerError>),
    /// A name with a digest determines the content of the image.
    #[error("{name} has a digest, and cannot be used as a name")]
    Digest {
        /// The name.
        name: String,
    },
    /// The store could not be searched.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A document could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A document could not be stored.
    #[error(transparent)]
    Put(#[from] PutError),
    /// The image could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The import was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Reads the source until the work is cancelled or the limit is exceeded, and sends an event for the bytes of each read.
struct SourceReader<'a> {
    from: Box<dyn Read + Send + 'a>,
    /// The digest that events have for the blob; its own is known at the end only.
    digest: Digest,
    context: &'a CopyContext,
    read: u64,
    limit: u64,
}

/// The documents of an image.
struct Documents {
    config: Vec<u8>,
    manifest: Vec<u8>,
}

impl From<Cancelled> for ImportError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Engine {
    /// Makes an image of a tar: one layer, whose blob is the tar byte for byte, plain or compressed with gzip or zstd.
    ///
    /// The image and its name appear together, or not at all. An empty tar is an empty layer; a source without any
    /// bytes is rejected, because a failed producer leaves such a source. In events, the blob has the digest of an empty
    /// blob, since its own is known at the end only.
    pub fn import(
        &self,
        source: ImportSource,
        options: ImportOptions,
    ) -> Operation<CopyEvent, Loaded, ImportError> {
        self.operation(move |engine, context| engine.import_tar(source, &options, context))
    }

    fn import_tar(
        &self,
        source: ImportSource,
        options: &ImportOptions,
        context: &CopyContext,
    ) -> Result<Loaded, ImportError> {
        if let Some(name) = options.name.as_ref().filter(|name| name.digest().is_some()) {
            let name = name.familiar();
            return Err(ImportError::Digest { name });
        }
        let digest = Digest::sha256(b"");
        if let Some(size) = source.size() {
            context.send(CopyEvent::Planned(vec![(digest, size)]));
        }
        let mut reader = SourceReader {
            from: source.reader(context),
            digest,
            context,
            read: 0,
            limit: options.limit.unwrap_or(u64::MAX),
        };
        let ownership = Ownership::for_current_process();
        let layer = unpack_local_layer(
            &self.store,
            &mut reader,
            ExpectedLayer::default(),
            ownership,
        );
        let layer = layer.map_err(|error| reader.import_error(error))?;
        if reader.read == 0 {
            return Err(ImportError::Empty);
        }
        context.begin_commit()?;
        self.store_import(layer, options)
    }

    fn store_import(
        &self,
        layer: LocalLayer,
        options: &ImportOptions,
    ) -> Result<Loaded, ImportError> {
        let documents = Documents::of(&layer, options);
        let [id, manifest] = [&documents.config, &documents.manifest].map(Digest::sha256);
        let image_id = ImageId::new(id);
        let is_new = !self.has_image(image_id)?;
        let image = NewImage {
            config: self.put_document::<ImportError>(&id, &documents.config)?,
            manifest: self.put_document::<ImportError>(&manifest, &documents.manifest)?,
            indexes: Vec::new(),
            artifacts: Vec::new(),
            layers: vec![NewLayer {
                digest: *layer.blob.digest(),
                size: layer.blob.size(),
                layer: LayerSource::New(layer.layer),
                blob: Some(BlobSource::New(layer.blob)),
            }],
            reference: None,
        };
        let name = options.name.clone().map(Reference::or_latest);
        let committed = match &name {
            Some(name) => self.store.commit_as(&image, name)?,
            None => self.store.commit(&image)?,
        };
        let moved = name.clone().zip(committed.tag_taken_from);
        Ok(Loaded {
            image_id,
            manifest,
            platform: options.platform.clone(),
            names: name.into_iter().collect(),
            moved: moved
                .map(|(name, from)| MovedName { name, from })
                .into_iter()
                .collect(),
            is_new,
        })
    }
}

impl Documents {
    fn of(layer: &LocalLayer, options: &ImportOptions) -> Self {
        let Platform {
            os,
            architecture,
            variant,
            os_version,
            ..
        } = &options.platform;
        let mut config = json!({
            "created": options.created,
            "os": os,
            "architecture": architecture,
            "config": options.config,
            "rootfs": { "type": "layers", "diff_ids": [layer.diff_id.to_string()] },
            "history": [{ "created": options.created, "comment": options.comment }],
        });
        for (key, word) in [("variant", variant), ("os.version", os_version)] {
            if let Some(word) = word {
                config[key] = word.as_str().into();
            }
        }
        let config = config.to_string().into_bytes();
        let encoding = match layer.compression {
            Compression::Plain => LayerEncoding::Plain,
            Compression::Gzip => LayerEncoding::Gzip,
            Compression::Zstd => LayerEncoding::Zstd,
        };
        let (digest, size) = (Digest::sha256(&config), config.len() as u64);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OciManifest.as_str(),
            "config": Descriptor::new(MediaType::OciConfig, digest, size),
            "layers": [Descriptor::new(
                MediaType::OciLayer(encoding),
                *layer.blob.digest(),
                layer.blob.size(),
            )],
        });
        Self {
            config,
            manifest: manifest.to_string().into_bytes(),
        }
    }
}

impl SourceReader<'_> {
    /// Returns the reason why reading or unpacking failed.
    fn import_error(&self, error: LocalLayerError) -> ImportError {
        if self.context.is_cancelled() {
            return ImportError::Cancelled;
        }
        if self.read > self.limit {
            let limit = self.limit;
            return ImportError::TooLarge { limit };
        }
        match error {
            LocalLayerError::Unpack(UnpackError::UnsupportedCompression { name }) => {
                ImportError::Compression { name }
            }
            error => ImportError::Layer(Box::new(error)),
        }
    }
}

impl Read for SourceReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Readers repeat after `Interrupted`, so the kind is another one.
        self.context.check().map_err(io::Error::other)?;
        let read = self.from.read(buffer)?;
        self.read += read as u64;
        if self.read > self.limit {
            return Err(io::Error::other("it is too large"));
        }
        self.context.send(CopyEvent::Moved {
            digest: self.digest,
            bytes: read as u64,
        });
        Ok(read)
    }
}

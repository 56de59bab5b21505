//! OCI layouts of tar files on disk, compressed by the system's tools.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use windlass_oci::{Algorithm, Digest, Hasher};

use super::find;

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// The compression of a layer's tar, with the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerCompression {
    /// Uncompressed.
    Plain,
    /// `gzip -6`.
    Gzip,
    /// `zstd -3`.
    Zstd,
}

/// A blob of the layout, with the fields of a descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// The media type.
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
}

/// A layer of the layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutLayer {
    /// The compressed tar.
    pub blob: StoredBlob,
    /// The digest of the tar.
    pub diff_id: Digest,
}

/// An OCI image layout that is being written. It is not removed on drop.
#[derive(Debug)]
pub struct OciLayout {
    dir: PathBuf,
    tagged: Vec<Value>,
}

impl OciLayout {
    /// Creates an empty layout in `dir`, and replaces an existing index.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir.join("blobs/sha256"))?;
        fs::write(
            dir.join("oci-layout"),
            json!({ "imageLayoutVersion": "1.0.0" }).to_string(),
        )?;
        let layout = Self {
            dir: dir.to_owned(),
            tagged: Vec::new(),
        };
        layout.write_index()?;
        Ok(layout)
    }

    /// Returns the directory of the layout.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of a blob.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir.join("blobs/sha256").join(digest.hex())
    }

    /// Compresses the tar file `tar` into a layer.
    ///
    /// # Errors
    /// If the compressor is missing or fails, or the blob cannot be written.
    pub fn add_layer(&self, tar: &Path, compression: LayerCompression) -> io::Result<LayoutLayer> {
        let (diff_id, _) = digest_copied(File::open(tar)?, io::sink())?;
        let draft = self.dir.join("blobs/draft");
        let mut compressor = compression.start(tar)?;
        let stdout = compressor.stdout.take().expect("the output is a pipe");
        let (digest, size) = digest_copied(stdout, File::create(&draft)?)?;
        let status = compressor.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!(
                "{}: {status}",
                compression.tool()
            )));
        }
        fs::rename(&draft, self.blob_path(&digest))?;
        let media_type = compression.media_type().to_owned();
        Ok(LayoutLayer {
            blob: StoredBlob {
                media_type,
                digest,
                size,
            },
            diff_id,
        })
    }

    /// Writes the config and manifest of a Linux image for `architecture`.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add_image(&self, architecture: &str, layers: &[LayoutLayer]) -> io::Result<StoredBlob> {
        self.add_image_with(architecture, layers, &json!({ "Cmd": ["/bin/sh"] }))
    }

    /// Writes an image with the given `config`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_image_with(
        &self,
        architecture: &str,
        layers: &[LayoutLayer],
        config: &Value,
    ) -> io::Result<StoredBlob> {
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect();
        let config = json!({
            "created": "2026-01-01T00:00:00Z",
            "architecture": architecture,
            "os": "linux",
            "config": config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": layers.iter().map(|_| json!({ "created_by": "tar" })).collect::<Vec<_>>(),
        });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self.add_json(CONFIG_TYPE, &config)?.descriptor(),
            "layers": layers.iter().map(|layer| layer.blob.descriptor()).collect::<Vec<_>>(),
        });
        self.add_json(MANIFEST_TYPE, &manifest)
    }

    /// Writes an index of images, each with its architecture.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add_index(&self, images: &[(&str, StoredBlob)]) -> io::Result<StoredBlob> {
        let manifests = images.iter().map(|(architecture, image)| {
            let mut descriptor = image.descriptor();
            descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
            descriptor
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": INDEX_TYPE,
            "manifests": manifests.collect::<Vec<_>>(),
        });
        self.add_json(INDEX_TYPE, &index)
    }

    /// Sets a name of `image`, a manifest or an index.
    ///
    /// # Errors
    /// If the layout's index cannot be written.
    pub fn tag(&mut self, name: &str, image: &StoredBlob) -> io::Result<()> {
        let mut descriptor = image.descriptor();
        descriptor["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        self.tagged.push(descriptor);
        self.write_index()
    }

    fn add_json(&self, media_type: &str, value: &Value) -> io::Result<StoredBlob> {
        let bytes = value.to_string().into_bytes();
        let digest = Digest::sha256(&bytes);
        fs::write(self.blob_path(&digest), &bytes)?;
        Ok(StoredBlob {
            media_type: media_type.to_owned(),
            digest,
            size: bytes.len() as u64,
        })
    }

    fn write_index(&self) -> io::Result<()> {
        let index = json!({ "schemaVersion": 2, "manifests": self.tagged });
        fs::write(self.dir.join("index.json"), index.to_string())
    }
}

impl LayerCompression {
    fn tool(self) -> &'static str {
        match self {
            Self::Plain => "cat",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &[],
            Self::Gzip => &["-6", "-n", "-c"],
            Self::Zstd => &["-3", "-q", "-c"],
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// Starts the compression of `tar` into a pipe.
    fn start(self, tar: &Path) -> io::Result<Child> {
        let tool = find(self.tool())
            .ok_or_else(|| io::Error::other(format!("{} is not installed", self.tool())))?;
        Command::new(tool)
            .args(self.arguments())
            .stdin(File::open(tar)?)
            .stdout(Stdio::piped())
            .spawn()
    }
}

impl StoredBlob {
    fn descriptor(&self) -> Value {
        json!({ "mediaType": self.media_type, "digest": self.digest.to_string(), "size": self.size })
    }
}

/// Copies all of `from` to `to`, and returns the sha256 digest and the length.
fn digest_copied(mut from: impl Read, mut to: impl Write) -> io::Result<(Digest, u64)> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; 1 << 20];
    let mut size = 0;
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
        size += read as u64;
    }
}

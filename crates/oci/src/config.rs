//! Image configs: what an image is, how to run it, and the diff IDs of its layers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::{self, JsonError, bounded, or_default, read_from_objects};
use crate::text::Sanitized;
use crate::{ChainId, DiffId, MAX_LAYERS, Platform};

/// The largest config that is read, in bytes (T20).
pub const MAX_CONFIG_SIZE: usize = 4 << 20;

/// The most elements of a list that are read, such as of the history; a longer list reads as absent.
const MAX_LIST: usize = 1 << 17;

/// The keys on which windlass itself relies.
const KEYS: &[&str] = &["rootfs", "diff_ids"];

/// An image's config (OCI image specification, "Image Configuration"; Docker's is the same).
///
/// The root file system is read strictly. Everything else is for others to judge, and untrusted (R10): the
/// store keeps the config byte for byte, and a field that is `null` or not what it should be reads as
/// absent here (T20).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct ImageConfig {
    /// When the image was made: RFC 3339, unless somebody wrote something else.
    #[serde(default, deserialize_with = "lenient")]
    pub created: Option<String>,
    /// Who made it.
    #[serde(default, deserialize_with = "lenient")]
    pub author: Option<String>,
    /// The processor architecture, as written; see [`ImageConfig::platform`].
    #[serde(default, deserialize_with = "lenient")]
    pub architecture: String,
    /// The operating system, as written; see [`ImageConfig::platform`].
    #[serde(default, deserialize_with = "lenient")]
    pub os: String,
    /// The generation of the architecture.
    #[serde(default, deserialize_with = "lenient")]
    pub variant: Option<String>,
    /// The version of the operating system.
    #[serde(default, rename = "os.version", deserialize_with = "lenient")]
    pub os_version: Option<String>,
    /// What the operating system has to have.
    #[serde(default, rename = "os.features", deserialize_with = "lenient_list")]
    pub os_features: Vec<String>,
    /// How to run it.
    #[serde(default, deserialize_with = "lenient")]
    pub config: Option<RuntimeConfig>,
    /// The layers by their diff IDs.
    pub rootfs: RootFs,
    /// How the image was made, base first.
    #[serde(default, deserialize_with = "lenient_list")]
    pub history: Vec<History>,
}

/// How to run an image. All of it untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
pub struct RuntimeConfig {
    /// User and perhaps group, by name or number.
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<String>,
    /// The environment, as `NAME=value`.
    #[serde(default, deserialize_with = "lenient_list")]
    pub env: Vec<String>,
    /// The command that always runs.
    #[serde(default, deserialize_with = "one_or_many")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the default arguments of the entrypoint.
    #[serde(default, deserialize_with = "one_or_many")]
    pub cmd: Option<Vec<String>>,
    /// The directory to start in.
    #[serde(default, deserialize_with = "lenient")]
    pub working_dir: Option<String>,
    /// Free-form notes.
    #[serde(default, deserialize_with = "lenient_map")]
    pub labels: BTreeMap<String, String>,
    /// Ports, as `80/tcp`, in order.
    #[serde(default, deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// Directories that should be volumes, in order.
    #[serde(default, deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// The signal that stops it.
    #[serde(default, deserialize_with = "lenient")]
    pub stop_signal: Option<String>,
    /// The shell for commands in shell form.
    #[serde(default, deserialize_with = "one_or_many")]
    pub shell: Option<Vec<String>>,
    /// What to run when an image is built on this one.
    #[serde(default, deserialize_with = "lenient_list")]
    pub on_build: Vec<String>,
}

/// An image's root file system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct RootFs {
    /// Always `layers`, or left out.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    /// The diff IDs of the layers, base first.
    #[serde(default, deserialize_with = "bounded::<_, MAX_LAYERS, _>")]
    pub diff_ids: Vec<DiffId>,
}

/// One step in the making of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct History {
    /// When the step was taken.
    #[serde(default, deserialize_with = "lenient")]
    pub created: Option<String>,
    /// The command.
    #[serde(default, deserialize_with = "lenient")]
    pub created_by: Option<String>,
    /// Who took it.
    #[serde(default, deserialize_with = "lenient")]
    pub author: Option<String>,
    /// A remark.
    #[serde(default, deserialize_with = "lenient")]
    pub comment: Option<String>,
    /// Whether the step made no layer.
    #[serde(default, deserialize_with = "lenient")]
    pub empty_layer: bool,
}

read_from_objects! { ImageConfig RuntimeConfig RootFs History }

/// Why some bytes are not the config of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageConfigError {
    /// It is larger than [`MAX_CONFIG_SIZE`].
    #[error("the image config has {size} bytes, more than the {MAX_CONFIG_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or its root file system is not what it should be.
    #[error("invalid image config")]
    Json(#[source] JsonError),
    /// Its root file system is not made of layers (IM-11).
    #[error("the image config's rootfs is of type {kind:?}, not \"layers\"")]
    RootFsType {
        /// What it is made of.
        kind: Sanitized,
    },
}

impl ImageConfig {
    /// Reads a config from its exact bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageConfigError> {
        if bytes.len() > MAX_CONFIG_SIZE {
            let size = bytes.len();
            return Err(ImageConfigError::TooLarge { size });
        }
        let config: Self = json::parse(bytes, KEYS).map_err(ImageConfigError::Json)?;
        match config.rootfs.kind.as_str() {
            "" | "layers" => Ok(config),
            other => Err(ImageConfigError::RootFsType {
                kind: crate::text::sanitize(other),
            }),
        }
    }

    /// Returns the platform that the image is for.
    ///
    /// Where the config does not say, it is Linux, and this machine's architecture, as in the reference.
    pub fn platform(&self) -> Platform {
        let or = |text: &'_ str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let os = or(&self.os, "linux");
        let architecture = or(&self.architecture, std::env::consts::ARCH);
        Platform {
            os_version: self
                .os_version
                .clone()
                .filter(|version| !version.is_empty()),
            ..Platform::new(&os, &architecture, self.variant.as_deref())
        }
    }

    /// Returns the diff IDs of the layers, base first.
    pub fn diff_ids(&self) -> &[DiffId] {
        &self.rootfs.diff_ids
    }

    /// Returns the chain ID of each layer on those below it, base first.
    pub fn chain_ids(&self) -> Vec<ChainId> {
        let mut below = None;
        let stack = |diff_id| {
            let chain = ChainId::stacked(below.as_ref(), diff_id);
            below = Some(chain);
            chain
        };
        self.rootfs.diff_ids.iter().map(stack).collect()
    }
}

/// Reads a value if it is one of type `T`, and else its default.
fn lenient<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read(raw).unwrap_or_default())
}

/// Reads the elements of an array that are of type `T`, others as their default; what is no array is empty.
fn lenient_list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let mut elements = serde_json::Deserializer::from_str(raw.get());
    let list: Vec<Lenient<T>> = bounded::<_, MAX_LIST, _>(&mut elements).unwrap_or_default();
    Ok(list.into_iter().map(|element| element.0).collect())
}

/// Reads the texts in an object; other values as empty ones.
fn lenient_map<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw: BTreeMap<String, &RawValue> = lenient(deserializer)?;
    let entries = raw.into_iter();
    Ok(entries
        .map(|(key, raw)| (key, read(raw).unwrap_or_default()))
        .collect())
}

/// Reads the keys of an object, whose values say nothing.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let raw: BTreeMap<String, &RawValue> = lenient(deserializer)?;
    Ok(raw.into_keys().collect())
}

/// Reads a command, which old images have as one text.
fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read(raw).or_else(|| read(raw).map(|one| vec![one])))
}

/// An element of which no more is asked than that it is there.
struct Lenient<T>(T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        lenient(deserializer).map(Self)
    }
}

fn read<'de, T: Deserialize<'de>>(raw: &'de RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

#[cfg(test)]
mod tests;

//! Image configs: the platform of an image, how to run it, and the diff IDs of its layers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::{self, JsonError, bounded_list, or_default, read_from_objects};
use crate::text::Sanitized;
use crate::{ChainId, DiffId, MAX_LAYERS, Platform};

/// The largest config that is read, in bytes (T20).
pub const MAX_CONFIG_SIZE: usize = 4 << 20;

/// The largest number of elements of a list, such as the history; a longer list is read as an empty one.
const MAX_LIST: usize = 1 << 17;

/// The keys that windlass itself relies on; other spellings of them are rejected.
const KEYS: &[&str] = &["rootfs", "diff_ids"];

/// An image's config (OCI image specification, "Image Configuration"; Docker's is the same).
///
/// The root file system is parsed strictly. The other fields are untrusted (R10) and parsed leniently: a field that
/// is `null` or of the wrong type is treated as absent (T20). The store keeps the exact bytes of the config.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct ImageConfig {
    /// When the image was created; RFC 3339 by the specification, but not checked.
    #[serde(default, deserialize_with = "lenient")]
    pub created: Option<String>,
    /// The person or organization that created it.
    #[serde(default, deserialize_with = "lenient")]
    pub author: Option<String>,
    /// The processor architecture, as written; see [`ImageConfig::platform`].
    #[serde(default, deserialize_with = "lenient")]
    pub architecture: String,
    /// The operating system, as written; see [`ImageConfig::platform`].
    #[serde(default, deserialize_with = "lenient")]
    pub os: String,
    /// The variant of the architecture, such as `v7`.
    #[serde(default, deserialize_with = "lenient")]
    pub variant: Option<String>,
    /// The version of the operating system.
    #[serde(default, rename = "os.version", deserialize_with = "lenient")]
    pub os_version: Option<String>,
    /// The features that the operating system must have.
    #[serde(default, rename = "os.features", deserialize_with = "lenient_list")]
    pub os_features: Vec<String>,
    /// The defaults for running a container of the image.
    #[serde(default, deserialize_with = "lenient")]
    pub config: Option<RuntimeConfig>,
    /// The root file system: the diff IDs of the layers.
    pub rootfs: RootFs,
    /// The build steps, base first.
    #[serde(default, deserialize_with = "lenient_list")]
    pub history: Vec<History>,
}

/// The defaults for running a container of an image. All fields are untrusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", remote = "Self")]
pub struct RuntimeConfig {
    /// `USER` or `USER:GROUP`, each by name or number.
    #[serde(default, deserialize_with = "lenient")]
    pub user: Option<String>,
    /// The environment variables, as `NAME=value`.
    #[serde(default, deserialize_with = "lenient_list")]
    pub env: Vec<String>,
    /// The executable and its first arguments; the command follows it.
    #[serde(default, deserialize_with = "one_or_many")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the default arguments of the entrypoint.
    #[serde(default, deserialize_with = "one_or_many")]
    pub cmd: Option<Vec<String>>,
    /// The working directory.
    #[serde(default, deserialize_with = "lenient")]
    pub working_dir: Option<String>,
    /// Arbitrary metadata.
    #[serde(default, deserialize_with = "lenient_map")]
    pub labels: BTreeMap<String, String>,
    /// The exposed ports, as `80/tcp`, sorted.
    #[serde(default, deserialize_with = "keys")]
    pub exposed_ports: Vec<String>,
    /// The paths to mount volumes at, sorted.
    #[serde(default, deserialize_with = "keys")]
    pub volumes: Vec<String>,
    /// The signal that stops the container.
    #[serde(default, deserialize_with = "lenient")]
    pub stop_signal: Option<String>,
    /// The shell for commands in shell form.
    #[serde(default, deserialize_with = "one_or_many")]
    pub shell: Option<Vec<String>>,
    /// Build instructions to run when another image is built on this one.
    #[serde(default, deserialize_with = "lenient_list")]
    pub on_build: Vec<String>,
}

/// An image's root file system.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct RootFs {
    /// `layers`, or empty if absent.
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    kind: String,
    /// The diff IDs of the layers, base first.
    #[serde(default, deserialize_with = "bounded_list::<_, MAX_LAYERS, _>")]
    pub diff_ids: Vec<DiffId>,
}

/// One build step of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct History {
    /// When the step ran.
    #[serde(default, deserialize_with = "lenient")]
    pub created: Option<String>,
    /// The command that ran.
    #[serde(default, deserialize_with = "lenient")]
    pub created_by: Option<String>,
    /// The author of the step.
    #[serde(default, deserialize_with = "lenient")]
    pub author: Option<String>,
    /// A comment.
    #[serde(default, deserialize_with = "lenient")]
    pub comment: Option<String>,
    /// Whether the step created no layer.
    #[serde(default, deserialize_with = "lenient")]
    pub empty_layer: bool,
}

read_from_objects! { ImageConfig RuntimeConfig RootFs History }

/// Why an image config is rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageConfigError {
    /// It is larger than [`MAX_CONFIG_SIZE`].
    #[error("the image config has {size} bytes, more than the {MAX_CONFIG_SIZE} allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// It is not JSON, or its root file system is malformed.
    #[error("invalid image config")]
    Json(#[source] JsonError),
    /// Its root file system is of another type than `layers` (IM-11).
    #[error("the image config's rootfs is of type {kind:?}, not \"layers\"")]
    RootFsType {
        /// The type in the config.
        kind: Sanitized,
    },
}

impl ImageConfig {
    /// Parses the exact bytes of a config.
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

    /// Returns the platform of the image. A missing system means Linux, a missing architecture that of this
    /// machine, as in Docker.
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

    /// Returns the chain ID of each layer and those below it, base first.
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

/// Reads a value of type `T`; any other value is read as the default.
fn lenient<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read(raw).unwrap_or_default())
}

/// Reads an array of `T`; elements of another type are read as the default, and any other value as an empty array.
fn lenient_list<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    let mut elements = serde_json::Deserializer::from_str(raw.get());
    let list: Vec<Lenient<T>> = bounded_list::<_, MAX_LIST, _>(&mut elements).unwrap_or_default();
    Ok(list.into_iter().map(|element| element.0).collect())
}

/// Reads an object of strings; values of another type are read as empty strings.
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

/// Reads the keys of an object and ignores the values.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let raw: BTreeMap<String, &RawValue> = lenient(deserializer)?;
    Ok(raw.into_keys().collect())
}

/// Reads a command: an array of strings, or a single string as in old images.
fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(read(raw).or_else(|| read(raw).map(|one| vec![one])))
}

/// An element of a list that is read as its default if it is of another type.
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

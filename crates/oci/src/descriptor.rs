//! Descriptors: references to blobs and manifests by digest and size.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{bounded_list, read_from_objects, string_map};
use crate::{Digest, MediaType, Platform};

/// The largest blob that a descriptor may announce, in bytes: 2⁵³ - 1.
///
/// This is the largest integer that every JSON reader represents exactly, and the sizes of [`crate::MAX_LAYERS`]
/// such blobs add up without overflow.
pub const MAX_BLOB_SIZE: u64 = (1 << 53) - 1;

/// A reference to a blob or manifest: its digest, size and media type (OCI image specification, "Descriptor").
///
/// Digest and size are parsed strictly (T19). Embedded `data` is ignored (T22): content is always downloaded and
/// verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Descriptor {
    /// The media type of the content.
    #[serde(default)]
    pub media_type: MediaType,
    /// The digest of the content's exact bytes.
    pub digest: Digest,
    /// The exact size of the content, in bytes; at most [`MAX_BLOB_SIZE`].
    #[serde(deserialize_with = "blob_size")]
    pub size: u64,
    /// URLs that the content can be downloaded from. Credentials must not be sent to them (D3).
    #[serde(
        default,
        deserialize_with = "bounded_list::<_, 32, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Arbitrary metadata.
    #[serde(
        default,
        deserialize_with = "string_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform of a manifest in an index.
    #[serde(
        default,
        deserialize_with = "platform",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform: Option<Platform>,
    /// The type of the artifact, if the content is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Makes the descriptor of content, without optional members.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }
}

read_from_objects! { Descriptor }

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Calls the derived inherent function, not this method.
        Self::serialize(self, serializer)
    }
}

fn blob_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if size > MAX_BLOB_SIZE {
        let message =
            format_args!("a size of {size} bytes is more than the {MAX_BLOB_SIZE} allowed");
        return Err(serde::de::Error::custom(message));
    }
    Ok(size)
}

/// Reads a platform; an empty one is treated as absent.
fn platform<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Platform>, D::Error> {
    let platform = Option::<Platform>::deserialize(deserializer)?;
    Ok(platform.filter(|platform| !(platform.os.is_empty() && platform.architecture.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = concat!(
        r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        r#""digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7,"#,
        r#""urls":["https://example.com/x"],"annotations":{"a":"b"},"#,
        r#""platform":{"os":"linux","architecture":"arm64"},"artifactType":"application/x"}"#,
    );

    #[test]
    fn a_descriptor_round_trips() {
        let descriptor: Descriptor = serde_json::from_str(JSON).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), JSON);
        assert_eq!(descriptor.platform.unwrap().to_string(), "linux/arm64");
    }

    #[test]
    fn absent_fields_are_omitted() {
        let short = format!("{}}}", &JSON[..JSON.find(r#","urls""#).unwrap()]);
        let descriptor: Descriptor = serde_json::from_str(&short).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), short);
    }

    /// T22
    #[test]
    fn embedded_data_is_ignored() {
        let with_data = JSON.replace(r#""size":7"#, r#""size":7,"data":["not base64"]"#);
        let descriptor: Descriptor = serde_json::from_str(&with_data).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), JSON);
    }

    #[test]
    fn sizes_of_the_largest_blobs_add_up_without_overflow() {
        let size = |size: u64| {
            let json = JSON.replace(r#""size":7"#, &format!(r#""size":{size}"#));
            serde_json::from_str::<Descriptor>(&json).map(|descriptor| descriptor.size)
        };
        assert_eq!(size(MAX_BLOB_SIZE).unwrap(), MAX_BLOB_SIZE);
        assert!(size(MAX_BLOB_SIZE + 1).is_err());
        let layers = u64::try_from(crate::MAX_LAYERS).unwrap();
        let all = MAX_BLOB_SIZE.checked_mul(layers).unwrap();
        assert!(i64::try_from(all).is_ok());
    }
}

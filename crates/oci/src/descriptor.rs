//! Descriptors: what a manifest or an index points at.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::json::{bounded, read_from_objects, text_map};
use crate::{Digest, MediaType, Platform};

/// The largest blob that a descriptor may announce, in bytes: 2⁵³ - 1.
///
/// The largest integer that every JSON reader has exactly; and the sizes of [`crate::MAX_LAYERS`] such
/// blobs can be added up without overflow.
pub const MAX_BLOB_SIZE: u64 = (1 << 53) - 1;

/// Points at a blob or a manifest: its digest, its size, and what it claims to be (OCI image
/// specification, "Descriptor").
///
/// Digest and size are parsed strictly (T19). Embedded `data` is not read (T22): content comes from where
/// it is verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Descriptor {
    /// What the content claims to be.
    #[serde(default)]
    pub media_type: MediaType,
    /// The digest of the content's exact bytes.
    pub digest: Digest,
    /// The exact size of the content, in bytes; at most [`MAX_BLOB_SIZE`].
    #[serde(deserialize_with = "blob_size")]
    pub size: u64,
    /// Other places that may have the content. Nothing may send credentials there (D3).
    #[serde(
        default,
        deserialize_with = "bounded::<_, 32, _>",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub urls: Vec<String>,
    /// Free-form notes.
    #[serde(
        default,
        deserialize_with = "text_map",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// The platform that a manifest in an index is for.
    #[serde(
        default,
        deserialize_with = "platform",
        skip_serializing_if = "Option::is_none"
    )]
    pub platform: Option<Platform>,
    /// The kind of artifact, where the content is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

read_from_objects! { Descriptor }

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The derived function, which comes before the trait's.
        Self::serialize(self, serializer)
    }
}

fn blob_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if size > MAX_BLOB_SIZE {
        let message = format_args!("no blob has a size of {size} bytes");
        return Err(serde::de::Error::custom(message));
    }
    Ok(size)
}

/// Reads a platform; one without words is none.
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
    fn writes_what_it_read() {
        let descriptor: Descriptor = serde_json::from_str(JSON).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), JSON);
        assert_eq!(descriptor.platform.unwrap().to_string(), "linux/arm64");
    }

    #[test]
    fn leaves_out_what_is_not_there() {
        let short = format!("{}}}", &JSON[..JSON.find(r#","urls""#).unwrap()]);
        let descriptor: Descriptor = serde_json::from_str(&short).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), short);
    }

    /// T22: embedded content is not taken for the content.
    #[test]
    fn embedded_data_is_ignored() {
        let with_data = JSON.replace(r#""size":7"#, r#""size":7,"data":["not base64"]"#);
        let descriptor: Descriptor = serde_json::from_str(&with_data).unwrap();
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), JSON);
    }

    #[test]
    fn the_largest_blobs_add_up() {
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

//! Builders of payloads, and helpers that parse them or return the error.

use std::sync::LazyLock;

use serde_json::{Value, json};
use windlass_oci::{Digest, Tag};
use windlass_schema1::{ExpectedManifest, ExpectedVersion, Schema1, Schema1Error};

use crate::sign::{Signer, signed};

pub(crate) static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::new("ES256"));

/// Returns the v1 ID whose digits are all `digit`.
pub(crate) fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Returns the digest of a layer called `name`.
pub(crate) fn blob(name: &str) -> Digest {
    Digest::sha256(name)
}

/// Returns a v1 config with this ID, this parent and these members.
pub(crate) fn v1(id: &str, parent: &str, mut members: Value) -> Value {
    members["id"] = json!(id);
    if !parent.is_empty() {
        members["parent"] = json!(parent);
    }
    members
}

/// Returns the payload for `library/app:1` with these layers and v1 configs, the top one first.
pub(crate) fn payload(entries: &[(Digest, Value)]) -> Value {
    let layers = entries.iter().map(|(blob, _)| json!({"blobSum": blob}));
    let histories = entries
        .iter()
        .map(|(_, v1)| json!({"v1Compatibility": v1.to_string()}));
    json!({
        "schemaVersion": 1,
        "name": "library/app",
        "tag": "1",
        "architecture": "amd64",
        "fsLayers": layers.collect::<Vec<_>>(),
        "history": histories.collect::<Vec<_>>(),
    })
}

/// Returns a payload of two layers.
pub(crate) fn app() -> Value {
    payload(&[
        (
            blob("top"),
            v1(&id('b'), &id('a'), json!({"docker_version": "1.10.0"})),
        ),
        (blob("base"), v1(&id('a'), "", json!({}))),
    ])
}

/// Parses a document as `library/app:1`.
pub(crate) fn parse(document: &str) -> Result<Schema1, Schema1Error> {
    let tag: Tag = "1".parse().unwrap();
    parse_as(document.as_bytes(), "library/app", &tag)
}

pub(crate) fn parse_as(
    document: &[u8],
    repository: &str,
    tag: &Tag,
) -> Result<Schema1, Schema1Error> {
    let version = ExpectedVersion::Tag(tag);
    Schema1::parse(
        document,
        &ExpectedManifest {
            repository,
            version,
        },
    )
}

/// Signs and parses a payload.
pub(crate) fn parse_payload(payload: &Value) -> Result<Schema1, Schema1Error> {
    parse(&signed(&payload.to_string(), &[&SIGNER]))
}

/// Returns the error and its causes, as the CLI prints them.
pub(crate) fn error_text(error: &Schema1Error) -> String {
    let mut text = error.to_string();
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        text = format!("{text}: {source}");
        error = source;
    }
    text
}

/// Returns the error for a document that must be rejected.
pub(crate) fn rejection(document: &str) -> String {
    error_text(&parse(document).expect_err("the manifest was accepted"))
}

/// Returns the error for a payload that must be rejected although its signature is valid.
pub(crate) fn payload_rejection(payload: &Value) -> String {
    error_text(&parse_payload(payload).expect_err("the manifest was accepted"))
}

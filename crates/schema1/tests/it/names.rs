//! The repository and tag of a manifest, and its format.

use serde_json::{Value, json};
use windlass_oci::{Algorithm, Digest, Manifest, ManifestError, Tag};
use windlass_schema1::{ExpectedManifest, ExpectedVersion, MEDIA_TYPES, Schema1, is_schema1};

use crate::build::{SIGNER, app, error_text, parse_as, payload_rejection};
use crate::sign::signed;

fn document() -> String {
    signed(&app().to_string(), &[&SIGNER])
}

/// S1-1
#[test]
fn repository_and_tag_must_be_the_requested_ones() {
    let document = document();
    let rejection = |repository: &str, tag: &str| {
        let tag: Tag = tag.parse().unwrap();
        error_text(&parse_as(document.as_bytes(), repository, &tag).unwrap_err())
    };
    for repository in [
        "app",
        "library/apps",
        "library/ap",
        "",
        "other/app",
        "docker.io/library/app",
    ] {
        let expected = format!(
            "the manifest is signed for the repository \"library/app\", not {repository:?}"
        );
        assert_eq!(rejection(repository, "1"), expected);
    }
    assert_eq!(
        rejection("library/app", "latest"),
        "the manifest is signed for the tag \"1\", not \"latest\""
    );
}

#[test]
fn a_manifest_without_name_or_tag_is_rejected() {
    for (key, expected) in [
        (
            "name",
            "the manifest is signed for the repository \"\", not \"library/app\"",
        ),
        ("tag", "the manifest is signed for the tag \"\", not \"1\""),
    ] {
        let mut payload = app();
        payload[key] = Value::Null;
        assert_eq!(payload_rejection(&payload), expected);
        payload.as_object_mut().unwrap().remove(key);
        assert_eq!(payload_rejection(&payload), expected);
    }
}

/// MF-2: a request by digest accepts any tag, but neither another repository nor another payload.
#[test]
fn a_request_by_digest_compares_digest_and_name() {
    let document = document();
    let parse = |repository, digest: &Digest| {
        let version = ExpectedVersion::Digest(digest);
        Schema1::parse(
            document.as_bytes(),
            &ExpectedManifest {
                repository,
                version,
            },
        )
    };
    let payload = app().to_string();
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        let manifest = parse("library/app", &Digest::of(algorithm, &payload)).unwrap();
        assert_eq!(manifest.digest(), Digest::sha256(&payload));
    }
    let whole = Digest::sha256(&document);
    let found = Digest::sha256(&payload);
    assert_eq!(
        error_text(&parse("library/app", &whole).unwrap_err()),
        format!("the manifest's digest is {found}, not {whole}")
    );
    assert_eq!(
        error_text(&parse("library/other", &found).unwrap_err()),
        "the manifest is signed for the repository \"library/app\", not \"library/other\""
    );
}

/// T18: a signed document of another format is not a schema 1 manifest.
#[test]
fn documents_of_other_formats_are_rejected() {
    let index = "application/vnd.oci.image.index.v1+json";
    for (key, value, expected) in [
        (
            "schemaVersion",
            json!(2),
            "the signed manifest's schemaVersion is 2, not 1",
        ),
        (
            "schemaVersion",
            json!(null),
            "invalid schema 1 manifest: schemaVersion: missing",
        ),
        (
            "schemaVersion",
            json!("1"),
            "invalid schema 1 manifest: schemaVersion: invalid type: string \"1\", expected u64",
        ),
        (
            "config",
            json!({}),
            "ambiguous manifest: it is of schema 1, but it has \"config\"",
        ),
        (
            "layers",
            json!([]),
            "ambiguous manifest: it is of schema 1, but it has \"layers\"",
        ),
        (
            "manifests",
            json!([]),
            "ambiguous manifest: it is of schema 1, but it has \"manifests\"",
        ),
        (
            "mediaType",
            json!(index),
            "ambiguous manifest: it is of schema 1, but its type is \
             application/vnd.oci.image.index.v1+json",
        ),
        (
            "FsLayers",
            json!([]),
            "invalid schema 1 manifest: FsLayers: the key must be spelled \"fsLayers\"",
        ),
    ] {
        let mut payload = app();
        payload[key] = value;
        assert_eq!(payload_rejection(&payload), expected);
    }
}

#[test]
fn the_payload_may_contain_its_media_type() {
    for media_type in MEDIA_TYPES {
        let mut payload = app();
        payload["mediaType"] = media_type.into();
        crate::build::parse_payload(&payload).unwrap();
    }
}

/// `is_schema1` agrees with `windlass-oci`.
#[test]
fn schema1_is_detected_without_parsing() {
    for (text, expected) in [
        (document(), true),
        (app().to_string(), true),
        (r#"{"schemaVersion":1}"#.to_owned(), true),
        (r#"{"schemaVersion":1,"manifests":[]}"#.to_owned(), true),
        (r#"{"schemaVersion":2,"fsLayers":[]}"#.to_owned(), true),
        (r#"{"schemaVersion":2,"fsLayers":null}"#.to_owned(), false),
        (
            r#"{"schemaVersion":2,"fsLayers":[],"layers":[]}"#.to_owned(),
            false,
        ),
        (r#"{"schemaVersion":2,"config":{}}"#.to_owned(), false),
        (r#"{"fsLayers":[]}"#.to_owned(), false),
        (r#"{"schemaVersion":2,"mediaType":"x"}"#.to_owned(), false),
        ("[1]".to_owned(), false),
        (String::new(), false),
        ("{".repeat(100_000), false),
    ] {
        assert_eq!(is_schema1(text.as_bytes()), expected, "{text:.80}");
        let read = Manifest::parse(text.as_bytes(), None);
        let same = matches!(read, Err(ManifestError::Schema1));
        assert_eq!(same, expected, "windlass-oci: {text:.80}: {read:?}");
    }
}

/// C13: Go folds the long s to an s, and so would read this key as `fsLayers`.
#[test]
fn a_key_in_another_case_is_rejected_in_unicode_too() {
    let mut payload = app();
    payload["f\u{17f}Layers"] = json!([]);
    assert_eq!(
        payload_rejection(&payload),
        "invalid schema 1 manifest: fſLayers: the key must be spelled \"fsLayers\""
    );
}

use std::collections::BTreeMap;

use super::*;
use crate::{Digest, Index, MediaType};

fn entry(platform: &str) -> Descriptor {
    Descriptor {
        media_type: MediaType::OciManifest,
        digest: Digest::sha256(platform),
        size: 1,
        urls: Vec::new(),
        annotations: BTreeMap::new(),
        platform: (!platform.is_empty()).then(|| platform.parse().unwrap()),
        artifact_type: None,
    }
}

fn index(manifests: Vec<Descriptor>) -> Index {
    Index {
        media_type: MediaType::OciIndex,
        manifests,
        annotations: BTreeMap::new(),
    }
}

/// Returns the positions of the candidates in the index.
fn positions(index: &Index, wanted: &str) -> Result<Vec<usize>, String> {
    let candidates = index.candidates(&wanted.parse().unwrap());
    let candidates = candidates.map_err(|error| error.to_string())?;
    let position = |candidate: &Descriptor| {
        let same = |entry: &&Descriptor| std::ptr::eq(*entry, candidate);
        index
            .manifests
            .iter()
            .position(|entry| same(&entry))
            .unwrap()
    };
    Ok(candidates.into_iter().map(position).collect())
}

/// MF-8, with variants: the best match comes first; equal matches stay in order.
#[test]
fn the_best_platform_comes_first() {
    let entries = [
        "linux/arm/v6",
        "linux/arm64",
        "linux/arm/v7",
        "linux/arm/v7",
        "linux/amd64",
    ];
    let index = index(entries.map(entry).to_vec());
    assert_eq!(positions(&index, "linux/arm/v7").unwrap(), [2, 3, 0]);
    assert_eq!(positions(&index, "linux/arm/v6").unwrap(), [0]);
    assert_eq!(positions(&index, "linux/arm64/v8").unwrap(), [1]);
    assert_eq!(positions(&index, "linux/amd64/v3").unwrap(), [4]);
}

#[test]
fn entries_without_a_platform_come_last() {
    let nested = Descriptor {
        media_type: MediaType::OciIndex,
        ..entry("")
    };
    let index = index(vec![
        entry(""),
        nested,
        entry("linux/arm64"),
        entry("linux/amd64"),
    ]);
    assert_eq!(positions(&index, "linux/amd64").unwrap(), [3, 1, 0]);
    assert_eq!(positions(&index, "linux/s390x").unwrap(), [1, 0]);
}

#[test]
fn attestations_artifacts_and_unknown_types_are_skipped() {
    let attested = Descriptor {
        annotations: BTreeMap::from([(
            REFERENCE_TYPE.to_owned(),
            "attestation-manifest".to_owned(),
        )]),
        ..entry("linux/amd64")
    };
    let artifact = Descriptor {
        artifact_type: Some("application/spdx+json".to_owned()),
        ..entry("linux/amd64")
    };
    let schema1 = Descriptor {
        media_type: MediaType::DockerSchema1,
        ..entry("linux/amd64")
    };
    let image = Descriptor {
        artifact_type: Some("application/vnd.oci.image.config.v1+json".to_owned()),
        ..entry("linux/amd64")
    };
    let index = index(vec![
        entry("unknown/unknown"),
        attested,
        artifact,
        schema1,
        image,
    ]);
    assert_eq!(positions(&index, "linux/amd64").unwrap(), [4]);
    assert_eq!(
        positions(&index, "linux/arm64").unwrap_err(),
        "no matching manifest for linux/arm64: the index has linux/amd64"
    );
}

/// T21: the error lists the platforms of the index.
#[test]
fn the_error_lists_the_platforms_of_the_index() {
    let two = index(
        ["linux/amd64", "linux/arm/v7", "linux/amd64"]
            .map(entry)
            .to_vec(),
    );
    assert_eq!(
        positions(&two, "linux/riscv64").unwrap_err(),
        "no matching manifest for linux/riscv64: the index has linux/amd64, linux/arm/v7"
    );
    assert_eq!(
        positions(&index(Vec::new()), "linux/amd64").unwrap_err(),
        "no matching manifest for linux/amd64: the index lists no platforms"
    );
    let many = (0..crate::MAX_INDEX_ENTRIES).map(|number| entry(&format!("os/cpu{number}")));
    let error = positions(&index(many.collect()), "linux/amd64").unwrap_err();
    assert!(
        error.ends_with("os/cpu14, os/cpu15 and 4080 more"),
        "{error}"
    );
}

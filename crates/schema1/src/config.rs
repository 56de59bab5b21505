//! The image config that the histories are converted to (S1-5, S1-6).

use std::collections::BTreeMap;

use windlass_oci::{DiffId, Platform};

use crate::history::V1History;
use crate::object::Object;
use crate::payload::LayerEntry;
use crate::{HistoryError, go_json, legacy_config};

/// The members of a v1 config that are not part of an image config.
const DROPPED: [&str; 6] = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];

/// The first version of Docker whose v1 configs are not rewritten.
const FIRST_VERBATIM_VERSION: [i64; 3] = [1, 8, 3];

/// Returns the platform of the image.
pub(crate) fn platform(top: &V1History, architecture: &str) -> Result<Platform, HistoryError> {
    let v1 = top.config()?;
    let (os, own, variant) = (
        v1.text("os")?,
        v1.text("architecture")?,
        v1.text("variant")?,
    );
    Ok(Platform::new(
        or(&os, "linux"),
        or(architecture, or(&own, "amd64")),
        Some(&variant),
    ))
}

/// Returns the members of the config except `rootfs`: names, and values as Go writes them.
pub(crate) fn without_root_fs(
    base_first: &[LayerEntry],
) -> Result<BTreeMap<String, String>, HistoryError> {
    let Some(top) = base_first.last() else {
        return Ok(BTreeMap::new());
    };
    let mut members = top_members(top.history.config()?)?;
    for name in DROPPED {
        members.remove(name);
    }
    let steps = base_first.iter().map(|entry| entry.history.step.clone());
    members.insert("history".to_owned(), go_json::array(steps));
    Ok(members)
}

/// Returns the complete config.
pub(crate) fn with_root_fs(members: &BTreeMap<String, String>, diff_ids: &[DiffId]) -> Vec<u8> {
    let mut root_fs = go_json::ObjectWriter::default();
    root_fs.member("type", &go_json::text("layers"));
    if !diff_ids.is_empty() {
        let diff_ids = diff_ids.iter().map(|id| go_json::text(&id.to_string()));
        root_fs.member("diff_ids", &go_json::array(diff_ids));
    }
    let root_fs = root_fs.finish();
    let mut all: BTreeMap<&str, &str> = members
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    all.insert("rootfs", &root_fs);
    let mut config = go_json::ObjectWriter::default();
    for (name, value) in all {
        config.member(name, value);
    }
    config.finish().into_bytes()
}

fn top_members(v1: Object<'_>) -> Result<BTreeMap<String, String>, HistoryError> {
    if is_before(&v1.text("docker_version")?, FIRST_VERBATIM_VERSION) {
        return legacy_config::rewrite(&v1);
    }
    let members = v1.into_members().into_iter();
    Ok(members
        .map(|(name, value)| (name, go_json::compact(value.get())))
        .collect())
}

/// Compares versions as Docker does: number by number, with 0 for a part that is not a number.
fn is_before(version: &str, other: [i64; 3]) -> bool {
    let mut numbers: Vec<_> = version.split('.').map(number).collect();
    numbers.resize(numbers.len().max(other.len()), 0);
    numbers.as_slice() < other.as_slice()
}

fn number(text: &str) -> i64 {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return 0;
    }
    let beyond = if text.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    text.parse().unwrap_or(beyond)
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_number_by_number() {
        for version in [
            "",
            "0.9",
            "1.8.2",
            "1.8",
            "1.8.3-rc1",
            "1.8.x",
            "-17.0",
            "dev",
            "1..9",
        ] {
            assert!(is_before(version, FIRST_VERBATIM_VERSION), "{version}");
        }
        for version in [
            "1.8.3",
            "1.8.3.1",
            "1.10.0",
            "17.03.0-ce",
            "2",
            "99999999999999999999",
        ] {
            assert!(!is_before(version, FIRST_VERBATIM_VERSION), "{version}");
        }
    }
}

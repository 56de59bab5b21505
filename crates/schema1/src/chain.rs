//! The chain of v1 IDs (S1-3).
//!
//! The IDs are only compared with each other and do not leave this crate.

use std::collections::HashSet;

use windlass_oci::text::sanitize;

use crate::Schema1Error;
use crate::payload::LayerEntry;

/// Returns the layers, base first, if the parent of each is the layer below it.
///
/// Adjacent entries with the same ID are one layer, of which the lower entry is used: old versions of Docker wrote
/// some layers twice.
pub(crate) fn base_first(entries: Vec<LayerEntry>) -> Result<Vec<LayerEntry>, Schema1Error> {
    reject_cycles(&entries)?;
    let mut chain: Vec<LayerEntry> = Vec::with_capacity(entries.len());
    for entry in entries.into_iter().rev() {
        let parent = entry.history.parent.as_deref().unwrap_or_default();
        match chain.last() {
            None if parent.is_empty() => chain.push(entry),
            None => {
                let parent = sanitize(parent);
                return Err(Schema1Error::BaseHasParent { parent });
            }
            Some(below) if below.history.id == entry.history.id => {}
            Some(below) if below.history.id == parent => chain.push(entry),
            Some(below) => {
                return Err(Schema1Error::BrokenChain {
                    index: entry.index,
                    parent: sanitize(parent),
                    below: sanitize(&below.history.id),
                });
            }
        }
    }
    Ok(chain)
}

fn reject_cycles(entries: &[LayerEntry]) -> Result<(), Schema1Error> {
    let mut seen = HashSet::new();
    let mut above = None;
    for entry in entries {
        let id = &entry.history.id;
        if above != Some(id) && !seen.insert(id) {
            return Err(Schema1Error::RepeatedId {
                index: entry.index,
                id: sanitize(id),
            });
        }
        above = Some(id);
    }
    Ok(())
}

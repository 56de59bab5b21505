//! The chain of v1 IDs (S1-3).
//!
//! IDs are compared and nothing else: none leaves this crate.

use std::collections::HashSet;

use windlass_oci::text::sanitize;

use crate::Schema1Error;
use crate::payload::Entry;

/// Returns the layers base first, if each one's parent is the one below it.
///
/// Neighbours of one ID are one layer; the lower of them is kept. Old versions of Docker wrote it twice.
pub(crate) fn base_first(entries: Vec<Entry>) -> Result<Vec<Entry>, Schema1Error> {
    refuse_circles(&entries)?;
    let mut chain: Vec<Entry> = Vec::with_capacity(entries.len());
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

fn refuse_circles(entries: &[Entry]) -> Result<(), Schema1Error> {
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

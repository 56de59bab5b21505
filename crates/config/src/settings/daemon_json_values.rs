//! Reads the values that settings have in a `daemon.json`.

use windlass_registry::Secret;

use super::definition::{DaemonJsonValue, ReadContext};
use crate::address;
use crate::error::ConfigProblem;
use crate::json_document::JsonEntry;
use crate::source::{Finding, FindingKind};

/// Reads a list of insecure registries. One invalid element makes the whole file invalid (EP-8).
pub(crate) fn insecure_registries(
    entry: &JsonEntry<'_>,
    context: &mut ReadContext<'_>,
) -> DaemonJsonValue<Vec<String>> {
    let mut registries = Vec::new();
    let origin = entry.origin();
    for element in entry.elements()? {
        let parsed = address::insecure(element.text()?);
        let parsed = parsed.map_err(|problem| element.error(ConfigProblem::Insecure(problem)))?;
        if parsed.had_scheme {
            context.findings.push(Finding {
                origin: origin.clone(),
                key: Some(entry.key()),
                kind: FindingKind::SchemeDropped,
            });
        }
        if !registries.contains(&parsed.entry) {
            registries.push(parsed.entry);
        }
    }
    Ok(Some(registries))
}

/// Reads the address of a proxy. To Docker an empty text is the same as a missing key.
pub(crate) fn proxy(
    entry: &JsonEntry<'_>,
    _: &mut ReadContext<'_>,
) -> DaemonJsonValue<Option<Secret>> {
    if entry.text()?.is_empty() {
        return Ok(None);
    }
    let proxy = address::proxy(entry.text()?);
    proxy
        .map(|proxy| Some(Some(proxy)))
        .map_err(|problem| entry.error(ConfigProblem::Proxy(problem)))
}

/// Reads the hosts that no proxy is used for. To Docker an empty text is the same as a missing key.
pub(crate) fn no_proxy(
    entry: &JsonEntry<'_>,
    _: &mut ReadContext<'_>,
) -> DaemonJsonValue<Option<String>> {
    let hosts = entry.text()?;
    Ok((!hosts.is_empty()).then(|| Some(hosts.to_owned())))
}

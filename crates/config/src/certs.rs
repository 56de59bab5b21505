//! The files in the directory of a registry, in Docker's layout: `*.crt`, `*.cert` and `*.key` (EP-10).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use windlass_registry::ClientTls;

use crate::error::{ConfigError, ConfigProblem};
use crate::pem;
use crate::source::{Finding, FindingKind};

/// Whether the directory has a `hosts.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostsTomlPresence {
    /// It has none, so nothing else can name the files.
    Absent,
    /// It has one, which may name any of the files. Half of a pair is then not an error.
    Present,
}

/// Reads the certificates among `names`, which are the sorted names in the directory `dir`. `None` if there is none.
pub(crate) fn read(
    dir: &Path,
    names: &[PathBuf],
    hosts_toml: HostsTomlPresence,
    findings: &mut Vec<Finding>,
) -> Result<Option<ClientTls>, ConfigError> {
    let error = |problem| ConfigError::file(dir, problem);
    let mut tls = ClientTls::default();
    let mut first: Option<PathBuf> = None;
    for name in names {
        let path = dir.join(name);
        let has = |ending: &str| names.binary_search(&name.with_extension(ending)).is_ok();
        match name.extension().and_then(OsStr::to_str) {
            Some("crt") if is_client_certificate(hosts_toml, &has) => {}
            Some("crt") => tls.roots.push(pem::roots(&path).map_err(error)?),
            Some("cert") => {
                let key = path.with_extension("key");
                let key = match has("key") {
                    true => Some(key),
                    false if pem::holds_key(&path) => None,
                    false if hosts_toml == HostsTomlPresence::Present => continue,
                    false => return Err(incomplete_pair(&path, key)),
                };
                if let Some(used) = &first {
                    let used = used.clone();
                    findings.push(Finding::file(dir, FindingKind::SeveralIdentities { used }));
                    continue;
                }
                tls.identity = Some(pem::identity(&path, key.as_deref()).map_err(error)?);
                first = Some(path);
            }
            Some("key") if !has("cert") && hosts_toml == HostsTomlPresence::Absent => {
                let missing = path.with_extension("cert");
                return Err(incomplete_pair(&path, missing));
            }
            _ => {}
        }
    }
    Ok(Some(tls).filter(|tls| *tls != ClientTls::default()))
}

/// Returns whether a `.crt` file is a client certificate and no root: a `hosts.toml` names it, and it has a key, as in
/// `tls.crt` with `tls.key`.
fn is_client_certificate(hosts_toml: HostsTomlPresence, has: &impl Fn(&str) -> bool) -> bool {
    hosts_toml == HostsTomlPresence::Present && has("key") && !has("cert")
}

fn incomplete_pair(path: &Path, missing: PathBuf) -> ConfigError {
    ConfigError::file(path, ConfigProblem::IncompletePair { missing })
}

//! A registry's directory as Docker has it: `*.crt`, `*.cert` and `*.key` (EP-10).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use windlass_registry::ClientTls;

use crate::error::{ConfigError, Problem};
use crate::pem;
use crate::source::{Finding, Remark};

/// What else is in the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// Nothing that could name the files.
    Nothing,
    /// A `hosts.toml`. It may name any of the files, so a half of a pair is nobody's mistake.
    HostsToml,
}

/// Reads the certificates among `names`, the files of the directory `dir` in order. None if there is none.
pub(crate) fn read(
    dir: &Path,
    names: &[PathBuf],
    beside: Beside,
    findings: &mut Vec<Finding>,
) -> Result<Option<ClientTls>, ConfigError> {
    let wrong = |problem| ConfigError::file(dir, problem);
    let mut tls = ClientTls::default();
    let mut first: Option<PathBuf> = None;
    for name in names {
        let path = dir.join(name);
        let has = |ending: &str| names.binary_search(&name.with_extension(ending)).is_ok();
        match name.extension().and_then(OsStr::to_str) {
            Some("crt") if is_clients(beside, &has) => {}
            Some("crt") => tls.roots.push(pem::roots(&path).map_err(wrong)?),
            Some("cert") => {
                let key = path.with_extension("key");
                let key = match has("key") {
                    true => Some(key),
                    false if pem::holds_key(&path) => None,
                    false if beside == Beside::HostsToml => continue,
                    false => return Err(lone_half(&path, key)),
                };
                if let Some(used) = &first {
                    let used = used.clone();
                    findings.push(Finding::file(dir, Remark::SeveralIdentities { used }));
                    continue;
                }
                tls.identity = Some(pem::identity(&path, key.as_deref()).map_err(wrong)?);
                first = Some(path);
            }
            Some("key") if !has("cert") && beside == Beside::Nothing => {
                let missing = path.with_extension("cert");
                return Err(lone_half(&path, missing));
            }
            _ => {}
        }
    }
    Ok(Some(tls).filter(|tls| *tls != ClientTls::default()))
}

/// `tls.crt` with its `tls.key` is a client's certificate that a `hosts.toml` names; nobody is to trust it.
fn is_clients(beside: Beside, has: &impl Fn(&str) -> bool) -> bool {
    beside == Beside::HostsToml && has("key") && !has("cert")
}

fn lone_half(path: &Path, missing: PathBuf) -> ConfigError {
    ConfigError::file(path, Problem::LoneHalf { missing })
}

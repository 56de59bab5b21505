//! What was said in a `daemon.json`, each with its place.

use std::path::Path;

use url::Url;

use super::DaemonJson;
use crate::settings::{Proxy, ProxySettings};
use crate::source::{Origin, Setting};

/// What `daemon.json`s say of registries and pulling.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Docker Hub's mirrors (EP-2).
    pub(crate) mirrors: Option<Setting<Vec<Url>>>,
    pub(crate) insecure: Option<Setting<Vec<String>>>,
    pub(crate) proxies: ProxySettings,
    pub(crate) downloads: Option<Setting<u64>>,
    pub(crate) attempts: Option<Setting<u64>>,
}

impl Said {
    /// What the file at `path` says.
    pub(crate) fn at(path: &Path, read: DaemonJson) -> Self {
        let origin = || Origin::file(path);
        let mirrors = Some(read.mirrors).filter(|mirrors| !mirrors.is_empty());
        let proxy = |proxy: Option<Proxy>| proxy.map(|proxy| Setting::new(proxy, origin()));
        let number = |number: Option<u64>| number.map(|number| Setting::new(number, origin()));
        Self {
            mirrors: mirrors.map(|mirrors| Setting::new(mirrors, origin())),
            insecure: read.insecure.map(|hosts| Setting::new(hosts, origin())),
            proxies: ProxySettings {
                http: proxy(read.http),
                https: proxy(read.https),
                no_proxy: read.no_proxy.map(|hosts| Setting::new(hosts, origin())),
            },
            downloads: number(read.downloads),
            attempts: number(read.attempts),
        }
    }

    /// Returns what this says, and what `weaker` says where this says nothing.
    pub(crate) fn over(self, weaker: Self) -> Self {
        Self {
            mirrors: self.mirrors.or(weaker.mirrors),
            insecure: self.insecure.or(weaker.insecure),
            proxies: self.proxies.over(weaker.proxies),
            downloads: self.downloads.or(weaker.downloads),
            attempts: self.attempts.or(weaker.attempts),
        }
    }
}

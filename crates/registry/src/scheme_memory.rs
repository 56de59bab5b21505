//! The scheme that each host used last, so that a wrong guess costs one request per process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::endpoint::Endpoint;

/// The maximum number of recorded hosts. Each one that is evicted costs one request.
const MAX_HOSTS: usize = 1024;

/// Whether an endpoint has the scheme by which its host has responded before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemeMatch {
    /// The host has not responded yet.
    Unknown,
    /// It has responded by this scheme.
    Same,
    /// It has responded by the other scheme.
    Other,
}

/// The schemes of hosts that have responded.
#[derive(Debug, Default)]
pub(crate) struct SchemeMemory {
    /// Whether it is https, by host and port.
    is_https: Mutex<HashMap<String, bool>>,
}

impl SchemeMemory {
    /// Records a response of `endpoint`. A response with TLS is never replaced by one without (FB-4).
    pub(crate) fn record(&self, endpoint: &Endpoint) {
        let mut hosts = self.is_https.lock().unwrap_or_else(PoisonError::into_inner);
        if hosts.len() >= MAX_HOSTS {
            hosts.clear();
        }
        let host = endpoint.origin().authority().to_owned();
        *hosts.entry(host).or_default() |= endpoint.is_https();
    }

    /// Compares the scheme of `endpoint` with the recorded one.
    pub(crate) fn compare(&self, endpoint: &Endpoint) -> SchemeMatch {
        let hosts = self.is_https.lock().unwrap_or_else(PoisonError::into_inner);
        match hosts.get(endpoint.origin().authority()) {
            None => SchemeMatch::Unknown,
            Some(is_https) if *is_https == endpoint.is_https() => SchemeMatch::Same,
            Some(_) => SchemeMatch::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FB-4.
    #[test]
    fn https_is_never_forgotten_for_http() {
        let memory = SchemeMemory::default();
        let secure = Endpoint::parse("https://reg.test:5000").unwrap();
        let plain = Endpoint::parse("http://reg.test:5000").unwrap();
        assert_eq!(memory.compare(&plain), SchemeMatch::Unknown);
        memory.record(&plain);
        assert_eq!(memory.compare(&plain), SchemeMatch::Same);
        assert_eq!(memory.compare(&secure), SchemeMatch::Other);
        memory.record(&secure);
        memory.record(&plain);
        assert_eq!(memory.compare(&plain), SchemeMatch::Other);
        assert_eq!(memory.compare(&secure), SchemeMatch::Same);
        let other_port = Endpoint::parse("https://reg.test").unwrap();
        assert_eq!(memory.compare(&other_port), SchemeMatch::Unknown);
    }
}

//! Name resolution that does not let a token server's name lead onto the link.
//!
//! An address literal in a realm is refused by [`crate::realm`]; a name can be made to resolve to the same
//! address (D4, "dial-time check"). Only link-local and unspecified addresses are refused here: token
//! servers on private networks are common, and no registry's is on a cloud's metadata address.

use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::Special;

/// The system's resolver, with a list of names that it looks at twice.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resolver {
    guarded: Arc<Mutex<HashSet<String>>>,
}

/// A guarded name has only addresses that are not asked.
#[derive(Debug)]
pub(crate) struct RefusedAddress;

impl Resolver {
    /// From now on refuses the addresses above for `host`.
    pub(crate) fn guard(&self, host: &str) {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.insert(host.to_ascii_lowercase());
    }

    fn is_guarded(&self, host: &str) -> bool {
        let guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.contains(&host.to_ascii_lowercase())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.is_guarded(name.as_str());
        Box::pin(async move {
            // Port 0: the connector puts in the one of the URL.
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed = if guarded {
                without_the_link(found)?
            } else {
                found
            };
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for RefusedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name leads to a link-local address")
    }
}

impl std::error::Error for RefusedAddress {}

fn without_the_link(mut found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, RefusedAddress> {
    found.retain(|address| {
        !matches!(
            Special::of(address.ip()),
            Some(Special::LinkLocal | Special::Unspecified | Special::Multicast)
        )
    });
    if found.is_empty() {
        Err(RefusedAddress)
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T25: a realm by name, which resolves to the metadata address.
    #[test]
    fn refuses_a_name_that_leads_onto_the_link() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (bad, good) = (parse("169.254.169.254:443"), parse("10.0.0.1:443"));
        assert!(without_the_link(vec![bad, parse("[fe80::1]:443")]).is_err());
        assert_eq!(without_the_link(vec![bad, good]).unwrap(), [good]);
    }
}

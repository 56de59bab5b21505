//! Proxies on loopback that record their requests: HTTP and SOCKS5.
//!
//! A proxy resolves only names that a test has mapped to an address of loopback, and connects to nothing else.

mod http;
mod server;
mod socks5;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

pub use http::{HttpProxy, ProxyRequest};
pub use socks5::{Socks5Proxy, SocksHost, SocksRequest};

/// A proxy that is not running yet.
///
/// ```
/// use windlass_testing::{Ca, HttpProxy, Registry};
///
/// let registry = Registry::builder().tls(&Ca::new()).start();
/// let proxy = HttpProxy::builder()
///     .name("reg.test:443", registry.address())
///     .login("me", "secret")
///     .start();
/// // … pull `reg.test/app:1` through `proxy.url()` …
/// assert_eq!(proxy.log(), [""; 0]);
/// ```
pub struct ProxyBuilder<P> {
    rules: ProxyRules,
    start: fn(ProxyRules) -> P,
}

/// The configuration of a proxy.
#[derive(Debug, Default)]
struct ProxyRules {
    names: HashMap<String, SocketAddr>,
    login: Option<(String, String)>,
}

/// The state that the connections of a proxy share: its configuration, and the recorded requests `R`.
#[derive(Debug)]
struct ProxyState<R> {
    rules: ProxyRules,
    record: Mutex<ProxyRecord<R>>,
}

#[derive(Debug)]
struct ProxyRecord<R> {
    requests: Vec<R>,
    /// The response to all requests instead of a connection: a status, or a SOCKS reply.
    refusal: Option<u16>,
}

impl<P> ProxyBuilder<P> {
    fn new(start: fn(ProxyRules) -> P) -> Self {
        Self {
            rules: ProxyRules::default(),
            start,
        }
    }

    /// Maps `name:port` (or `address:port`) to an address of loopback.
    ///
    /// # Panics
    /// If the address is not of loopback.
    #[must_use]
    pub fn name(mut self, name: &str, address: SocketAddr) -> Self {
        assert!(address.ip().is_loopback(), "{address} is not of loopback");
        self.rules.names.insert(name.to_owned(), address);
        self
    }

    /// Requires this login.
    #[must_use]
    pub fn login(mut self, username: &str, password: &str) -> Self {
        self.rules.login = Some((username.to_owned(), password.to_owned()));
        self
    }

    /// Starts the proxy on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// If there is none.
    pub fn start(self) -> P {
        (self.start)(self.rules)
    }
}

impl ProxyRules {
    /// Returns the address for `target`; addresses of loopback map to themselves.
    fn find(&self, target: &str) -> Option<SocketAddr> {
        let itself = || target.parse().ok();
        let address = self.names.get(target).copied().or_else(itself)?;
        address.ip().is_loopback().then_some(address)
    }
}

impl<R: Clone> ProxyState<R> {
    fn new(rules: ProxyRules) -> Arc<Self> {
        let record = Mutex::new(ProxyRecord {
            requests: Vec::new(),
            refusal: None,
        });
        Arc::new(Self { rules, record })
    }

    fn record(&self, request: R) {
        self.locked().requests.push(request);
    }

    fn requests(&self) -> Vec<R> {
        self.locked().requests.clone()
    }

    fn refusal(&self) -> Option<u16> {
        self.locked().refusal
    }

    fn refuse(&self, with: Option<u16>) {
        self.locked().refusal = with;
    }

    fn locked(&self) -> MutexGuard<'_, ProxyRecord<R>> {
        self.record
            .lock()
            .expect("no thread panics with the record locked")
    }
}

impl<P> fmt::Debug for ProxyBuilder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = &self.rules.names;
        f.debug_tuple("ProxyBuilder").field(names).finish()
    }
}

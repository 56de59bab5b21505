//! The sockets of the daemon.

use std::path::PathBuf;

use windlass_daemon::{Address, Bound, Inherited, Tls, bind, bind_metrics, bind_tcp};

use super::error::DaemonError;
use super::plan::{Fixed, TlsFiles, daemon};
use crate::environment::Environment;
use crate::error::Error;

/// The socket's place for root; others have one for the time that they are logged in.
const SYSTEM_SOCKET: &str = "/run/windlass.sock";
const USER_SOCKET: &str = "windlass.sock";

/// What is to be listened on.
#[derive(Debug)]
pub(super) struct Listening {
    fixed: Fixed,
    addresses: Vec<Address>,
    inherited: Inherited,
    tls: Option<Tls>,
}

impl Listening {
    /// Finds out what it is, and takes what was inherited.
    pub(super) fn new(fixed: &Fixed, environment: &Environment) -> Result<Self, Error> {
        let service = &environment.service;
        let inherited = Inherited::take(service.sockets, &service.socket_names)
            .map_err(|error| daemon(DaemonError::Bind(error)))?;
        let addresses = match (fixed.hosts.is_empty(), inherited.is_empty()) {
            (false, _) => fixed.hosts.clone(),
            (true, false) => vec![Address::Inherited(None)],
            (true, true) => {
                let usual = usual(environment).ok_or_else(|| daemon(DaemonError::NoPlace))?;
                vec![Address::Unix(usual)]
            }
        };
        let tls = fixed.tls.as_ref().map(TlsFiles::read);
        Ok(Self {
            fixed: fixed.clone(),
            addresses,
            inherited,
            tls: tls.transpose().map_err(daemon)?,
        })
    }

    /// Returns the certificates, for clients from elsewhere.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Listens. Those that are made here go when they are dropped.
    pub(super) fn sockets(mut self) -> Result<Vec<Bound>, DaemonError> {
        let mut sockets = Vec::new();
        for address in &self.addresses {
            match (address, &self.tls) {
                (Address::Unix(path), _) => {
                    let bound = bind(path, self.fixed.group.as_deref());
                    sockets.push(bound.map_err(DaemonError::Bind)?);
                }
                (Address::Tcp(at), Some(tls)) => {
                    sockets.push(bind_tcp(*at, tls).map_err(DaemonError::Bind)?);
                }
                (Address::Tcp(_), None) => {
                    return Err(DaemonError::WithoutTls {
                        address: address.to_string(),
                        missing: "a certificate",
                    });
                }
                (Address::Inherited(name), tls) => {
                    let claimed = self.inherited.claim(name.as_deref(), tls.as_ref());
                    sockets.extend(claimed.map_err(DaemonError::Bind)?);
                }
            }
        }
        if !self.inherited.is_empty() {
            tracing::warn!(
                "there are sockets of the service manager that no --host names: they are closed"
            );
        }
        if let Some(metrics) = self.fixed.metrics {
            sockets.push(bind_metrics(metrics).map_err(DaemonError::Bind)?);
        }
        Ok(sockets)
    }
}

fn usual(environment: &Environment) -> Option<PathBuf> {
    if environment.is_root {
        return Some(SYSTEM_SOCKET.into());
    }
    let runtime = environment.xdg_runtime_dir.as_ref()?;
    Some(runtime.join(USER_SOCKET))
}

//! The sockets of the daemon.

use std::path::PathBuf;

use windlass_daemon::{DaemonAddress, DaemonListener};
use windlass_listen::{InheritedSockets, ServerTls};

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
    addresses: Vec<DaemonAddress>,
    inherited: InheritedSockets,
    tls: Option<ServerTls>,
}

impl Listening {
    /// Finds out what it is, and takes what was inherited.
    pub(super) fn new(fixed: &Fixed, environment: &Environment) -> Result<Self, Error> {
        let service = &environment.service;
        let inherited = InheritedSockets::take(service.sockets, &service.socket_names)
            .map_err(|error| daemon(DaemonError::Bind(error)))?;
        let addresses = match (fixed.hosts.is_empty(), inherited.is_empty()) {
            (false, _) => fixed.hosts.clone(),
            (true, false) => vec![DaemonAddress::Inherited(None)],
            (true, true) => {
                let usual = usual(environment).ok_or_else(|| daemon(DaemonError::NoPlace))?;
                vec![DaemonAddress::Unix(usual)]
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
    pub(super) fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Listens. Those that are made here go when they are dropped.
    pub(super) fn sockets(mut self) -> Result<Vec<DaemonListener>, DaemonError> {
        let mut sockets = Vec::new();
        for address in &self.addresses {
            match (address, &self.tls) {
                (DaemonAddress::Unix(path), _) => {
                    let bound = DaemonListener::unix(path, self.fixed.group.as_deref());
                    sockets.push(bound.map_err(DaemonError::Bind)?);
                }
                (DaemonAddress::Tcp(at), Some(tls)) => {
                    sockets.push(DaemonListener::tcp(*at, tls).map_err(DaemonError::Bind)?);
                }
                (DaemonAddress::Tcp(_), None) => {
                    return Err(DaemonError::WithoutTls {
                        address: address.to_string(),
                        missing: "a certificate",
                    });
                }
                (DaemonAddress::Inherited(name), tls) => {
                    let claimed = DaemonListener::inherited(
                        &mut self.inherited,
                        name.as_deref(),
                        tls.as_ref(),
                    );
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
            sockets.push(DaemonListener::metrics(metrics).map_err(DaemonError::Bind)?);
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

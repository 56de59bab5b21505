//! The listeners of the daemon.

use std::path::PathBuf;

use windlass_daemon::{DaemonAddress, DaemonListener};
use windlass_listen::{InheritedSockets, ServerTls};

use super::config::{FixedConfig, TlsFiles};
use crate::environment::Environment;
use crate::error::DaemonError;

/// The default path of the socket for root. For other users it is in their runtime directory.
const SYSTEM_SOCKET: &str = "/run/windlass.sock";
const USER_SOCKET: &str = "windlass.sock";

/// The listeners to create.
#[derive(Debug)]
pub(super) struct ListenerPlan {
    fixed: FixedConfig,
    addresses: Vec<DaemonAddress>,
    inherited: InheritedSockets,
    tls: Option<ServerTls>,
}

impl ListenerPlan {
    /// Determines the addresses, and takes the inherited sockets.
    pub(super) fn new(fixed: &FixedConfig, environment: &Environment) -> Result<Self, DaemonError> {
        let service = &environment.service;
        let inherited = InheritedSockets::take(service.sockets, &service.socket_names)
            .map_err(DaemonError::Bind)?;
        let addresses = match (fixed.hosts.is_empty(), inherited.is_empty()) {
            (false, _) => fixed.hosts.clone(),
            (true, false) => vec![DaemonAddress::Inherited(None)],
            (true, true) => {
                let default_path = default_path(environment).ok_or(DaemonError::NoSocketPath)?;
                vec![DaemonAddress::Unix(default_path)]
            }
        };
        let tls = fixed.tls.as_ref().map(TlsFiles::read);
        Ok(Self {
            fixed: fixed.clone(),
            addresses,
            inherited,
            tls: tls.transpose()?,
        })
    }

    /// Returns the TLS configuration for clients from the network.
    pub(super) fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Creates the listeners. Dropping them removes the paths of sockets that were created here.
    pub(super) fn bind(mut self) -> Result<Vec<DaemonListener>, DaemonError> {
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
            tracing::warn!("no --host names some sockets of the service manager: they are closed");
        }
        if let Some(metrics) = self.fixed.metrics {
            sockets.push(DaemonListener::metrics(metrics).map_err(DaemonError::Bind)?);
        }
        Ok(sockets)
    }
}

fn default_path(environment: &Environment) -> Option<PathBuf> {
    if environment.is_root {
        return Some(SYSTEM_SOCKET.into());
    }
    let runtime = environment.xdg_runtime_dir.as_ref()?;
    Some(runtime.join(USER_SOCKET))
}

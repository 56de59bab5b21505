//! Connects to the host of a URI, through a proxy if one is configured.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tower_service::Service;
use url::Host;

use crate::connection::AddressPolicy;
use crate::dial::Dialer;
use crate::error::{ProxyFailure, SendError, SendPhase};
use crate::pooled::TrackedStream;
use crate::proxy::{ProxyProtocol, ProxyRoutes, ProxyServer, connect_socks, open_tunnel};
use crate::stream::NetworkStream;
use crate::target::TargetOrigin;
use crate::tls::{TlsHandshaker, TlsPeer};

/// Opens the connections of a transport. Clones are equivalent.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<ConnectorInner>);

/// Everything that opening a connection depends on.
pub(crate) struct ConnectorInner {
    pub(crate) dialer: Dialer,
    pub(crate) handshaker: TlsHandshaker,
    pub(crate) routes: ProxyRoutes,
    pub(crate) address_policy: AddressPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) user_agent: HeaderValue,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TrackedStream>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = self.0.clone();
        Box::pin(async move {
            let target = TargetOrigin::of(&uri)?;
            let stream = timeout(inner.connect_timeout, inner.connect(&target)).await;
            let timed_out = SendError::Timeout {
                waiting_for: SendPhase::Connection,
            };
            stream.unwrap_or(Err(timed_out)).map(TokioIo::new)
        })
    }
}

impl ConnectorInner {
    async fn connect(&self, target: &TargetOrigin) -> Result<TrackedStream, SendError> {
        self.address_policy.check_literal(&target.host)?;
        let stream = match self.routes.proxy_for(target) {
            Some(proxy) => self.connect_through(proxy, target).await?,
            None => {
                self.dial(&target.host, target.port, self.address_policy)
                    .await?
            }
        };
        if target.secure {
            let (stream, h2) = self
                .handshaker
                .secure(stream, &target.host, TlsPeer::Origin)
                .await?;
            Ok(TrackedStream::new(stream, h2, false))
        } else {
            let proxied = self.routes.relay_for(target).is_some();
            Ok(TrackedStream::new(stream, false, proxied))
        }
    }

    /// Connects to the target through `proxy`, or to the proxy itself if it relays the request.
    async fn connect_through(
        &self,
        proxy: &ProxyServer,
        target: &TargetOrigin,
    ) -> Result<NetworkStream, SendError> {
        match proxy.protocol {
            ProxyProtocol::Http { .. } => {
                let mut stream = self.connect_to_proxy(proxy).await?;
                if target.secure {
                    open_tunnel(&mut stream, proxy, target, &self.user_agent)
                        .await
                        .map_err(|source| SendError::Proxy { source })?;
                }
                Ok(stream)
            }
            ProxyProtocol::Socks {
                resolves_locally: false,
            } => {
                self.connect_through_socks(proxy, &target.host, target.port)
                    .await
            }
            ProxyProtocol::Socks {
                resolves_locally: true,
            } => self.connect_through_socks_by_address(proxy, target).await,
        }
    }

    /// Lets the proxy try the addresses of the host one after the other: a SOCKS request contains one address
    /// only.
    async fn connect_through_socks_by_address(
        &self,
        proxy: &ProxyServer,
        target: &TargetOrigin,
    ) -> Result<NetworkStream, SendError> {
        let addresses = self
            .dialer
            .addresses(&target.host, self.address_policy)
            .await?;
        let mut refusal = None;
        for address in addresses {
            let host = match address {
                IpAddr::V4(address) => Host::Ipv4(address),
                IpAddr::V6(address) => Host::Ipv6(address),
            };
            match self.connect_through_socks(proxy, &host, target.port).await {
                Err(SendError::Proxy {
                    source: source @ ProxyFailure::Socks { .. },
                }) => refusal = Some(source),
                outcome => return outcome,
            }
        }
        let source = refusal.expect("there is at least one address, and the proxy refused each");
        Err(SendError::Proxy { source })
    }

    async fn connect_through_socks(
        &self,
        proxy: &ProxyServer,
        host: &Host,
        port: u16,
    ) -> Result<NetworkStream, SendError> {
        let mut stream = self.connect_to_proxy(proxy).await?;
        connect_socks(&mut stream, proxy, host, port)
            .await
            .map_err(|source| SendError::Proxy { source })?;
        Ok(stream)
    }

    async fn connect_to_proxy(&self, proxy: &ProxyServer) -> Result<NetworkStream, SendError> {
        let stream = self
            .dial(&proxy.host, proxy.port, AddressPolicy::Any)
            .await
            .map_err(SendError::into_proxy_error)?;
        if proxy.protocol != (ProxyProtocol::Http { secure: true }) {
            return Ok(stream);
        }
        let secured = self.handshaker.secure(stream, &proxy.host, TlsPeer::Proxy);
        let (stream, _) = secured.await.map_err(SendError::into_proxy_error)?;
        Ok(stream)
    }

    async fn dial(
        &self,
        host: &Host,
        port: u16,
        address_policy: AddressPolicy,
    ) -> Result<NetworkStream, SendError> {
        let stream = self.dialer.dial(host, port, address_policy).await?;
        Ok(NetworkStream::Plain(stream))
    }
}

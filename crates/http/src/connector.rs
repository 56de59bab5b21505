//! From a URI to a connection that HTTP can be spoken over.

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
use crate::line::Wire;
use crate::proxy::{Kind, Proxy, Routes, ask_socks, open_tunnel};
use crate::stream::Stream;
use crate::target::Target;
use crate::tls::{Handshakes, Peer};

/// Makes the connections of a transport. Clones are the same.
#[derive(Clone)]
pub(crate) struct Connector(pub(crate) Arc<Ways>);

/// All that is needed to get somewhere.
pub(crate) struct Ways {
    pub(crate) dialer: Dialer,
    pub(crate) handshakes: Handshakes,
    pub(crate) routes: Routes,
    pub(crate) reach: AddressPolicy,
    pub(crate) limit: Duration,
    pub(crate) user_agent: HeaderValue,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = SendError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, SendError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let ways = self.0.clone();
        Box::pin(async move {
            let target = Target::of(&uri)?;
            let wire = timeout(ways.limit, ways.connect(&target)).await;
            let too_late = SendError::Timeout {
                waiting_for: SendPhase::Connection,
            };
            wire.unwrap_or(Err(too_late)).map(TokioIo::new)
        })
    }
}

impl Ways {
    async fn connect(&self, target: &Target) -> Result<Wire, SendError> {
        self.reach.check_literal(&target.host)?;
        let stream = match self.routes.to(target) {
            Some(proxy) => self.through(proxy, target).await?,
            None => self.dial(&target.host, target.port, self.reach).await?,
        };
        if target.secure {
            let (stream, h2) = self
                .handshakes
                .secure(stream, &target.host, Peer::Origin)
                .await?;
            Ok(Wire::new(stream, h2, false))
        } else {
            let proxied = self.routes.relay(target).is_some();
            Ok(Wire::new(stream, false, proxied))
        }
    }

    /// Connects to what `proxy` leads to; to the proxy itself if it is to relay the request.
    async fn through(&self, proxy: &Proxy, target: &Target) -> Result<Stream, SendError> {
        match proxy.kind {
            Kind::Http { .. } => {
                let mut stream = self.reach_proxy(proxy).await?;
                if target.secure {
                    open_tunnel(&mut stream, proxy, target, &self.user_agent)
                        .await
                        .map_err(|source| SendError::Proxy { source })?;
                }
                Ok(stream)
            }
            Kind::Socks { names_here: false } => {
                self.through_socks(proxy, &target.host, target.port).await
            }
            Kind::Socks { names_here: true } => self.through_socks_by_address(proxy, target).await,
        }
    }

    /// Has the proxy try the addresses of the host one after the other, as it can only be asked for one.
    async fn through_socks_by_address(
        &self,
        proxy: &Proxy,
        target: &Target,
    ) -> Result<Stream, SendError> {
        let addresses = self.dialer.addresses(&target.host, self.reach).await?;
        let mut refusal = None;
        for address in addresses {
            let host = match address {
                IpAddr::V4(address) => Host::Ipv4(address),
                IpAddr::V6(address) => Host::Ipv6(address),
            };
            match self.through_socks(proxy, &host, target.port).await {
                Err(SendError::Proxy {
                    source: source @ ProxyFailure::Socks { .. },
                }) => refusal = Some(source),
                outcome => return outcome,
            }
        }
        let source = refusal.expect("a host has an address, and each was refused");
        Err(SendError::Proxy { source })
    }

    async fn through_socks(
        &self,
        proxy: &Proxy,
        host: &Host,
        port: u16,
    ) -> Result<Stream, SendError> {
        let mut stream = self.reach_proxy(proxy).await?;
        ask_socks(&mut stream, proxy, host, port)
            .await
            .map_err(|source| SendError::Proxy { source })?;
        Ok(stream)
    }

    async fn reach_proxy(&self, proxy: &Proxy) -> Result<Stream, SendError> {
        let stream = self
            .dial(&proxy.host, proxy.port, AddressPolicy::Any)
            .await
            .map_err(SendError::of_the_proxy)?;
        if proxy.kind != (Kind::Http { secure: true }) {
            return Ok(stream);
        }
        let secured = self.handshakes.secure(stream, &proxy.host, Peer::Proxy);
        let (stream, _) = secured.await.map_err(SendError::of_the_proxy)?;
        Ok(stream)
    }

    async fn dial(
        &self,
        host: &Host,
        port: u16,
        reach: AddressPolicy,
    ) -> Result<Stream, SendError> {
        let stream = self.dialer.dial(host, port, reach).await?;
        Ok(Stream::Plain(stream))
    }
}

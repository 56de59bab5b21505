//! A small HTTP server in this process, on its own thread, for services that Debian has no package for.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::TlsIdentity;

/// The body of a response, which may be streamed from another server.
pub(super) type ServiceBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// A running server; it and its connections end on drop.
pub(super) struct LocalServer {
    address: SocketAddr,
    is_tls: bool,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl LocalServer {
    /// Serves HTTP/1.1 on a free port, over TLS if there is an `identity`.
    pub(super) fn start<F>(
        ip: Ipv4Addr,
        identity: Option<&TlsIdentity>,
        respond: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = Response<ServiceBody>> + Send + 'static,
    {
        let acceptor = identity.map(acceptor);
        let is_tls = acceptor.is_some();
        let listener = TcpListener::bind((ip, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(format!("service {address}"))
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = stopped => {}
                        () = serve(listener, acceptor, respond) => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            is_tls,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of its root, without a slash at the end.
    pub(super) fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }
}

impl Drop for LocalServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for LocalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.url()).finish()
    }
}

/// Returns a body of these bytes.
pub(super) fn full(bytes: impl Into<Bytes>) -> ServiceBody {
    Full::new(bytes.into())
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

async fn serve<F>(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    respond: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static,
) where
    F: Future<Output = Response<ServiceBody>> + Send + 'static,
{
    let listener = tokio::net::TcpListener::from_std(listener)
        .expect("the listener can be registered with the runtime");
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (acceptor, respond) = (acceptor.clone(), respond.clone());
        tokio::spawn(async move {
            match acceptor {
                None => connection(stream, respond).await,
                // A client that rejects the certificate is ignored.
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        connection(stream, respond).await;
                    }
                }
            }
        });
    }
}

async fn connection<F>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    respond: impl Fn(Request<Incoming>) -> F + Send + 'static,
) where
    F: Future<Output = Response<ServiceBody>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let response = respond(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    // An error means that the client has left.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

fn acceptor(identity: &TlsIdentity) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.expect("an identity has a certificate")],
            key.expect("an identity has a key"),
        )
        .expect("the key belongs to the certificate");
    TlsAcceptor::from(Arc::new(config))
}

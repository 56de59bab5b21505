//! An HTTPS client for tests: one request with the negotiated HTTP version.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use windlass_testing::TlsIdentity;

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// The certificates, the identity and the protocols of a client.
pub(crate) struct Client {
    config: ClientConfig,
    server: ServerName<'static>,
}

impl Client {
    /// Trusts `root` (PEM) and connects to `server`, with HTTP/1.1.
    pub(crate) fn new(root: &str, server: &str) -> Self {
        Self::with(root, server, None)
    }

    /// Like [`new`](Self::new), with a client certificate.
    pub(crate) fn with(root: &str, server: &str, identity: Option<&TlsIdentity>) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(it) => {
                let chain = CertificateDer::pem_slice_iter(it.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(it.key.as_bytes()).unwrap();
                let chain = chain.collect::<Result<_, _>>().unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self {
            config,
            server: ServerName::try_from(server.to_owned()).unwrap(),
        }
    }

    /// Offers HTTP/2 first.
    pub(crate) fn http2(mut self) -> Self {
        self.config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        self
    }

    pub(crate) async fn connect(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        Ok(connector.connect(self.server.clone(), stream).await?)
    }

    /// Sends a GET for `path` that accepts any type, and reads the whole body.
    pub(crate) async fn get(
        &self,
        address: SocketAddr,
        path: &str,
    ) -> Result<Response<Bytes>, Failure> {
        self.get_over(TcpStream::connect(address).await?, path)
            .await
    }

    /// Like [`get`](Self::get), on an existing connection to the server.
    pub(crate) async fn get_over(
        &self,
        stream: TcpStream,
        path: &str,
    ) -> Result<Response<Bytes>, Failure> {
        let stream = self.connect(stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let url = format!("https://reg.test{path}");
        let request = Request::get(if http2 { &url } else { path })
            .header("host", "reg.test")
            .header("accept", "*/*")
            .body(Empty::<Bytes>::new())?;
        let response = if http2 {
            let executor = TokioExecutor::new();
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(executor, io).await?;
            tokio::spawn(connection);
            with_whole_body(sender.send_request(request).await?).await?
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
            tokio::spawn(connection);
            with_whole_body(sender.send_request(request).await?).await?
        };
        Ok(response)
    }
}

async fn with_whole_body(response: Response<Incoming>) -> Result<Response<Bytes>, Failure> {
    let (head, body) = response.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

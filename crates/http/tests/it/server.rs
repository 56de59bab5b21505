//! Scripted servers; the script handles each connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A server; it runs as long as the test's runtime.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// The heads of the received requests, each as one string.
#[derive(Clone, Default)]
pub(crate) struct RequestLog(Arc<Mutex<Vec<String>>>);

impl ScriptedServer {
    /// Starts a server that handles each connection with `serve`; connections are numbered from 0.
    pub(crate) async fn start<F>(serve: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, serve)
    }

    pub(crate) fn on<F>(
        listener: TcpListener,
        serve: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, number));
            }
        });
        Self {
            address,
            connections,
        }
    }

    /// Starts a server with TLS. Connections whose handshake fails are closed.
    pub(crate) async fn tls<F>(
        config: ServerConfig,
        serve: impl Fn(TlsStream<TcpStream>, usize) -> F + Clone + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |stream, number| {
            let (acceptor, serve) = (acceptor.clone(), serve.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, number).await;
                }
            }
        })
        .await
    }

    /// Starts a server that responds to each request with 200 and `hello`.
    pub(crate) async fn greeting(log: &RequestLog) -> Self {
        let log = log.clone();
        Self::start(move |stream, _| serve_hello(stream, log.clone())).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn secure_url(&self) -> String {
        format!("https://{}/", self.address)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl RequestLog {
    pub(crate) fn push(&self, head: &str) {
        self.0.lock().unwrap().push(head.to_owned());
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the request lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        let first = |head: &String| head.lines().next().unwrap_or_default().to_owned();
        self.heads().iter().map(first).collect()
    }
}

/// Responds to each request with 200 and `hello` until the client closes the connection.
pub(crate) async fn serve_hello(mut stream: impl AsyncRead + AsyncWrite + Unpin, log: RequestLog) {
    loop {
        let head = read_head(&mut stream).await;
        if head.is_empty() {
            return;
        }
        log.push(&head);
        write(&mut stream, &ok("hello")).await;
    }
}

pub(crate) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Returns the head of the next request; empty if the client closed the connection.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// Writes `text`; ignores errors, because the client may have closed the connection.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    drop(stream.write_all(text.as_bytes()).await);
    drop(stream.flush().await);
}

/// Waits until the client closes the connection.
pub(crate) async fn wait_for_close(mut stream: impl AsyncRead + Unpin) {
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
}

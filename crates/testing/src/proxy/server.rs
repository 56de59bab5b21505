//! A server on its own thread, stopped on drop.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// Runs until it is dropped; a panic in it then fails the test.
#[derive(Debug)]
pub(super) struct LoopbackServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    panicked: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LoopbackServer {
    /// Passes each connection to `serve`.
    pub(super) fn start<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("loopback has a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let nonblocking = listener.set_nonblocking(true);
        nonblocking.expect("a socket can be non-blocking");
        let (stop, stopped) = oneshot::channel();
        let panicked = Arc::<AtomicBool>::default();
        let flag = panicked.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime with one thread can be built");
            runtime.block_on(accept(listener, serve, stopped, flag));
        });
        Self {
            address,
            stop: Some(stop),
            panicked,
            thread: Some(thread),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            let fine = matches!(ended, Some(Ok(()))) && !self.panicked.load(Ordering::Relaxed);
            assert!(fine, "the proxy panicked; see the output above");
        }
    }
}

async fn accept<F>(
    listener: std::net::TcpListener,
    serve: impl Fn(TcpStream) -> F,
    mut stopped: oneshot::Receiver<()>,
    panicked: Arc<AtomicBool>,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let listener =
        TcpListener::from_std(listener).expect("the listener can be registered with the runtime");
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // The sender is only ever dropped.
            _ = &mut stopped => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (work, panicked) = (tokio::spawn(serve(stream)), panicked.clone());
        tokio::spawn(async move {
            if work.await.is_err_and(|error| error.is_panic()) {
                panicked.store(true, Ordering::Relaxed);
            }
        });
    }
}

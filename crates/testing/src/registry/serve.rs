//! Accepts connections according to the availability, and serves HTTP on them.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::RegistryShared;
use super::availability::{Availability, ReservedPort, SwitchState};
use super::respond::{ConnectionContext, respond};
use super::socket::{ConnectionSocket, FlushCountingStream};
use super::tls::{self, TlsHandshake};

/// Runs the tasks of HTTP/2 and records their panics.
#[derive(Clone)]
struct PanicTrackingExecutor(Arc<RegistryShared>);

impl<F> Executor<F> for PanicTrackingExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        spawn_tracking_panics(self.0.clone(), future);
    }
}

/// Serves until the registry is stopped. The port is released only then.
pub(super) async fn serve(shared: Arc<RegistryShared>, port: ReservedPort, listener: TcpListener) {
    let mut listener = Some(asynchronous(listener));
    let mut switch = shared.switch.subscribe();
    loop {
        let position = *switch.borrow_and_update();
        match position.power {
            Availability::Off => return,
            Availability::Refusing => listener = None,
            Availability::Up | Availability::Resetting | Availability::Silent => {
                listener.get_or_insert_with(|| asynchronous(port.listen()));
            }
        }
        shared.switch.mark_reached(position);
        accept(&shared, listener.as_ref(), &mut switch).await;
    }
}

/// Accepts connections until the switch changes.
async fn accept(
    shared: &Arc<RegistryShared>,
    listener: Option<&tokio::net::TcpListener>,
    switch: &mut watch::Receiver<SwitchState>,
) {
    loop {
        let accepted = async {
            match listener {
                Some(listener) => listener.accept().await,
                None => std::future::pending().await,
            }
        };
        let accepted = tokio::select! {
            biased;
            // An error means that the registry is gone, which is preceded by a change to `Off`.
            _ = switch.changed() => return,
            accepted = accepted => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let number = shared.connections.fetch_add(1, Ordering::Relaxed);
        spawn_tracking_panics(
            shared.clone(),
            serve_while_up(shared.clone(), stream, number),
        );
    }
}

/// A test whose registry panicked must fail, so panics are recorded for the end.
fn spawn_tracking_panics(
    shared: Arc<RegistryShared>,
    work: impl Future<Output = ()> + Send + 'static,
) {
    let work = tokio::spawn(work);
    tokio::spawn(async move {
        if work.await.is_err_and(|error| error.is_panic()) {
            shared.panicked.store(true, Ordering::Relaxed);
        }
    });
}

/// Serves a connection while the registry is up, pauses it while it is silent, and resets it otherwise.
async fn serve_while_up(shared: Arc<RegistryShared>, stream: TcpStream, number: u64) {
    let Ok(socket) = ConnectionSocket::new(&stream).map(Arc::new) else {
        return;
    };
    let mut switch = shared.switch.subscribe();
    let initial = *switch.borrow_and_update();
    let serving = connection(shared.clone(), stream, socket.clone(), number);
    tokio::pin!(serving);
    let mut now = initial;
    loop {
        let serves = match now.power {
            _ if now.resets != initial.resets => return socket.reset_on_close(),
            Availability::Resetting | Availability::Refusing | Availability::Off => {
                return socket.reset_on_close();
            }
            Availability::Up => true,
            Availability::Silent => false,
        };
        tokio::select! {
            biased;
            changed = switch.changed() => if changed.is_err() { return },
            () = &mut serving, if serves => return,
        }
        now = *switch.borrow_and_update();
    }
}

/// Serves TLS if the registry has it; a client without TLS gets an error over plain HTTP.
async fn connection(
    shared: Arc<RegistryShared>,
    stream: TcpStream,
    socket: Arc<ConnectionSocket>,
    number: u64,
) {
    drop(stream.set_nodelay(true));
    let mut context = ConnectionContext {
        shared: shared.clone(),
        socket,
        number,
        handshake: None,
    };
    let Some(acceptor) = &shared.acceptor else {
        return http1(context, stream).await;
    };
    match tls::starts_with_tls(&stream).await {
        None => return,
        Some(false) => return http1(context, stream).await,
        Some(true) => {}
    }
    // An error means that the client rejects the certificate, or has none.
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    context.handshake = Some(TlsHandshake::of(&stream));
    if tls::is_http2(&stream) {
        http2(context, stream).await;
    } else {
        http1(context, stream).await;
    }
}

// In both functions an error means that the client left or a script closed the connection; both are expected.

async fn http1(context: ConnectionContext, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let io = FlushCountingStream::new(TokioIo::new(stream), context.socket.clone());
    let context = Arc::new(context);
    let service = service_fn(move |request| respond(context.clone(), request));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.timer(TokioTimer::new());
    drop(builder.serve_connection(io, service).await);
}

async fn http2(
    context: ConnectionContext,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let io = FlushCountingStream::new(TokioIo::new(stream), context.socket.clone());
    let executor = PanicTrackingExecutor(context.shared.clone());
    let context = Arc::new(context);
    let service = service_fn(move |request| respond(context.clone(), request));
    let builder = hyper::server::conn::http2::Builder::new(executor);
    drop(builder.serve_connection(io, service).await);
}

fn asynchronous(listener: TcpListener) -> tokio::net::TcpListener {
    tokio::net::TcpListener::from_std(listener)
        .expect("the listener can be registered with the runtime")
}

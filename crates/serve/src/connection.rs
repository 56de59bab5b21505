//! One connection: its requests, one after the other.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::Hosts;
use crate::answer::answer;
use crate::log::Note;
use crate::patience::Patient;
use crate::server::Shared;

/// Serves a connection until it or the server ends.
pub(crate) async fn serve<S>(
    shared: Arc<Shared>,
    stream: S,
    peer: String,
    hosts: Hosts,
    closing: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let visit = Visit {
        shared,
        peer,
        hosts,
        closing,
    };
    let limits = &visit.shared.config.limits;
    let stream = Patient::new(stream, limits.write);
    let Some(tls) = visit
        .shared
        .config
        .tls
        .as_ref()
        .filter(|_| visit.peer != UNIX)
    else {
        return visit.speak(stream).await;
    };
    // An error is a client that speaks no TLS, or does not like the certificate.
    if let Ok(Ok(stream)) = timeout(limits.head, tls.acceptor().accept(stream)).await {
        visit.speak(stream).await;
    }
}

/// What those are called who come by a socket in the file system.
pub(crate) const UNIX: &str = "unix";

/// What hyper wants for a head, in bytes.
const LEAST_HEAD: usize = 8192;

struct Visit {
    shared: Arc<Shared>,
    peer: String,
    hosts: Hosts,
    closing: watch::Receiver<bool>,
}

impl Visit {
    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Self {
            shared,
            peer,
            hosts,
            mut closing,
        } = self;
        let limits = shared.config.limits.clone();
        let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
            let (head, _) = request.into_parts();
            let (shared, hosts, peer) = (&shared, &hosts, &peer);
            async move {
                let note = shared.config.on_answer.as_ref().map(|on_answer| {
                    let target = head
                        .uri
                        .path_and_query()
                        .map_or("", |target| target.as_str());
                    Note::new(peer, head.method.as_str(), target, Arc::clone(on_answer))
                });
                let response = answer(&shared.holdings, hosts, &head).await;
                let status = response.status().as_u16();
                Ok::<_, Infallible>(response.map(|body| match note {
                    Some(mut note) => {
                        note.status(status);
                        body.noted(note)
                    }
                    None => body,
                }))
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(limits.head_bytes.max(LEAST_HEAD))
            .half_close(false);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // An error is a client that left, or was too slow, or spoke something else.
        tokio::select! {
            ended = connection.as_mut() => return drop(ended),
            _ = closing.wait_for(|is_closing| *is_closing) => {}
        }
        connection.as_mut().graceful_shutdown();
        drop(connection.await);
    }
}

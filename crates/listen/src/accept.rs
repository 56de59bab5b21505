//! The accept loop.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::time::sleep;

use crate::accepted_connection::{AcceptedConnection, AcceptedStream};
use crate::{ConnectionLimit, Connections, ServerTls};

/// How long accepting pauses after an error that is not about one connection, such as a lack of file descriptors.
pub const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A listening socket that is registered with the runtime.
#[derive(Debug)]
pub(crate) enum AsyncListener {
    Unix(UnixListener),
    Tcp(TcpListener, Option<ServerTls>),
}

/// What connections are accepted from.
pub(crate) trait Accept {
    fn accept(&self) -> impl Future<Output = io::Result<AcceptedConnection>> + Send;
}

impl Accept for AsyncListener {
    async fn accept(&self) -> io::Result<AcceptedConnection> {
        match self {
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok(AcceptedConnection {
                    stream: AcceptedStream::Unix(stream),
                    peer: None,
                    tls: None,
                })
            }
            Self::Tcp(listener, tls) => {
                let (stream, peer) = listener.accept().await?;
                // Small responses are sent at once. A client that has disconnected already fails the first read.
                drop(stream.set_nodelay(true));
                Ok(AcceptedConnection {
                    stream: AcceptedStream::Tcp(stream),
                    peer: Some(peer),
                    tls: tls.clone(),
                })
            }
        }
    }
}

/// Accepts connections and runs `serve` on each, until the shutdown begins.
pub(crate) async fn accept_all<F>(
    listener: &impl Accept,
    connections: &Connections,
    limit: &ConnectionLimit,
    serve: impl Fn(AcceptedConnection) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let shutdown = connections.shutdown();
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(accepted) => {
                is_failing = false;
                connections.admit(accepted, limit, &serve);
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Once for each outage: clients that use up the descriptors would fill the log too.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                tokio::select! {
                    () = shutdown.begun() => return,
                    () = sleep(ACCEPT_BACKOFF) => {}
                }
            }
        }
    }
}

/// Returns whether the client disconnected before it was accepted (accept(2)).
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use tokio::time::{Instant, timeout};

    use super::*;

    /// Fails with the given errors, one after the other, and then waits for ever.
    #[derive(Default)]
    struct FailingListener {
        errors: Mutex<Vec<io::Error>>,
        calls: Mutex<Vec<Instant>>,
    }

    impl Accept for FailingListener {
        async fn accept(&self) -> io::Result<AcceptedConnection> {
            self.calls.lock().unwrap().push(Instant::now());
            let error = self.errors.lock().unwrap().pop();
            match error {
                Some(error) => Err(error),
                None => std::future::pending().await,
            }
        }
    }

    /// Returns how long accepting paused before each attempt but the first.
    async fn pauses(errors: Vec<io::Error>) -> Vec<Duration> {
        let listener = FailingListener {
            errors: Mutex::new(errors),
            ..FailingListener::default()
        };
        let (connections, limit) = (
            Connections::default(),
            ConnectionLimit::new(1, Bytes::new()),
        );
        let accepting = accept_all(&listener, &connections, &limit, |_| std::future::ready(()));
        assert!(timeout(Duration::from_secs(60), accepting).await.is_err());
        let calls = listener.calls.into_inner().unwrap();
        calls.windows(2).map(|two| two[1] - two[0]).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lack_of_descriptors_pauses_accepting() {
        // EMFILE and ENFILE.
        let errors = [24, 23, 24].map(io::Error::from_raw_os_error);
        assert_eq!(pauses(errors.into()).await, [ACCEPT_BACKOFF; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_connection_does_not_pause_accepting() {
        let errors = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
        ];
        let errors = errors.map(io::Error::from).into();
        assert_eq!(pauses(errors).await, [Duration::ZERO; 2]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_ends_accepting_during_the_pause() {
        let listener = FailingListener {
            errors: Mutex::new(vec![io::Error::from_raw_os_error(24)]),
            ..FailingListener::default()
        };
        let connections = Connections::default();
        let limit = ConnectionLimit::new(1, Bytes::new());
        let accepting = accept_all(&listener, &connections, &limit, |_| std::future::ready(()));
        let stopping = async {
            sleep(ACCEPT_BACKOFF / 2).await;
            connections.shutdown().begin(Duration::ZERO);
        };
        let begun = Instant::now();
        tokio::join!(accepting, stopping);
        assert_eq!(begun.elapsed(), ACCEPT_BACKOFF / 2);
    }
}

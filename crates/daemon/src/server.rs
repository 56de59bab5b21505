//! Connections: how they are taken, spoken to, and ended.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, SERVER};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time;
use windlass_engine_api::NEWEST;

use crate::Daemon;
use crate::answer::{Answer, Failure};
use crate::api;
use crate::request::Request;
use crate::socket::{Bound, Entry};

use crate::tls::Tls;

/// What the daemon bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time by each socket; further ones wait until one ends.
    pub connections: usize,
}

/// How long a client from elsewhere may take for the head of a request.
const HEAD: Duration = Duration::from_secs(60);
/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 128 << 10;
/// How long accepting rests when there is no room for another socket.
const REST: Duration = Duration::from_millis(100);

/// What is asked of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offer {
    /// All that the daemon does.
    Everything,
    /// The metrics.
    Metrics,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 4096 }
    }
}

impl Daemon {
    /// Answers who comes in by `sockets`, until [`Daemon::stopper`] is told to stop. Then nobody new is let in, and what runs
    /// may end for as long as that says; what has not is left, and what it pulled is kept for the next pull.
    pub async fn serve(self: Arc<Self>, sockets: Vec<Bound>, limits: Limits) -> io::Result<()> {
        let mut doors = tokio::task::JoinSet::new();
        for socket in sockets {
            let door = Door {
                daemon: Arc::clone(&self),
                room: Arc::new(Semaphore::new(limits.connections)),
            };
            // The socket is closed, and its path removed, when the door is.
            doors.spawn(door.watch(socket));
        }
        while let Some(closed) = doors.join_next().await {
            closed.map_err(io::Error::other)??;
        }
        self.visits.close();
        if time::timeout_at(self.stop.deadline(), self.visits.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.visits.len(),
                "requests that were not over in time are left"
            );
            self.stop.cut();
            self.visits.wait().await;
        }
        // Those who left, left their pulls: what came of them is written down.
        self.hauling.close();
        self.hauling.wait().await;
        self.engine.idle().await;
        Ok(())
    }
}

/// Where clients come in.
struct Door {
    daemon: Arc<Daemon>,
    room: Arc<Semaphore>,
}

/// A socket that is listened on.
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener, Tls),
    Metrics(TcpListener),
}

/// Who has come in.
enum Visitor {
    Unix(UnixStream),
    /// Who has to prove who he is first.
    Tcp(TcpStream, Tls),
    Metrics(TcpStream),
}

/// Both directions of a connection.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

impl Listener {
    fn new(socket: &Bound) -> io::Result<Self> {
        let tcp = |listener: &std::net::TcpListener| {
            let listener = listener.try_clone()?;
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        Ok(match &socket.entry {
            Entry::Unix(listener) => {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                Self::Unix(UnixListener::from_std(listener)?)
            }
            Entry::Tcp(listener, tls) => Self::Tcp(tcp(listener)?, tls.clone()),
            Entry::Metrics(listener) => Self::Metrics(tcp(listener)?),
        })
    }

    async fn accept(&self) -> io::Result<Visitor> {
        Ok(match self {
            Self::Unix(listener) => Visitor::Unix(listener.accept().await?.0),
            Self::Tcp(listener, tls) => Visitor::Tcp(listener.accept().await?.0, tls.clone()),
            Self::Metrics(listener) => Visitor::Metrics(listener.accept().await?.0),
        })
    }
}

impl Door {
    /// Lets clients in until the daemon stops; then the socket is closed, and its path goes.
    async fn watch(self, socket: Bound) -> io::Result<()> {
        let listener = Listener::new(&socket)?;
        loop {
            let entered = async {
                let place = Arc::clone(&self.room).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, visitor) = tokio::select! {
                biased;
                () = self.daemon.stop.came() => return Ok(()),
                entered = entered => entered,
            };
            let visitor = match visitor {
                Ok(visitor) => visitor,
                Err(error) => {
                    // Out of descriptors, mostly: some come back when others leave.
                    tracing::warn!(%error, "a client could not come in");
                    time::sleep(REST).await;
                    continue;
                }
            };
            let daemon = Arc::clone(&self.daemon);
            self.daemon.attend(async move {
                receive(daemon, visitor).await;
                drop(place);
            });
        }
    }
}

/// Finds out who has come in, and answers.
///
/// Those on this machine may keep a connection for ever: to close one that they are about to use would fail them.
async fn receive(daemon: Arc<Daemon>, visitor: Visitor) {
    let (stream, patience, offer): (Box<dyn Duplex>, _, _) = match visitor {
        Visitor::Unix(stream) => (Box::new(stream), None, Offer::Everything),
        Visitor::Metrics(stream) => (Box::new(stream), Some(HEAD), Offer::Metrics),
        Visitor::Tcp(stream, tls) => {
            let from = stream.peer_addr().ok();
            let secured = tokio::select! {
                secured = tls.accept(stream) => secured,
                () = daemon.stop.came() => return,
            };
            match secured {
                Ok(stream) => (Box::new(stream), Some(HEAD), Offer::Everything),
                Err(error) => {
                    tracing::warn!(%error, ?from, "a client from elsewhere was not let in");
                    return;
                }
            }
        }
    };
    converse(daemon, stream, patience, offer).await;
}

/// Answers one client, until it has left or the daemon stops.
async fn converse(
    daemon: Arc<Daemon>,
    stream: Box<dyn Duplex>,
    patience: Option<Duration>,
    offer: Offer,
) {
    let stop = daemon.stop.clone();
    let service = service_fn(move |request| respond(Arc::clone(&daemon), request, offer));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(LONGEST_HEAD);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.came() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client has left");
    }
}

async fn respond(
    daemon: Arc<Daemon>,
    request: http::Request<Incoming>,
    offer: Offer,
) -> Result<Answer, Infallible> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = match Request::read(request) {
        Ok(request) if offer == Offer::Metrics && request.path != "/metrics" => {
            Err(Failure::not_found("page not found"))
        }
        Ok(request) => api::answer(Arc::clone(&daemon), request).await,
        Err(failure) => Err(failure),
    };
    let mut answer = answered.unwrap_or_else(|failure| {
        if failure.status.is_server_error() {
            tracing::warn!(%method, %path, status = failure.status.as_u16(), error = %failure.message, "failed");
        }
        failure.answer()
    });
    daemon.metrics.answered(answer.status().as_u16());
    tracing::debug!(%method, %path, status = answer.status().as_u16(), "answered");
    sign(&mut answer, &daemon.about().version);
    Ok(answer)
}

/// Adds what every answer says of the daemon.
fn sign(answer: &mut Answer, version: &str) {
    let headers = answer.headers_mut();
    let texts = [
        ("api-version", NEWEST.to_string()),
        ("docker-experimental", "false".to_owned()),
        ("ostype", "linux".to_owned()),
        (SERVER.as_str(), format!("windlass/{version} (linux)")),
    ];
    for (name, text) in texts {
        if let (Ok(name), Ok(value)) = (
            http::HeaderName::try_from(name),
            HeaderValue::from_str(&text),
        ) {
            headers.insert(name, value);
        }
    }
}

//! The end of the daemon.

mod operations;

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use tokio::time::timeout;
use windlass::error::CredentialError;
use windlass::registry::{Caller, CredentialProvider, CredentialScope, Credentials};
use windlass::transfer::Throttle;
use windlass::{Event, Operation, PullRequest};
use windlass_daemon::Daemon;
use windlass_error_report::{Advice, ErrorCode, ErrorReport, OperationError, RegistryAction};
use windlass_listen::{
    AcceptedConnection, AcceptedStream, ConnectionLimit, Listener, UnixSocketOptions,
};

use crate::connection::{MessageReader, MessageWriter, split};
use crate::descriptor::SocketDirectory;
use crate::message::{
    CredentialReply, Handshake, OperationResult, PullParams, Request, Response, TransferRequest,
};
use crate::{MAX_REQUEST_BYTES, SOCKET_NAME};

/// The resources that clients of the control socket may use.
#[derive(Clone, Copy, Debug)]
struct ControlLimits {
    /// Connections at a time.
    connections: usize,
    /// The handshake, and then the request. A client that keeps all images sends nothing after it, for any time.
    request_timeout: Duration,
}

/// How long a command may take to send credentials. Its credential helpers have 30 seconds, and others that share a
/// transfer wait meanwhile.
const CREDENTIAL_TIMEOUT: Duration = Duration::from_secs(120);
/// The permissions of the socket: its owner may connect, as to the store.
const SOCKET_MODE: u32 = 0o600;

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            connections: 1024,
            request_timeout: Duration::from_secs(60),
        }
    }
}

/// A lookup of credentials for an operation of the daemon.
struct CredentialQuery {
    scope: CredentialScope,
    reply: oneshot::Sender<CredentialReply>,
}

/// Looks up credentials at the command that requested the operation.
struct ForwardedCredentials(mpsc::Sender<CredentialQuery>);

/// Creates the socket in the store at `root`, which this process owns. Returns a future that serves requests until the
/// daemon stops.
pub fn listen(root: &Path, daemon: Arc<Daemon>) -> io::Result<impl Future<Output = ()> + use<>> {
    listen_with(root, daemon, ControlLimits::default())
}

fn listen_with(
    root: &Path,
    daemon: Arc<Daemon>,
    limits: ControlLimits,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let directory = SocketDirectory::open(root)?;
    let path = directory.path(SOCKET_NAME);
    // This process has the lock of the store, so the previous owner of the socket no longer exists.
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let options = UnixSocketOptions {
        mode: SOCKET_MODE,
        group: None,
        prepare_directory: false,
    };
    let listener = Listener::bind_unix(&path, &options).map_err(io::Error::other)?;
    Ok(async move {
        // The path of the socket leads through this descriptor, and the listener removes it.
        let _directory = directory;
        let limit = ConnectionLimit::new(limits.connections, overload());
        let serve =
            |accepted: AcceptedConnection| serve_connection(accepted, Arc::clone(&daemon), limits);
        if let Err(error) = listener
            .accept_into(daemon.connections(), &limit, serve)
            .await
        {
            tracing::error!(%error, "the control socket does not work");
        }
    })
}

/// Returns what a connection above the limit receives: the handshake, which the client reads first, and an error.
fn overload() -> Bytes {
    let error = "the daemon has too many connections";
    let response = Response::Failed {
        report: ErrorReport::new(error, &[], &Advice::code(ErrorCode::Daemon)),
    };
    let handshake = serde_json::to_vec(&Handshake::current()).unwrap_or_default();
    let response = serde_json::to_vec(&response).unwrap_or_default();
    [&handshake[..], b"\n", &response, b"\n"].concat().into()
}

async fn serve_connection(
    accepted: AcceptedConnection,
    daemon: Arc<Daemon>,
    limits: ControlLimits,
) {
    let AcceptedStream::Unix(stream) = accepted.stream else {
        return;
    };
    if let Err(error) = serve_request(stream, &daemon, limits.request_timeout).await {
        tracing::debug!(%error, "a connection of the control socket failed");
    }
}

async fn serve_request(
    stream: UnixStream,
    daemon: &Arc<Daemon>,
    request_timeout: Duration,
) -> io::Result<()> {
    let (mut reader, writer) = split(stream, MAX_REQUEST_BYTES);
    let received = tokio::select! {
        biased;
        () = daemon.shutdown().begun() => None,
        received = receive(&mut reader, &writer, request_timeout) => received?,
    };
    let Some(request) = received else {
        return Ok(());
    };
    let response = match request {
        Request::Hold => return hold(reader, &writer, daemon).await,
        Request::Pull(params) => pull(&mut reader, &writer, daemon, params).await?,
        Request::Tag { source, target } => {
            let tag = move |daemon: &Daemon| operations::tag(daemon, source, &target);
            Some(run_blocking(daemon, tag).await)
        }
        Request::Remove { name, force } => {
            let remove = move |daemon: &Daemon| operations::remove(daemon, name, force);
            Some(run_blocking(daemon, remove).await)
        }
        Request::Prune(params) => {
            let prune = move |daemon: &Daemon| operations::prune(daemon, &params);
            Some(run_blocking(daemon, prune).await)
        }
        Request::Transfer(request) => {
            let file = reader.take_file();
            transfer(&mut reader, &writer, daemon, request, file).await?
        }
    };
    match response {
        Some(response) => writer.send(&response).await,
        None => Ok(()),
    }
}

/// Exchanges handshakes, and returns the request. Returns `None` if the command disconnects or is of another version.
async fn receive(
    reader: &mut MessageReader,
    writer: &MessageWriter,
    request_timeout: Duration,
) -> io::Result<Option<Request>> {
    let handshake = timeout(request_timeout, reader.next::<Handshake>()).await??;
    writer.send(&Handshake::current()).await?;
    match handshake == Some(Handshake::current()) {
        true => timeout(request_timeout, reader.next()).await?,
        false => Ok(None),
    }
}

/// Keeps all images until the command disconnects.
async fn hold(
    mut reader: MessageReader,
    writer: &MessageWriter,
    daemon: &Arc<Daemon>,
) -> io::Result<()> {
    let holder = Arc::clone(daemon);
    match task::spawn_blocking(move || holder.engine().lease()).await? {
        Ok(hold) => {
            let result = Box::new(OperationResult::Completed);
            writer.send(&Response::Done { result }).await?;
            // The command sends nothing more: the read ends when it disconnects.
            drop(reader.next::<Request>().await);
            drop(hold);
            Ok(())
        }
        Err(error) => writer.send(&failed(&OperationError::List(error))).await,
    }
}

/// Pulls an image. Returns `None` if the command disconnected, which cancels the pull.
async fn pull(
    reader: &mut MessageReader,
    writer: &MessageWriter,
    daemon: &Arc<Daemon>,
    params: PullParams,
) -> io::Result<Option<Response>> {
    let (credentials, queries) = mpsc::channel(1);
    let pull = daemon.start_pull(PullRequest {
        reference: params.reference.clone(),
        platform: params.platform,
        artifacts: params.artifacts,
        caller: Caller::new(Arc::new(ForwardedCredentials(credentials))),
        throttle: Throttle::new(params.limit_rate),
    });
    let message = |event| Response::PullEvent { event };
    let outcome = drive(reader, writer, queries, pull, message).await?;
    Ok(outcome.map(|outcome| match outcome {
        Ok(pulled) => Response::Done {
            result: Box::new(OperationResult::Pulled(Box::new(pulled))),
        },
        Err(source) => failed(&OperationError::Registry {
            action: RegistryAction::Pull,
            reference: params.reference,
            login: params.login,
            source: Box::new(source),
        }),
    }))
}

/// Performs a transfer. Returns `None` if the command disconnected, which cancels the transfer.
async fn transfer(
    reader: &mut MessageReader,
    writer: &MessageWriter,
    daemon: &Arc<Daemon>,
    request: TransferRequest,
    file: Option<OwnedFd>,
) -> io::Result<Option<Response>> {
    let (credentials, queries) = mpsc::channel(1);
    let caller = Caller::new(Arc::new(ForwardedCredentials(credentials)));
    let transfer = match operations::transfer(daemon, caller, request, file) {
        Ok(transfer) => transfer,
        Err(error) => return Ok(Some(failed(&error))),
    };
    let transfer = daemon.permitted(transfer).await;
    let message = |event| Response::CopyEvent { event };
    let result = drive(reader, writer, queries, transfer, message).await?;
    Ok(result.map(|result| response(Ok(result))))
}

/// Drives `operation`, and sends its events and credential queries to the command. Returns `None` if the command
/// disconnected.
async fn drive<E: Event, T: Send + 'static, X: Send + 'static>(
    reader: &mut MessageReader,
    writer: &MessageWriter,
    mut queries: mpsc::Receiver<CredentialQuery>,
    mut operation: Operation<E, T, X>,
    message: impl Fn(E) -> Response,
) -> io::Result<Option<Result<T, X>>> {
    loop {
        tokio::select! {
            biased;
            event = operation.next_event() => match event {
                Some(event) => writer.send(&message(event)).await?,
                None => return Ok(Some(operation.await)),
            },
            Some(query) = queries.recv() => {
                let CredentialScope { host, repository } = query.scope;
                writer.send(&Response::CredentialRequest { host, repository }).await?;
                match reader.next::<CredentialReply>().await? {
                    Some(reply) => drop(query.reply.send(reply)),
                    None => return Ok(None),
                }
            }
            // The command sends replies to queries only, so this is the end of the connection or a violation of the
            // protocol.
            _ = reader.next::<CredentialReply>() => return Ok(None),
        }
    }
}

/// Runs a short operation that waits for the disk.
async fn run_blocking(
    daemon: &Arc<Daemon>,
    work: impl FnOnce(&Daemon) -> Result<OperationResult, OperationError> + Send + 'static,
) -> Response {
    let daemon = Arc::clone(daemon);
    response(task::spawn_blocking(move || work(&daemon)).await)
}

fn response(result: Result<Result<OperationResult, OperationError>, task::JoinError>) -> Response {
    match result {
        Ok(Ok(result)) => Response::Done {
            result: Box::new(result),
        },
        Ok(Err(error)) => failed(&error),
        Err(error) => Response::Failed {
            report: ErrorReport::new(&error.to_string(), &[], &Advice::code(ErrorCode::Daemon)),
        },
    }
}

fn failed(error: &OperationError) -> Response {
    Response::Failed {
        report: error.report(),
    }
}

impl CredentialProvider for ForwardedCredentials {
    fn credentials<'a>(
        &'a self,
        scope: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        Box::pin(async {
            let disconnected = || CredentialError::new("the command has disconnected");
            let (reply, receiver) = oneshot::channel();
            let scope = scope.clone();
            let query = CredentialQuery { scope, reply };
            self.0.send(query).await.map_err(|_| disconnected())?;
            let reply = timeout(CREDENTIAL_TIMEOUT, receiver).await;
            let reply = reply
                .map_err(|_| CredentialError::new("the command sends no credentials"))?
                .map_err(|_| disconnected())?;
            reply.into_credentials().map_err(CredentialError::new)
        })
    }
}

impl fmt::Debug for ForwardedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardedCredentials")
    }
}

#[cfg(test)]
mod tests;

//! The end of the command.

mod result;

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::process::{Uid, geteuid};
use serde::Serialize;
use tokio::net::UnixStream;
use windlass::image::{Digest, Reference};
use windlass::registry::{CredentialProvider, CredentialScope, Credentials};
use windlass::{CopyEvent, Event, Loaded, Operation, Pruned, PullEvent, Pulled, Removal, text};
use windlass_error_report::{Advice, ErrorReport};

use crate::connection::{MessageReader, MessageWriter, split};
use crate::descriptor::SocketDirectory;
use crate::error::ControlError;
use crate::message::{
    CopyParams, CredentialReply, Handshake, ImportParams, LoadParams, OperationResult, PruneParams,
    PullParams, Request, Response, TransferRequest,
};
use crate::{LOCK_PURPOSE, MAX_RESPONSE_BYTES, SOCKET_NAME};

/// A client of the daemon that owns a store. Each request is a connection.
#[derive(Clone, Debug)]
pub struct ControlClient {
    root: PathBuf,
}

/// Keeps the daemon from removing images while it exists.
#[derive(Debug)]
pub struct ImageHold {
    _stream: StdUnixStream,
}

/// A connection to a daemon of this version.
#[derive(Debug)]
struct Connection {
    reader: MessageReader,
    writer: MessageWriter,
    may_send_credentials: bool,
}

impl ControlClient {
    /// Returns a client of the daemon that owns the store at `root`, if one accepts connections.
    pub fn find(root: &Path) -> Option<Self> {
        let directory = SocketDirectory::open(root).ok()?;
        StdUnixStream::connect(directory.path(SOCKET_NAME)).ok()?;
        let root = root.to_owned();
        Some(Self { root })
    }

    /// Returns whether the lock file of the store at `root` names a daemon as owner. The daemon may still be starting, or
    /// may have died.
    pub fn is_expected(root: &Path) -> bool {
        let lock = std::fs::read_to_string(root.join("lock")).unwrap_or_default();
        lock.lines().nth(1) == Some(LOCK_PURPOSE)
    }

    /// Keeps all images until the returned value is dropped. Blocks.
    pub fn hold(&self) -> Result<ImageHold, ControlError> {
        let directory = SocketDirectory::open(&self.root)?;
        let stream = StdUnixStream::connect(directory.path(SOCKET_NAME))?;
        let mut lines = BufReader::new(&stream).lines();
        let mut next = || {
            lines
                .next()
                .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
        };
        send_line(&stream, &Handshake::current())?;
        let handshake: Handshake = serde_json::from_str(&next()?).map_err(io::Error::from)?;
        handshake.check()?;
        send_line(&stream, &Request::Hold)?;
        match serde_json::from_str(&next()?).map_err(io::Error::from)? {
            Response::Done { .. } => Ok(ImageHold { _stream: stream }),
            response => Err(final_error(Some(response))),
        }
    }

    /// Gives an image another name. `source` is its name or ID as the user wrote it. Blocks.
    pub fn tag(&self, source: String, target: Reference) -> Result<(), ControlError> {
        self.run(Request::Tag { source, target })?.completed()
    }

    /// Removes a name, and the image if that is its last one. Blocks.
    pub fn remove(&self, name: String, force: bool) -> Result<Removal, ControlError> {
        self.run(Request::Remove { name, force })?.removed()
    }

    /// Removes unused images. Blocks.
    pub fn prune(&self, params: PruneParams) -> Result<Pruned, ControlError> {
        self.run(Request::Prune(params))?.pruned()
    }

    /// Loads images from an archive or a directory. Dropping the operation cancels it, as it does for all of the
    /// following ones.
    pub fn load(
        &self,
        params: LoadParams,
        file: OwnedFd,
    ) -> Operation<CopyEvent, Vec<Loaded>, ControlError> {
        let load = self.transfer(TransferRequest::Load(params), Some(file), None);
        load.then(|result| result?.loaded())
    }

    /// Makes an image of the tar `file`, or of the one at the URL of `params`.
    pub fn import(
        &self,
        params: ImportParams,
        file: Option<OwnedFd>,
    ) -> Operation<CopyEvent, Loaded, ControlError> {
        let import = self.transfer(TransferRequest::Import(params), file, None);
        import.then(|result| match <[Loaded; 1]>::try_from(result?.loaded()?) {
            Ok([image]) => Ok(image),
            Err(_) => Err(ControlError::unexpected_result()),
        })
    }

    /// Copies an image into the store, from `file` if that is its source. Returns the digest of the manifest or index.
    /// The daemon requests `credentials` as it needs them; a daemon of another user gets none.
    pub fn copy(
        &self,
        params: CopyParams,
        file: Option<OwnedFd>,
        credentials: Arc<dyn CredentialProvider>,
    ) -> Operation<CopyEvent, Digest, ControlError> {
        let copy = self.transfer(TransferRequest::Copy(params), file, Some(credentials));
        copy.then(|result| result?.copied())
    }

    /// Pulls an image. The daemon requests `credentials` as it needs them; a daemon of another user gets none.
    pub fn pull(
        &self,
        params: PullParams,
        credentials: Arc<dyn CredentialProvider>,
    ) -> Operation<PullEvent, Pulled, ControlError> {
        let event = |response| match response {
            Response::PullEvent { event } => Ok(event),
            other => Err(other),
        };
        let pull = self.drive(Request::Pull(params), None, Some(credentials), event);
        pull.then(|result| result?.pulled())
    }

    fn run(&self, request: Request) -> Result<OperationResult, ControlError> {
        self.drive(request, None, None, Err::<CopyEvent, _>)
            .run(drop)?
    }

    fn transfer(
        &self,
        request: TransferRequest,
        file: Option<OwnedFd>,
        credentials: Option<Arc<dyn CredentialProvider>>,
    ) -> Operation<CopyEvent, OperationResult, ControlError> {
        let event = |response| match response {
            Response::CopyEvent { event } => Ok(event),
            other => Err(other),
        };
        self.drive(Request::Transfer(request), file, credentials, event)
    }

    /// Sends `request` with `file`, and receives until the result. `event` returns the event in a response, or else the
    /// response. Dropping the operation disconnects, upon which the daemon cancels its own.
    fn drive<E: Event>(
        &self,
        request: Request,
        file: Option<OwnedFd>,
        credentials: Option<Arc<dyn CredentialProvider>>,
        event: impl Fn(Response) -> Result<E, Response> + Send + 'static,
    ) -> Operation<E, OperationResult, ControlError> {
        let client = self.clone();
        Operation::new(|events| async move {
            let mut connection = Connection::open(&client.root).await?;
            let credentials = credentials.filter(|_| connection.may_send_credentials);
            connection.writer.send_with(&request, file).await?;
            loop {
                match connection.reader.next().await?.map(&event) {
                    Some(Ok(event)) => events.send(event),
                    Some(Err(Response::CredentialRequest { host, repository })) => {
                        let scope = CredentialScope { host, repository };
                        let reply = look_up(credentials.as_deref(), &scope).await;
                        connection.writer.send(&reply).await?;
                    }
                    Some(Err(Response::Done { result })) => return Ok(*result),
                    Some(Err(response)) => return Err(final_error(Some(response))),
                    None => return Err(final_error(None)),
                }
            }
        })
    }
}

impl Connection {
    /// Connects to the daemon of the store at `root`, and exchanges handshakes.
    async fn open(root: &Path) -> Result<Self, ControlError> {
        let directory = SocketDirectory::open(root)?;
        let stream = UnixStream::connect(directory.path(SOCKET_NAME)).await?;
        let daemon = Uid::from_raw(stream.peer_cred()?.uid());
        let (mut reader, writer) = split(stream, MAX_RESPONSE_BYTES);
        writer.send(&Handshake::current()).await?;
        match reader.next::<Handshake>().await? {
            Some(handshake) => handshake.check()?,
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
        Ok(Self {
            reader,
            writer,
            may_send_credentials: may_send_credentials(daemon, geteuid()),
        })
    }
}

/// Returns whether a daemon of the user `daemon` may get the credentials of the user `own`: the user itself and root have
/// access to them anyway.
fn may_send_credentials(daemon: Uid, own: Uid) -> bool {
    daemon == own || daemon.is_root()
}

fn send_line(mut stream: &StdUnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

async fn look_up(
    credentials: Option<&dyn CredentialProvider>,
    scope: &CredentialScope,
) -> CredentialReply {
    let Some(credentials) = credentials else {
        return Credentials::Anonymous.into();
    };
    match credentials.credentials(scope).await {
        Ok(credentials) => credentials.into(),
        Err(error) => CredentialReply::Failed {
            error: text::error_chain(&error),
        },
    }
}

/// Returns the error that `response` is, in place of the expected result.
fn final_error(response: Option<Response>) -> ControlError {
    match response {
        Some(Response::Failed { report }) => {
            // A daemon escapes the texts; another process that listens there may not.
            let ErrorReport {
                code,
                message,
                tried,
                hint,
            } = report;
            let report = ErrorReport::new(&message, &tried, &Advice { code, hint });
            ControlError::Reported(Box::new(report))
        }
        Some(
            Response::PullEvent { .. }
            | Response::CopyEvent { .. }
            | Response::CredentialRequest { .. }
            | Response::Done { .. },
        ) => ControlError::connection("unexpected message"),
        None => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
    }
}

#[cfg(test)]
mod tests;

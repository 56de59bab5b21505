//! The end of the command.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::UnixStream;
use windlass::registry::{CredentialProvider, CredentialScope, Credentials};
use windlass::{CopyEvent, Operation, PullEvent, Pulled, text};
use windlass_error_report::ErrorReport;

use crate::connection::{MessageReader, MessageWriter, split};
use crate::descriptor::SocketDirectory;
use crate::{
    CredentialReply, Handshake, LOCK_PURPOSE, OperationResult, Request, Response, SOCKET_NAME,
};

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

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The operation failed, and this is the report of the daemon.
    #[error("{}", .0.message)]
    Reported(Box<ErrorReport>),
    /// The connection failed, or the daemon violated the protocol.
    #[error("the daemon that owns the store: {reason}")]
    Connection {
        /// What happened.
        reason: String,
    },
    /// The daemon is another version of windlass.
    #[error(
        "the daemon that owns the store is windlass {daemon}, and this is windlass {}",
        env!("CARGO_PKG_VERSION")
    )]
    Version {
        /// The version of the daemon.
        daemon: String,
    },
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
        let mut messages = serde_json::to_vec(&Handshake::current()).map_err(io::Error::from)?;
        messages.push(b'\n');
        messages.extend(serde_json::to_vec(&Request::Hold).map_err(io::Error::from)?);
        messages.push(b'\n');
        (&stream).write_all(&messages)?;
        let mut lines = BufReader::new(&stream).lines();
        let mut next = || {
            lines
                .next()
                .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
        };
        let handshake: Handshake = serde_json::from_str(&next()?).map_err(io::Error::from)?;
        handshake.check()?;
        match serde_json::from_str(&next()?).map_err(io::Error::from)? {
            Response::Done { .. } => Ok(ImageHold { _stream: stream }),
            response => Err(final_error(Some(response))),
        }
    }

    /// Performs a short operation. Blocks.
    pub fn run(&self, request: Request) -> Result<OperationResult, ControlError> {
        self.transfer(request, None, None).run(drop)?
    }

    /// Performs a transfer, with an archive or directory if there is one. The daemon requests `credentials` as it needs
    /// them; `None` for transfers without a registry. Dropping the operation disconnects, upon which the daemon cancels
    /// the transfer.
    pub fn transfer(
        &self,
        request: Request,
        file: Option<OwnedFd>,
        credentials: Option<Arc<dyn CredentialProvider>>,
    ) -> Operation<CopyEvent, OperationResult, ControlError> {
        let client = self.clone();
        Operation::new(|events| async move {
            let (mut reader, writer) = client.send(&request, file).await?;
            loop {
                match reader.next().await? {
                    Some(Response::CopyEvent { event }) => events.send(event),
                    Some(Response::CredentialRequest { host, repository }) => {
                        let scope = CredentialScope { host, repository };
                        writer
                            .send(&look_up(credentials.as_deref(), &scope).await)
                            .await?;
                    }
                    Some(Response::Done { result }) => return Ok(*result),
                    response => return Err(final_error(response)),
                }
            }
        })
    }

    /// Pulls an image. Dropping the operation cancels the pull.
    pub fn pull(
        &self,
        request: Request,
        credentials: impl CredentialProvider + 'static,
    ) -> Operation<PullEvent, Pulled, ControlError> {
        let client = self.clone();
        Operation::new(|events| async move {
            let (mut reader, writer) = client.send(&request, None).await?;
            loop {
                match reader.next().await? {
                    Some(Response::PullEvent { event }) => events.send(event),
                    Some(Response::CredentialRequest { host, repository }) => {
                        let scope = CredentialScope { host, repository };
                        writer
                            .send(&look_up(Some(&credentials), &scope).await)
                            .await?;
                    }
                    Some(Response::Done { result }) => match *result {
                        OperationResult::Pulled(pulled) => return Ok(*pulled),
                        _ => return Err(ControlError::unexpected_result()),
                    },
                    response => return Err(final_error(response)),
                }
            }
        })
    }

    async fn send(
        &self,
        request: &Request,
        file: Option<OwnedFd>,
    ) -> Result<(MessageReader, MessageWriter), ControlError> {
        let directory = SocketDirectory::open(&self.root)?;
        let stream = UnixStream::connect(directory.path(SOCKET_NAME)).await?;
        let (mut reader, writer) = split(stream);
        writer.send(&Handshake::current()).await?;
        writer.send_with(request, file).await?;
        match reader.next::<Handshake>().await? {
            Some(handshake) => handshake.check()?,
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        }
        Ok((reader, writer))
    }
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
        Some(Response::Failed { report }) => ControlError::Reported(Box::new(report)),
        Some(_) => ControlError::connection("unexpected message"),
        None => io::Error::from(io::ErrorKind::UnexpectedEof).into(),
    }
}

impl Handshake {
    /// Returns an error if the other end is another version.
    fn check(self) -> Result<(), ControlError> {
        match self == Self::current() {
            true => Ok(()),
            false => Err(ControlError::Version {
                daemon: self.windlass,
            }),
        }
    }
}

impl ControlError {
    /// Makes the error of a result that belongs to another kind of request.
    pub fn unexpected_result() -> Self {
        Self::connection("unexpected result")
    }

    fn connection(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self::Connection { reason }
    }
}

impl From<io::Error> for ControlError {
    fn from(error: io::Error) -> Self {
        Self::connection(error.to_string())
    }
}

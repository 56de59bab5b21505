//! The command's end.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time;
use windlass::{
    CopyEvent, CredentialProvider, CredentialScope, Operation, PullEvent, Pulled, StaticCredentials,
};

use super::fds::Directory;
use super::lines::{Reader, Writer, split};
use super::wire::{Ask, Done, Hello, Reply, Word};
use super::{NAME, PURPOSE};
use crate::commands::runtime;
use crate::error::{Error, Report};

/// A daemon that owns the store: each question is a connection.
#[derive(Clone, Debug)]
pub(crate) struct Hatch {
    root: std::path::PathBuf,
}

/// Keeps the daemon from removing anything, as long as it is not dropped.
#[derive(Debug)]
pub(crate) struct Holding {
    _stream: StdStream,
}

/// How soon a question notices that it is told to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Why a question has no answer.
#[derive(Debug)]
enum Trouble {
    /// The daemon's word for it.
    Told(Report),
    /// The connection.
    Lost(io::Error),
    /// It is another windlass.
    Other(String),
}

impl Hatch {
    /// Returns the daemon that owns the store at `root`, if one answers.
    pub(crate) fn find(root: &Path) -> Option<Self> {
        let directory = Directory::open(root).ok()?;
        StdStream::connect(directory.path(NAME)).ok()?;
        let root = root.to_owned();
        Some(Self { root })
    }

    /// Tells whether the lock of the store at `root` says that a daemon has it. It may have died.
    pub(crate) fn is_coming(root: &Path) -> bool {
        let says = std::fs::read_to_string(root.join("lock")).unwrap_or_default();
        says.lines().nth(1) == Some(PURPOSE)
    }

    /// Has the daemon keep all that is there.
    pub(crate) fn hold(&self) -> Result<Holding, Error> {
        self.try_hold().map_err(Trouble::error)
    }

    fn try_hold(&self) -> Result<Holding, Trouble> {
        let directory = Directory::open(&self.root)?;
        let stream = StdStream::connect(directory.path(NAME))?;
        let mut asking = serde_json::to_vec(&Hello::ours()).map_err(io::Error::from)?;
        asking.push(b'\n');
        asking.extend(serde_json::to_vec(&Ask::Hold).map_err(io::Error::from)?);
        asking.push(b'\n');
        (&stream).write_all(&asking)?;
        let mut lines = BufReader::new(&stream).lines();
        let mut next = || {
            lines
                .next()
                .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
        };
        let theirs: Hello = serde_json::from_str(&next()?).map_err(io::Error::from)?;
        if theirs != Hello::ours() {
            return Err(Trouble::Other(theirs.windlass));
        }
        match serde_json::from_str(&next()?).map_err(io::Error::from)? {
            Word::Done { .. } => Ok(Holding { _stream: stream }),
            other => Err(unexpected(Some(other))),
        }
    }

    /// Has something small done, and waits for it.
    pub(crate) fn have_done(&self, ask: &Ask) -> Result<Done, Error> {
        let never = AtomicBool::new(false);
        self.carry(ask, None, &never, &|_| {})
    }

    /// Has something carried, and tells how far it is. Told to stop, it leaves, and the daemon stops.
    pub(crate) fn carry(
        &self,
        ask: &Ask,
        file: Option<OwnedFd>,
        stop: &AtomicBool,
        tell: &dyn Fn(CopyEvent),
    ) -> Result<Done, Error> {
        self.carry_as(ask, file, &StaticCredentials::default(), (stop, tell))
    }

    /// The same, for what asks a registry, too: who the user is there, is asked of `keyring`.
    pub(crate) fn carry_as(
        &self,
        ask: &Ask,
        file: Option<OwnedFd>,
        keyring: &dyn CredentialProvider,
        (stop, tell): (&AtomicBool, &dyn Fn(CopyEvent)),
    ) -> Result<Done, Error> {
        let stopped = async {
            while !stop.load(Ordering::Relaxed) {
                time::sleep(LOOK).await;
            }
            Err(Trouble::Lost(io::Error::other("cancelled")))
        };
        let done = async {
            let (mut reader, writer) = self.ask(ask, file).await?;
            loop {
                match reader.next().await? {
                    Some(Word::Copy { event }) => tell(event),
                    Some(Word::Who { host, repository }) => {
                        let door = CredentialScope { host, repository };
                        writer.send(&who(keyring, &door).await).await?;
                    }
                    Some(Word::Done { done }) => return Ok(*done),
                    other => return Err(unexpected(other)),
                }
            }
        };
        let done = runtime()?.block_on(async {
            tokio::select! {
                biased;
                done = done => done,
                stopped = stopped => stopped,
            }
        });
        done.map_err(Trouble::error)
    }

    /// Has an image pulled.
    pub(crate) fn pull(
        &self,
        ask: Ask,
        keyring: impl CredentialProvider + 'static,
    ) -> Operation<PullEvent, Pulled, Error> {
        let daemon = self.clone();
        Operation::new(|events| async move {
            let pulled = async {
                let (mut reader, writer) = daemon.ask(&ask, None).await?;
                loop {
                    match reader.next().await? {
                        Some(Word::Pull { event }) => events.send(event),
                        Some(Word::Who { host, repository }) => {
                            let door = CredentialScope { host, repository };
                            writer.send(&who(&keyring, &door).await).await?;
                        }
                        Some(Word::Done { done }) => return Ok(*done),
                        other => return Err(unexpected(other)),
                    }
                }
            };
            match pulled.await.map_err(|trouble: Trouble| trouble.error())? {
                Done::Pulled(pulled) => pulled.pulled(),
                _ => Err(Error::hatch("it answered another question")),
            }
        })
    }

    async fn ask(&self, ask: &Ask, file: Option<OwnedFd>) -> Result<(Reader, Writer), Trouble> {
        let directory = Directory::open(&self.root)?;
        let stream = UnixStream::connect(directory.path(NAME)).await?;
        let (mut reader, writer) = split(stream);
        let ours = Hello::ours();
        writer.send(&ours).await?;
        writer.send_with(ask, file).await?;
        match reader.next::<Hello>().await? {
            Some(theirs) if theirs == ours => Ok((reader, writer)),
            Some(theirs) => Err(Trouble::Other(theirs.windlass)),
            None => Err(Trouble::Lost(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}

async fn who(keyring: &dyn CredentialProvider, door: &CredentialScope) -> Reply {
    match keyring.credentials(door).await {
        Ok(credentials) => Reply::of(credentials),
        Err(error) => Reply::Unknown {
            error: windlass::text::error_chain(&error),
        },
    }
}

fn unexpected(word: Option<Word>) -> Trouble {
    match word {
        Some(Word::Failed { report }) => Trouble::Told(report),
        Some(_) => Trouble::Lost(io::Error::other("it said something that was not asked")),
        None => Trouble::Lost(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl Trouble {
    fn error(self) -> Error {
        match self {
            Self::Told(report) => Error::Told(Box::new(report)),
            Self::Lost(error) => Error::hatch(error.to_string()),
            Self::Other(theirs) => Error::OtherDaemon { theirs },
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl Hello {
    pub(super) fn ours() -> Self {
        let windlass = env!("CARGO_PKG_VERSION").to_owned();
        Self { windlass }
    }
}

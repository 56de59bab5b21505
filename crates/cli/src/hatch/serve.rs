//! The daemon's end.

mod work;

use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task;
use windlass::{
    Caller, CopyEvent, CredentialError, CredentialProvider, CredentialScope, Credentials, Event,
    EventSender, Operation, PullRequest, Reference, Throttle,
};
use windlass_daemon::Daemon;

use super::NAME;
use super::fds::Directory;
use super::lines::{Reader, Writer, split};
use super::wire::{Ask, Done, Hello, Reply, Word};
use crate::error::{Doing, Error, Login};

/// Who the user is somewhere, and where the answer goes.
type Question = (CredentialScope, oneshot::Sender<Reply>);

/// One who asked, as the daemon's transfers see him: who the user is, is asked of him.
struct Asker(mpsc::Sender<Question>);

/// Opens the way in, in the store at `root`, which this process owns. Returns what answers there, until the
/// daemon stops.
pub(crate) fn open(
    root: &Path,
    daemon: Arc<Daemon>,
) -> io::Result<impl Future<Output = ()> + use<>> {
    let directory = Directory::open(root)?;
    let path = directory.path(NAME);
    // Whoever owned the store before is gone.
    if let Err(error) = fs::remove_file(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let listener = UnixListener::bind(&path)?;
    Ok(async move {
        // The socket goes by the same handle, when this is dropped.
        let _left = Left(directory);
        let shutdown = daemon.shutdown().clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.begun() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    daemon
                        .connections()
                        .spawn(converse(stream, Arc::clone(&daemon)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not come in");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    })
}

/// Takes the socket away at the end.
struct Left(Directory);

impl Drop for Left {
    fn drop(&mut self) {
        // Left behind, the next owner takes it away.
        drop(fs::remove_file(self.0.path(NAME)));
    }
}

async fn converse(stream: UnixStream, daemon: Arc<Daemon>) {
    if let Err(error) = answer(stream, &daemon).await {
        tracing::debug!(%error, "a command has left");
    }
}

async fn answer(stream: UnixStream, daemon: &Arc<Daemon>) -> io::Result<()> {
    let (mut reader, writer) = split(stream);
    let ours = Hello::ours();
    let theirs = reader.next::<Hello>().await?;
    writer.send(&ours).await?;
    if theirs != Some(ours) {
        return Ok(());
    }
    let Some(ask) = reader.next::<Ask>().await? else {
        return Ok(());
    };
    let writer = Arc::new(writer);
    let word = match ask {
        Ask::Hold => return hold(reader, &writer, daemon).await,
        Ask::Pull {
            reference,
            platform,
            limit_rate,
            login,
        } => {
            let request = Wanted {
                reference,
                platform: platform.0,
                limit_rate,
                login,
            };
            match pull(&mut reader, &writer, daemon, request).await? {
                Some(word) => word,
                None => return Ok(()),
            }
        }
        Ask::Tag { source, target } => {
            small(daemon, move |daemon| work::tag(daemon, source, &target)).await
        }
        Ask::Remove { name, force } => {
            small(daemon, move |daemon| work::remove(daemon, name, force)).await
        }
        Ask::Prune {
            all,
            partials,
            filters,
        } => {
            small(daemon, move |daemon| {
                work::prune(daemon, (all, partials), &filters)
            })
            .await
        }
        ask @ (Ask::Load { .. } | Ask::Import(_) | Ask::Copy { .. }) => {
            let file = reader.file();
            match carry(&mut reader, &writer, daemon, (ask, file)).await? {
                Some(word) => word,
                None => return Ok(()),
            }
        }
    };
    writer.send(&word).await
}

/// What is to be pulled.
struct Wanted {
    reference: Reference,
    platform: Option<windlass::Platform>,
    limit_rate: Option<std::num::NonZeroU64>,
    login: Login,
}

/// Keeps what is there until the command has left.
async fn hold(mut reader: Reader, writer: &Writer, daemon: &Arc<Daemon>) -> io::Result<()> {
    let held = Arc::clone(daemon);
    let held = task::spawn_blocking(move || held.engine().hold()).await?;
    let word = match held {
        Ok(held) => {
            let done = Box::new(Done::Well);
            writer.send(&Word::Done { done }).await?;
            // Nothing more is said: this is the end of it.
            drop(reader.next::<Ask>().await);
            drop(held);
            return Ok(());
        }
        Err(error) => failed(&Error::List(error)),
    };
    writer.send(&word).await
}

/// Pulls; `None` if the command left before it was over.
async fn pull(
    reader: &mut Reader,
    writer: &Arc<Writer>,
    daemon: &Arc<Daemon>,
    wanted: Wanted,
) -> io::Result<Option<Word>> {
    let (asker, asked) = mpsc::channel(1);
    let request = PullRequest {
        reference: wanted.reference.clone(),
        platform: wanted.platform,
        caller: Caller::new(Arc::new(Asker(asker))),
        throttle: Throttle::new(wanted.limit_rate),
    };
    let pull = daemon.start_pull(request);
    let word = |event| Word::Pull { event };
    let Some(outcome) = converse_while(reader, writer, asked, pull, word).await? else {
        return Ok(None);
    };
    Ok(Some(match outcome {
        Ok(pulled) => Word::Done {
            done: Box::new(Done::Pulled(Box::new(pulled.into()))),
        },
        Err(source) => failed(&Error::Remote {
            doing: Doing::Pull,
            reference: wanted.reference,
            login: wanted.login,
            source: Box::new(source),
        }),
    }))
}

/// Drives `operation`, sends its events, and passes questions on; `None` if the command left before it was over.
async fn converse_while<E: Event, T: Send + 'static, X: Send + 'static>(
    reader: &mut Reader,
    writer: &Writer,
    mut asked: mpsc::Receiver<Question>,
    mut operation: Operation<E, T, X>,
    word: impl Fn(E) -> Word,
) -> io::Result<Option<Result<T, X>>> {
    loop {
        tokio::select! {
            biased;
            event = operation.next_event() => match event {
                Some(event) => writer.send(&word(event)).await?,
                None => return Ok(Some(operation.await)),
            },
            Some((door, reply)) = asked.recv() => {
                let CredentialScope { host, repository } = door;
                writer.send(&Word::Who { host, repository }).await?;
                match reader.next::<Reply>().await? {
                    Some(said) => drop(reply.send(said)),
                    None => return Ok(None),
                }
            }
            // Nothing is said unasked: whatever comes is the end.
            _ = reader.next::<Reply>() => return Ok(None),
        }
    }
}

/// Carries something into the store; `None` if the command left before it was over, which stops it.
async fn carry(
    reader: &mut Reader,
    writer: &Writer,
    daemon: &Arc<Daemon>,
    (ask, file): (Ask, Option<OwnedFd>),
) -> io::Result<Option<Word>> {
    let (asker, asked) = mpsc::channel(1);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, daemon) = (Arc::clone(&stop), Arc::clone(daemon));
    let caller = Caller::new(Arc::new(Asker(asker)));
    let working = Operation::new(|events: EventSender<CopyEvent>| {
        let work = move || {
            let tell = |event| events.send(event);
            let with = work::With {
                daemon: &daemon,
                caller,
                stop: &stopped,
                tell: &tell,
            };
            with.carry(ask, file)
        };
        async { Ok::<_, Infallible>(task::spawn_blocking(work).await) }
    });
    let word = |event| Word::Copy { event };
    let done = converse_while(reader, writer, asked, working, word).await;
    stop.store(true, Ordering::Relaxed);
    Ok(done?.map(|Ok(done)| ended(done)))
}

/// Does something small that waits for the disk.
async fn small(
    daemon: &Arc<Daemon>,
    work: impl FnOnce(&Daemon) -> Result<Done, Error> + Send + 'static,
) -> Word {
    let daemon = Arc::clone(daemon);
    ended(task::spawn_blocking(move || work(&daemon)).await)
}

fn ended(done: Result<Result<Done, Error>, task::JoinError>) -> Word {
    match done {
        Ok(Ok(done)) => Word::Done {
            done: Box::new(done),
        },
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&Error::hatch(error.to_string())),
    }
}

fn failed(error: &Error) -> Word {
    Word::Failed {
        report: error.report(),
    }
}

impl CredentialProvider for Asker {
    fn credentials<'a>(
        &'a self,
        door: &'a CredentialScope,
    ) -> Pin<Box<dyn Future<Output = Result<Credentials, CredentialError>> + Send + 'a>> {
        Box::pin(async {
            let (reply, said) = oneshot::channel();
            let lost = || CredentialError::new("the command that asked has left");
            self.0
                .send((door.clone(), reply))
                .await
                .map_err(|_| lost())?;
            let said = said.await.map_err(|_| lost())?;
            said.credentials().map_err(CredentialError::new)
        })
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

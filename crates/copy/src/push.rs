//! Into a registry.
//!
//! Blobs first, several at a time; then the manifests that others name, deepest first; the one that is named last.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::{Sender, channel};
use tokio::time;
use windlass_layout::Batch;
use windlass_oci::{Descriptor, Digest, Links, RepositoryName, Tag};
use windlass_pull::{Attempts, RetryPolicy};
use windlass_registry::{Begun, Outgoing, RegistryError, Repository, Target, Upload};

use crate::events::{BlobStatus, CopyEvent, Tell};
use crate::files::{CopyError, Stop, each, open, plan, status};
use crate::source::Source;

/// A repository that images are pushed to.
#[derive(Clone, Debug)]
pub struct PushTo {
    /// The session, which may write.
    pub repository: Repository,
    /// Where the requests run.
    pub runtime: Handle,
    /// When they are tried again.
    pub retry: RetryPolicy,
    /// How many blobs are sent at a time.
    pub at_once: usize,
    /// A repository of the same registry that may have the blob already.
    pub known: BTreeMap<Digest, RepositoryName>,
    /// How many bytes are sent in one request at most; all, if it is `None`.
    pub chunk: Option<u64>,
}

/// Why something could not be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// It could not be read.
    #[error("cannot read {digest}")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
}

/// How much is read at a time. The connection gathers pieces of its own accord; of 256 KiB they took 10 MiB more, and no
/// less time.
const PIECE: usize = 64 << 10;
/// How many pieces wait to be sent.
const WAITING: usize = 2;
/// Blobs up to this size are sent in one request, for there is nothing to go on with.
const SMALL: u64 = 1 << 20;
/// How soon a wait notices that it is told to stop.
const LOOK: Duration = Duration::from_millis(50);

/// One blob on its way.
struct Carrying<'a> {
    to: &'a PushTo,
    source: &'a dyn Source,
    blob: &'a Descriptor,
    stop: &'a Stop,
    tell: Tell<'a>,
}

/// What is sent, and what became of reading it.
struct Feed<'a> {
    reader: Box<dyn Read + Send + 'a>,
    length: u64,
    /// Whether nothing may come behind it.
    is_whole: bool,
}

/// Pushes the image of `batch`, which `source` has, and names it by `tags`; by its digest alone where there are none.
pub fn to_repository(
    source: &dyn Source,
    batch: &Batch,
    tags: &[Tag],
    to: &PushTo,
    stop: &Stop,
    tell: Tell<'_>,
) -> Result<(), CopyError> {
    plan(batch, tell);
    let blobs: Vec<_> = batch.blobs.values().collect();
    each(&blobs, to.at_once, stop, |blob| {
        let carrying = Carrying {
            to,
            source,
            blob,
            stop,
            tell,
        };
        carrying.carry()
    })
    .map_err(|error| unless_stopped(error, stop))?;
    let roots: BTreeSet<_> = batch.images.iter().map(|image| image.root.digest).collect();
    for digest in deepest_first(batch) {
        if stop.load(Ordering::Relaxed) {
            return Err(CopyError::Cancelled);
        }
        let mut targets = vec![Target::Digest(digest)];
        if roots.contains(&digest) && !tags.is_empty() {
            targets = tags.iter().cloned().map(Target::Tag).collect();
        }
        for target in targets {
            let put = put_document(to, &target, &batch.documents[&digest], stop);
            put.map_err(|error| unless_stopped(error, stop))?;
        }
    }
    Ok(())
}

fn put_document(to: &PushTo, target: &Target, bytes: &[u8], stop: &Stop) -> Result<(), PushError> {
    let media_type = Links::parse(bytes).unwrap_or_default().media_type;
    let mut attempts = Attempts::new(to.retry);
    loop {
        let put = to
            .repository
            .put_manifest(target, media_type.as_str(), bytes);
        match to.wait(put, stop) {
            Err(PushError::Registry(error)) => {
                let Some(pause) = attempts.pause_after(&error) else {
                    return Err(error.into());
                };
                to.pause(pause, stop);
            }
            done => return done,
        }
    }
}

/// Returns the documents so that each comes after those that it names.
fn deepest_first(batch: &Batch) -> Vec<Digest> {
    let mut order = Vec::new();
    let mut done = BTreeSet::new();
    for root in batch.documents.keys() {
        let mut stack = vec![(*root, false)];
        while let Some((digest, is_ready)) = stack.pop() {
            if is_ready {
                order.push(digest);
                continue;
            }
            if !done.insert(digest) {
                continue;
            }
            stack.push((digest, true));
            let links = Links::parse(&batch.documents[&digest]).unwrap_or_default();
            let below = links.manifests.iter().map(|child| child.digest);
            stack.extend(
                below
                    .filter(|child| batch.documents.contains_key(child))
                    .map(|child| (child, false)),
            );
        }
    }
    order
}

impl PushTo {
    /// Waits for a request, on a thread of its own.
    fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, RegistryError>>,
        stop: &Stop,
    ) -> Result<T, PushError> {
        let stopped = async {
            while !stop.load(Ordering::Relaxed) {
                time::sleep(LOOK).await;
            }
        };
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                done = request => Ok(done?),
                () = stopped => Err(stopped_error()),
            }
        })
    }

    fn pause(&self, pause: Duration, stop: &Stop) {
        let pause = async {
            time::sleep(pause).await;
            Ok(())
        };
        // Told to stop, the next request is not made.
        drop(self.wait(pause, stop));
    }
}

impl Carrying<'_> {
    fn carry(&self) -> Result<(), PushError> {
        let mut attempts = Attempts::new(self.to.retry);
        let mut upload = None;
        loop {
            let before = upload.as_ref().map_or(0, Upload::offset);
            let error = match self.attempt(&mut upload) {
                Ok(how) => {
                    status(self.tell, self.blob.digest, how);
                    return Ok(());
                }
                Err(PushError::Registry(error)) => error,
                Err(error) => return Err(error),
            };
            let after = self.resume(&mut upload);
            if after > before {
                attempts.progressed();
            }
            let Some(pause) = attempts.pause_after(&error) else {
                return Err(error.into());
            };
            let error = windlass_oci::text::chain(&error);
            let again = BlobStatus::Again {
                position: after,
                error,
            };
            status(self.tell, self.blob.digest, again);
            self.to.pause(pause, self.stop);
            if self.stop.load(Ordering::Relaxed) {
                return Err(stopped_error());
            }
        }
    }

    /// Asks how far the broken upload got. One that cannot be gone on with is begun anew.
    fn resume(&self, upload: &mut Option<Upload>) -> u64 {
        let Some(broken) = upload else { return 0 };
        match self.to.wait(broken.resume(), self.stop) {
            Ok(()) if broken.offset() <= self.blob.size => broken.offset(),
            _ => {
                *upload = None;
                0
            }
        }
    }

    fn attempt(&self, upload: &mut Option<Upload>) -> Result<BlobStatus, PushError> {
        let (to, blob) = (self.to, self.blob);
        if upload.is_none() {
            if to.wait(to.repository.has_blob(blob), self.stop)? {
                return Ok(BlobStatus::Exists);
            }
            match self.begin()? {
                Ok(begun) => *upload = Some(begun),
                Err(from) => return Ok(BlobStatus::Mounted { from }),
            }
            status(self.tell, blob.digest, BlobStatus::Carrying);
        }
        if blob.size <= SMALL
            && let Some(small) = upload.take_if(|upload| upload.offset() == 0)
        {
            let put = |body| small.put(body);
            self.feed(0, blob.size, put)?;
            return Ok(BlobStatus::Carried);
        }
        let begun = upload.as_mut().expect("it was begun");
        while begun.offset() < blob.size {
            let offset = begun.offset();
            let length = (blob.size - offset).min(to.chunk.unwrap_or(u64::MAX));
            self.feed(offset, length, |body| begun.send(body, length))?;
        }
        let whole = upload.take().expect("it was begun");
        to.wait(whole.finish(), self.stop)?;
        Ok(BlobStatus::Carried)
    }

    /// Begins an upload, or has the blob taken over from another repository: that one is returned as the error.
    fn begin(&self) -> Result<Result<Upload, RepositoryName>, PushError> {
        let known = self.to.known.get(&self.blob.digest);
        let begin = self.to.repository.begin_upload(&self.blob.digest, known);
        let name = || known.unwrap_or_else(|| self.to.repository.name()).clone();
        Ok(match self.to.wait(begin, self.stop)? {
            Begun::Upload(upload) => Ok(upload),
            Begun::Mounted => Err(name()),
        })
    }

    /// Reads `length` bytes from `offset` on, while `send` sends them.
    fn feed<F>(
        &self,
        offset: u64,
        length: u64,
        send: impl FnOnce(Outgoing) -> F,
    ) -> Result<(), PushError>
    where
        F: Future<Output = Result<(), RegistryError>>,
    {
        let digest = self.blob.digest;
        let unread = |source| PushError::Read { digest, source };
        let is_whole = offset == 0 && length == self.blob.size;
        // A part proves nothing: then the registry does, at the end.
        let reader = match is_whole {
            true => open(self.source, self.blob, self.stop),
            false => self.source.open(self.blob, offset),
        };
        let feed = Feed {
            reader: reader.map_err(unread)?,
            length,
            is_whole,
        };
        let (pieces, waiting) = channel(WAITING);
        let failed = Arc::new(Mutex::new(None));
        let sent = std::thread::scope(|scope| {
            let moved = |bytes| (self.tell)(CopyEvent::Moved { digest, bytes });
            let failure = Arc::clone(&failed);
            scope.spawn(move || feed.run(&pieces, &failure, moved));
            self.to
                .wait(send(Outgoing::new(waiting, length)), self.stop)
        });
        let failed = failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match failed {
            Some(error) => Err(unread(error)),
            None => sent,
        }
    }
}

impl Feed<'_> {
    /// Reads until all is read, or nobody sends any more.
    fn run(
        mut self,
        pieces: &Sender<io::Result<Bytes>>,
        failed: &Mutex<Option<io::Error>>,
        moved: impl Fn(u64),
    ) {
        let mut left = self.length;
        while left > 0 {
            let piece = match self.piece(left) {
                Ok(piece) => piece,
                Err(error) => {
                    let kind = error.kind();
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    drop(pieces.blocking_send(Err(kind.into())));
                    return;
                }
            };
            let length = piece.len() as u64;
            left -= length;
            if pieces.blocking_send(Ok(piece)).is_err() {
                return;
            }
            moved(length);
        }
    }

    /// The last piece is handed over when what comes behind it is proved to be nothing.
    fn piece(&mut self, left: u64) -> io::Result<Bytes> {
        let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let mut piece = vec![0; most];
        self.reader.read_exact(&mut piece)?;
        if most as u64 == left && self.is_whole && self.reader.read(&mut [0])? > 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(piece.into())
    }
}

fn stopped_error() -> PushError {
    PushError::Read {
        digest: Digest::sha256(b""),
        source: io::Error::other("cancelled"),
    }
}

fn unless_stopped(error: PushError, stop: &Stop) -> CopyError {
    match stop.load(Ordering::Relaxed) {
        true => CopyError::Cancelled,
        false => error.into(),
    }
}

//! Images in archives: out (`GET /images/get`), and in (`POST /images/load`).

use std::fs::File;
use std::io::{self, Seek as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::task;
use windlass::{Choice, ImageName, LayoutKind, LoadFrom, LoadOptions, Loaded, SaveTo};
use windlass_engine_api::ProgressMessage;

use super::{blocking, image_name};
use crate::Daemon;
use crate::body::{Body, Chunks};
use crate::event_log::{ImageAction, name_attribute};
use crate::render;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageStream};

/// How much of an archive is gathered before it is sent.
const PIECE: usize = 256 << 10;

/// An archive on its way to a client. It begins with the first byte: what fails before that has a status.
struct Sending {
    pieces: Chunks,
    gathered: Vec<u8>,
    /// The other end of the answer, until it has begun.
    head: Option<(oneshot::Sender<Result<Body, ApiError>>, Body)>,
}

/// `GET /images/get?names=…` and `GET /images/{name}/get`
pub(super) async fn save(
    daemon: &Arc<Daemon>,
    name: Option<String>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let names = match &name {
        Some(name) => vec![image_name(name)?],
        // Some clients send all of them in one, divided by commas.
        None => request
            .query
            .all("names")
            .flat_map(|names| names.split(','))
            .filter(|name| !name.is_empty())
            .map(image_name)
            .collect::<Result<_, _>>()?,
    };
    if names.is_empty() {
        return Err(ApiError::bad_request("no image is named: give names=…"));
    }
    let choice = choice(request)?;
    let (head, begun) = oneshot::channel();
    let (pieces, body) = Body::pieces();
    let sending = Sending {
        pieces,
        gathered: Vec::with_capacity(PIECE),
        head: Some((head, body)),
    };
    let turn = Arc::clone(&daemon.long_running).acquire_owned().await;
    let daemon = Arc::clone(daemon);
    task::spawn_blocking(move || {
        let _turn = turn;
        send(&daemon, &names, &choice, sending);
    });
    let lost = |_| ApiError::internal("a defect in windlass: see its log");
    let body = begun.await.map_err(lost)??;
    Ok(response::stream(response::TAR, body))
}

/// Reads which images of an index are meant: of one platform, or all that are here.
fn choice(request: &ApiRequest) -> Result<Choice, ApiError> {
    let platform = super::create::platform(&request.query)?;
    Ok(platform.map_or(Choice::All, |platform| Choice::One(Some(platform))))
}

fn send(daemon: &Daemon, names: &[ImageName], choice: &Choice, mut sending: Sending) {
    // A client that leaves fails the next write.
    let stop = AtomicBool::new(false);
    let to = SaveTo::Archive(LayoutKind::DockerArchive, &mut sending);
    let saved = daemon.engine.save(names, choice, to, &stop, &|_| {});
    match saved {
        Ok(saved) => {
            for image in saved {
                let id = image.image_id.to_string();
                daemon
                    .events
                    .record(ImageAction::Save, &id, name_attribute(&id));
            }
            // One who has left does not get the end of it.
            drop(sending.flush());
        }
        Err(error) => {
            let cause = windlass::text::error_chain(&error);
            tracing::info!(error = %cause, "an archive was not finished");
            sending.fail(render::error::of_save(&error));
        }
    }
}

impl Sending {
    /// Tells the client by a status, or if it is too late for that, by cutting the connection.
    fn fail(mut self, failure: ApiError) {
        match self.head.take() {
            Some((head, _)) => drop(head.send(Err(failure))),
            None => drop(
                self.pieces
                    .blocking_send(Err(io::ErrorKind::ConnectionAborted.into())),
            ),
        }
    }
}

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        if let Some((head, body)) = self.head.take() {
            head.send(Ok(body)).map_err(|_| gone())?;
        }
        if self.gathered.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.gathered, Vec::with_capacity(PIECE));
        self.pieces
            .blocking_send(Ok(Bytes::from(piece)))
            .map_err(|_| gone())
    }
}

/// `POST /images/load`
pub(super) async fn load(
    daemon: &Arc<Daemon>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let options = LoadOptions {
        choice: choice(&request)?,
        name: None,
    };
    let archive = spool(daemon, request.body).await?;
    let lines = MessageQueue::default();
    let (feed, body) = MessageStream::new(lines.clone());
    let daemon = Arc::clone(daemon);
    let (over, ended) = oneshot::channel::<()>();
    task::spawn(async move {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let loading = blocking(&daemon, move |daemon| {
            unpack(daemon, archive, &options, &stopped)
        });
        let loaded = tokio::select! {
            biased;
            () = feed.closed() => return stop.store(true, Ordering::Relaxed),
            loaded = loading => loaded,
        };
        match loaded {
            Ok(loaded) => tell(&loaded, &lines),
            Err(failure) => lines.push(ProgressMessage::failed(failure.message)),
        }
        drop(over);
        feed.finish().await;
    });
    // Some clients take the head of the answer for all of it, and leave: it comes when the images are here.
    drop(ended.await);
    Ok(response::stream(response::JSON, body))
}

/// Takes the archive in: its members are read where they lie, so all of it has to be here.
async fn spool(daemon: &Arc<Daemon>, mut body: Incoming) -> Result<File, ApiError> {
    let failed = |error: io::Error| ApiError::internal(format!("the archive: {error}"));
    let mut file = daemon.engine.scratch().map_err(failed)?;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| ApiError::bad_request("the archive did not come to its end"))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let written = task::spawn_blocking(move || file.write_all(&data).map(|()| file)).await;
        file = written
            .map_err(|error| failed(io::Error::other(error)))?
            .map_err(failed)?;
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

fn unpack(
    daemon: &Daemon,
    archive: File,
    options: &LoadOptions,
    stop: &AtomicBool,
) -> Result<Vec<Loaded>, ApiError> {
    let layout = daemon.engine.layout(LoadFrom::File(archive), stop, &|_| {});
    let layout = layout.map_err(|error| {
        ApiError::internal(format!(
            "unrecognized image format: {}",
            windlass::text::error_chain(&error)
        ))
    })?;
    let loaded = daemon.load(&layout, options, stop, &|_| {});
    let loaded = loaded.map_err(|error| render::error::of_load(&error))?;
    Ok(loaded)
}

fn tell(loaded: &[Loaded], lines: &MessageQueue) {
    for image in loaded {
        for moved in &image.moved {
            lines.push(ProgressMessage::words(format!(
                "The image {} already exists, renaming the old one with ID {} to empty string\n",
                moved.name.familiar(),
                moved.from
            )));
        }
        for name in &image.names {
            lines.push(ProgressMessage::words(format!(
                "Loaded image: {}\n",
                name.familiar()
            )));
        }
        if image.names.is_empty() {
            lines.push(ProgressMessage::words(format!(
                "Loaded image ID: {}\n",
                image.image_id
            )));
        }
    }
}

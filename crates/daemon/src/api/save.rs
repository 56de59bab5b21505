//! `GET /images/get`: writes images to an archive.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task;
use windlass::error::SaveError;
use windlass::image::LayoutKind;
use windlass::transfer::{ArchiveCompression, OutputTarget};
use windlass::{SaveRequest, SaveTo, Saved};

use super::parameters::{image_choice, image_name};
use crate::Daemon;
use crate::body::{ApiBody, ChunkSender};
use crate::event_log::ImageAction;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};

/// How much of an archive is collected before it is sent, in bytes.
const CHUNK: usize = 256 << 10;

/// Sends an archive to a client. The response starts with the first byte: an error before it has a status.
struct ArchiveResponse {
    chunks: ChunkSender,
    buffer: Vec<u8>,
    /// The response, until it has started.
    head: Option<(oneshot::Sender<Result<ApiBody, ApiError>>, ApiBody)>,
}

/// Writes to the response: one handle for the operation, and one for its end.
#[derive(Clone)]
struct ArchiveResponseWriter(Arc<Mutex<ArchiveResponse>>);

/// `GET /images/get?names=…` and `GET /images/{name}/get`
pub(super) async fn save(
    daemon: &Arc<Daemon>,
    name: Option<String>,
    request: &ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let names = match &name {
        Some(name) => vec![image_name(name)?],
        // Some clients send all names in one parameter, separated by commas.
        None => request
            .query
            .all("names")
            .flat_map(|names| names.split(','))
            .filter(|name| !name.is_empty())
            .map(image_name)
            .collect::<Result<_, _>>()?,
    };
    if names.is_empty() {
        return Err(ApiError::bad_request(
            "no image is named: set the parameter names",
        ));
    }
    let choice = image_choice(&request.query)?;
    let (head, started) = oneshot::channel();
    let (chunks, body) = ApiBody::chunks();
    let writer = ArchiveResponseWriter::new(ArchiveResponse {
        chunks,
        buffer: Vec::with_capacity(CHUNK),
        head: Some((head, body)),
    });
    let request = SaveRequest {
        names,
        choice,
        to: SaveTo::Archive {
            kind: LayoutKind::DockerArchive,
            output: OutputTarget::Stream(Box::new(writer.clone())),
            compression: ArchiveCompression::None,
        },
    };
    let save = daemon.permitted(daemon.engine.save(request)).await;
    let daemon = Arc::clone(daemon);
    let save = save.then(move |saved| {
        finish(&daemon, writer, &saved);
        saved
    });
    // A client that disconnects fails the next write.
    task::spawn(save.into_future());
    let body = started.await.map_err(|_| ApiError::bug())??;
    Ok(response::stream(response::TAR, body))
}

/// Ends the response, on the thread that wrote the archive.
fn finish(
    daemon: &Daemon,
    mut writer: ArchiveResponseWriter,
    saved: &Result<Vec<Saved>, SaveError>,
) {
    match saved {
        Ok(saved) => {
            for image in saved {
                daemon.record_id(ImageAction::Save, &image.image_id);
            }
            // An error means that the client has disconnected.
            drop(writer.flush());
        }
        Err(error) => {
            let cause = windlass::text::error_chain(error);
            tracing::info!(error = %cause, "save failed");
            writer.lock().fail(render::error::of_save(error));
        }
    }
}

impl ArchiveResponseWriter {
    fn new(response: ArchiveResponse) -> Self {
        Self(Arc::new(Mutex::new(response)))
    }

    fn lock(&self) -> MutexGuard<'_, ArchiveResponse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ArchiveResponse {
    /// Reports an error by a status; once the response has started, by closing the connection.
    fn fail(&mut self, error: ApiError) {
        match self.head.take() {
            Some((head, _)) => drop(head.send(Err(error))),
            None => drop(
                self.chunks
                    .blocking_send(Err(io::ErrorKind::ConnectionAborted.into())),
            ),
        }
    }
}

impl Write for ArchiveResponseWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.lock().flush()
    }
}

impl Write for ArchiveResponse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let disconnected = || io::Error::from(io::ErrorKind::BrokenPipe);
        if let Some((head, body)) = self.head.take() {
            head.send(Ok(body)).map_err(|_| disconnected())?;
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.chunks
            .blocking_send(Ok(Bytes::from(chunk)))
            .map_err(|_| disconnected())
    }
}

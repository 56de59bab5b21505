//! `POST /images/create?fromSrc=…`: imports a tar, or the URL of one, as an image (API-7).

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::oneshot;
use tokio::task;
use windlass::error::ImportError;
use windlass::image::{Platform, Reference};
use windlass::registry::WebUrl;
use windlass::{ChunkReader, ContainerConfig, CopyEvent, ImportOptions, ImportSource};
use windlass_docker_api::ProgressMessage;

use super::execute::drive;
use super::parameters::{platform, reference, tag};
use crate::Daemon;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageSender};

/// The maximum number of chunks of the body that wait to be written.
const CHANNEL_CAPACITY: usize = 16;

/// The location of the tar.
enum TarLocation {
    /// In the body of the request.
    Body(Incoming),
    /// At a URL.
    Web(WebUrl),
}

/// The response to an import.
struct ImportResponse {
    queue: MessageQueue,
    sender: MessageSender,
    /// Dropped when the head of the response is to be sent.
    head: oneshot::Sender<()>,
}

/// Imports an image.
pub(super) async fn import(
    daemon: &Arc<Daemon>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let options = options(&request)?;
    let source = match request.query.get("fromSrc") {
        Some("-") => TarLocation::Body(request.body),
        Some(url) => {
            // As in Docker, no scheme means plain HTTP.
            let url = match url.contains("://") {
                true => url.to_owned(),
                false => format!("http://{url}"),
            };
            let url = WebUrl::parse(&url);
            TarLocation::Web(url.map_err(|error: windlass::error::WebUrlError| {
                ApiError::bad_request(windlass::text::error_chain(&error))
            })?)
        }
        None => {
            let text =
                "nothing to pull or import: set fromImage to a name, or fromSrc to - or a URL";
            return Err(ApiError::bad_request(text));
        }
    };
    let queue = MessageQueue::default();
    let (sender, body) = MessageSender::new(queue.clone());
    let (head, started) = oneshot::channel();
    let response = ImportResponse {
        queue,
        sender,
        head,
    };
    task::spawn(run(Arc::clone(daemon), source, options, response));
    // Some clients disconnect after the head of the response, so it is sent with the first message.
    drop(started.await);
    Ok(response::stream(response::JSON, body))
}

fn options(request: &ApiRequest) -> Result<ImportOptions, ApiError> {
    let query = &request.query;
    let name = query.get("repo").map(reference).transpose()?;
    let name = match (name, query.get("tag")) {
        (Some(name), Some(text)) => Some(name.without_digest().with_tag(tag(text)?)),
        (name, _) => name,
    };
    let mut config = ContainerConfig::default();
    for change in query.all("changes") {
        let changed = config.change(change);
        changed.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    }
    let default_platform = || Platform::new("linux", std::env::consts::ARCH, None);
    let default_comment = || format!("Imported from {}", query.get("fromSrc").unwrap_or("-"));
    Ok(ImportOptions {
        name: name.map(Reference::or_latest),
        platform: platform(query)?.unwrap_or_else(default_platform),
        config,
        created: Timestamp::now().to_string(),
        comment: query
            .get("message")
            .map_or_else(default_comment, str::to_owned),
        limit: None,
    })
}

/// Imports and reports progress, until the import ends or the client disconnects.
async fn run(
    daemon: Arc<Daemon>,
    source: TarLocation,
    options: ImportOptions,
    response: ImportResponse,
) {
    let ImportResponse {
        queue,
        sender,
        head,
    } = response;
    let work = import_from(&daemon, source, options, &queue);
    let mut head = Some(head);
    let reporting = async {
        queue.wait_nonempty().await;
        drop(head.take());
        sender.run().await;
    };
    let imported = tokio::select! {
        biased;
        imported = work => imported,
        () = sender.closed() => return,
        () = reporting => return,
    };
    queue.push(match imported {
        Ok(id) => ProgressMessage::status(id),
        Err(error) => ProgressMessage::failed(error.message),
    });
    drop(head);
    sender.finish().await;
}

async fn import_from(
    daemon: &Arc<Daemon>,
    source: TarLocation,
    options: ImportOptions,
    queue: &MessageQueue,
) -> Result<String, ApiError> {
    match source {
        TarLocation::Body(body) => {
            let (sender, mut chunks) = channel(CHANNEL_CAPACITY);
            let reader = ChunkReader::new(move || chunks.blocking_recv().transpose());
            let source = ImportSource::Reader(Box::new(reader));
            let import = daemon.permitted(daemon.import(source, options)).await;
            let (imported, ()) = tokio::join!(drive(import, drop), forward(body, sender));
            image_id(imported?)
        }
        TarLocation::Web(url) => {
            let download = daemon.engine.remote().download(&url, None).await;
            let download = download
                .map_err(|error| ApiError::internal(windlass::text::error_chain(&error)))?;
            queue.push(ProgressMessage::status(format!("Downloading from {url}")));
            let total = download.length().unwrap_or_default();
            let source = ImportSource::Download(Box::new(download));
            let import = daemon.permitted(daemon.import(source, options)).await;
            let import = import.run_on(&daemon.transfer_runtime);
            let mut so_far = 0;
            let imported = drive(import, |event| {
                if let CopyEvent::Moved { bytes, .. } = event {
                    so_far += bytes;
                    queue.push_progress("", "Importing", so_far, total);
                }
            });
            image_id(imported.await?)
        }
    }
}

fn image_id(imported: Result<windlass::Loaded, ImportError>) -> Result<String, ApiError> {
    match imported {
        Ok(image) => Ok(image.image_id.to_string()),
        Err(error) => Err(ApiError::internal(windlass::text::error_chain(&error))),
    }
}

/// Sends the body to the thread that unpacks it.
async fn forward(mut body: Incoming, to: Sender<io::Result<Bytes>>) {
    while let Some(frame) = body.frame().await {
        let chunk = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Err(error) => Err(io::Error::other(error)),
        };
        let is_last = chunk.is_err();
        if to.send(chunk).await.is_err() || is_last {
            return;
        }
    }
}

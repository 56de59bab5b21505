//! `POST /images/create?fromSrc=…`: a tar, or a URL of one, becomes an image (API-7).

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;
use tokio::task;
use windlass::{
    ContainerConfig, Fetching, ImportError, ImportOptions, Platform, Reference, WebUrl,
};
use windlass_engine_api::ProgressMessage;

use super::{long_running, reference};
use crate::Daemon;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageStream};

/// How many pieces of the body wait for the disk.
const WAITING: usize = 16;

/// Where the tar is.
enum Source {
    /// In the body of the request.
    Body(Incoming),
    /// Unsupported.
    Web(WebUrl),
}

/// Reads what comes in the body, on a thread that may wait for it.
struct Arriving {
    pieces: Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

/// Answers.
pub(super) async fn import(
    daemon: &Arc<Daemon>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let options = options(&request)?;
    let source = match request.query.get("fromSrc") {
        Some("-") => Source::Body(request.body),
        Some(url) => {
            // As in Docker: what has no scheme is spoken to without TLS.
            let url = match url.contains("://") {
                true => url.to_owned(),
                false => format!("http://{url}"),
            };
            let url = WebUrl::parse(&url);
            Source::Web(url.map_err(|error: windlass::WebUrlError| {
                ApiError::bad_request(windlass::text::error_chain(&error))
            })?)
        }
        None => {
            let text = "nothing to pull or import: give fromImage=NAME, or fromSrc=- or a URL";
            return Err(ApiError::bad_request(text));
        }
    };
    let lines = MessageQueue::default();
    let (feed, body) = MessageStream::new(lines.clone());
    let (head, begun) = oneshot::channel();
    let told = (lines, feed, head);
    task::spawn(run(Arc::clone(daemon), source, options, told));
    // Some clients take the head of the answer for all of it, and leave: it comes with the first line.
    drop(begun.await);
    Ok(response::stream(response::JSON, body))
}

fn options(request: &ApiRequest) -> Result<ImportOptions, ApiError> {
    let query = &request.query;
    let name = query.get("repo").map(reference).transpose()?;
    let name = match (name, query.get("tag")) {
        (Some(name), Some(tag)) => {
            let tag = tag.parse();
            let tag =
                tag.map_err(|_: windlass::TagError| ApiError::bad_request("invalid tag format"))?;
            Some(name.without_digest().with_tag(tag))
        }
        (name, _) => name,
    };
    let mut config = ContainerConfig::default();
    for change in query.all("changes") {
        let changed = config.change(change);
        changed.map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?;
    }
    let here = || Platform::new("linux", std::env::consts::ARCH, None);
    let from = || format!("Imported from {}", query.get("fromSrc").unwrap_or("-"));
    Ok(ImportOptions {
        name: name.map(Reference::or_latest),
        platform: super::create::platform(query)?.unwrap_or_else(here),
        config,
        created: Timestamp::now().to_string(),
        comment: query.get("message").map_or_else(from, str::to_owned),
        limit: None,
    })
}

/// Imports, and tells the client, until it is over or the client has left.
async fn run(
    daemon: Arc<Daemon>,
    source: Source,
    options: ImportOptions,
    (lines, feed, head): (MessageQueue, MessageStream, oneshot::Sender<()>),
) {
    let stop = Arc::new(AtomicBool::new(false));
    let work = take(&daemon, source, options, &lines, &stop);
    let mut head = Some(head);
    let telling = async {
        lines.begun().await;
        drop(head.take());
        feed.run().await;
    };
    let imported = tokio::select! {
        biased;
        imported = work => imported,
        () = feed.closed() => return stop.store(true, Ordering::Relaxed),
        () = telling => return stop.store(true, Ordering::Relaxed),
    };
    lines.push(match imported {
        Ok(id) => ProgressMessage::status(id),
        Err(failure) => ProgressMessage::failed(failure.message),
    });
    drop(head);
    feed.finish().await;
}

async fn take(
    daemon: &Arc<Daemon>,
    source: Source,
    options: ImportOptions,
    lines: &MessageQueue,
    stop: &Arc<AtomicBool>,
) -> Result<String, ApiError> {
    let stopped = Arc::clone(stop);
    match source {
        Source::Body(body) => {
            let (sender, pieces) = channel(WAITING);
            let arriving = Arriving {
                pieces,
                piece: Bytes::new(),
            };
            let import = long_running(daemon, move |daemon| {
                ended(daemon.import(arriving, &options, &stopped, &|_| {}))
            });
            let (imported, ()) = tokio::join!(import, forward(body, sender));
            imported
        }
        Source::Web(url) => {
            let download = daemon.engine.remote().download(&url, None).await;
            let download = download
                .map_err(|error| ApiError::internal(windlass::text::error_chain(&error)))?;
            lines.push(ProgressMessage::status(format!("Downloading from {url}")));
            let told = lines.clone();
            let total = download.length().unwrap_or_default();
            long_running(daemon, move |daemon| {
                let fetching = Fetching::new(download, daemon.transfer_runtime.clone(), &stopped);
                let so_far = std::sync::atomic::AtomicU64::new(0);
                let tell = |bytes| {
                    let so_far = so_far.fetch_add(bytes, Ordering::Relaxed) + bytes;
                    told.count("", "Importing", so_far, total);
                };
                ended(daemon.import(fetching, &options, &stopped, &tell))
            })
            .await
        }
    }
}

fn ended(imported: Result<windlass::Loaded, ImportError>) -> Result<String, ApiError> {
    match imported {
        Ok(image) => Ok(image.image_id.to_string()),
        Err(error) => Err(ApiError::internal(windlass::text::error_chain(&error))),
    }
}

/// Hands what comes over to who unpacks it.
async fn forward(mut body: Incoming, to: Sender<io::Result<Bytes>>) {
    while let Some(frame) = body.frame().await {
        let piece = match frame {
            Ok(frame) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailers) => continue,
            },
            Err(error) => Err(io::Error::other(error)),
        };
        let is_last = piece.is_err();
        if to.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = self.piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

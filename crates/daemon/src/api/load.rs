//! `POST /images/load`: loads the images of an archive.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::task;
use windlass::error::LoadError;
use windlass::{LoadFrom, LoadOptions, Loaded};
use windlass_docker_api::ProgressMessage;

use super::execute::drive;
use super::parameters::image_choice;
use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageSender};

/// Loads images and reports their names.
pub(super) async fn load(
    daemon: &Arc<Daemon>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let options = LoadOptions {
        choice: image_choice(&request.query)?,
        name: None,
    };
    let archive = spool(daemon, request.body).await?;
    let queue = MessageQueue::default();
    let (sender, body) = MessageSender::new(queue.clone());
    let daemon = Arc::clone(daemon);
    let (done, finished) = oneshot::channel::<()>();
    task::spawn(async move {
        let loading = drive(daemon.load(LoadFrom::File(archive), options), drop);
        let loaded = tokio::select! {
            biased;
            () = sender.closed() => return,
            loaded = loading => loaded.and_then(|loaded| loaded.map_err(|error| not_loaded(&error))),
        };
        match loaded {
            Ok(loaded) => report(&loaded, &queue),
            Err(error) => queue.push(ProgressMessage::failed(error.message)),
        }
        drop(done);
        sender.finish().await;
    });
    // Some clients disconnect after the head of the response, so it is sent when the images are loaded.
    drop(finished.await);
    Ok(response::stream(response::JSON, body))
}

/// Writes the archive to a file, because its members are read in any order.
async fn spool(daemon: &Arc<Daemon>, mut body: Incoming) -> Result<File, ApiError> {
    let failed = |error: io::Error| ApiError::internal(format!("the archive: {error}"));
    let mut file = daemon.engine.scratch().map_err(failed)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::bad_request("the archive is incomplete"))?;
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

fn not_loaded(error: &LoadError) -> ApiError {
    match error {
        LoadError::Layout(error) => ApiError::internal(format!(
            "unrecognized image format: {}",
            windlass::text::error_chain(error)
        )),
        error => render::error::of_load(error),
    }
}

fn report(loaded: &[Loaded], queue: &MessageQueue) {
    for image in loaded {
        for moved in &image.moved {
            queue.push(ProgressMessage::stream(format!(
                "The image {} already exists, renaming the old one with ID {} to empty string\n",
                moved.name.familiar(),
                moved.from
            )));
        }
        for name in &image.names {
            queue.push(ProgressMessage::stream(format!(
                "Loaded image: {}\n",
                name.familiar()
            )));
        }
        if image.names.is_empty() {
            queue.push(ProgressMessage::stream(format!(
                "Loaded image ID: {}\n",
                image.image_id
            )));
        }
    }
}

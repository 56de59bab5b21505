//! The HTTP handlers of the Engine API, one file per resource.

mod archive;
mod create;
mod distribution;
mod events;
pub(crate) mod image_details;
mod images;
mod import;
mod info;
mod manifests;
mod push;
mod remove;
mod route;
mod system;
mod unsupported;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::task;
use windlass::{Event, Operation};

use crate::Daemon;
use crate::render;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse};

use route::Route;

/// Routes a request to its handler.
pub(crate) async fn respond(
    daemon: Arc<Daemon>,
    mut request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let route = Route::of(&request.method, &request.path);
    if !matches!(route, Route::Auth | Route::Create | Route::Load) {
        request.skip_body().await;
    }
    match route {
        Route::Ping => Ok(system::ping()),
        Route::Version => Ok(system::version(&daemon)),
        Route::Info => info::info(&daemon).await,
        Route::DiskUsage => system::disk_usage(&daemon, &request).await,
        Route::Auth => distribution::log_in(&daemon, request).await,
        Route::Events => events::events(&daemon, &request),
        Route::Metrics => system::metrics(&daemon).await,
        Route::Images => images::list(&daemon, &request).await,
        Route::Create => create::create(&daemon, request).await,
        Route::Inspect(name) => images::inspect(&daemon, &name, &request).await,
        Route::History(name) => images::history(&daemon, &name).await,
        Route::Tag(name) => images::tag(&daemon, &name, &request).await,
        Route::Push(name) => push::push(&daemon, &name, request).await,
        Route::Remove(name) => remove::remove(&daemon, &name, &request).await,
        Route::Prune => remove::prune(&daemon, &request).await,
        Route::Search => distribution::search(&daemon, &request).await,
        Route::Save(name) => archive::save(&daemon, name, &request).await,
        Route::Load => archive::load(&daemon, request).await,
        Route::Distribution(name) => distribution::inspect(&daemon, &name, &request).await,
        Route::Unsupported(what) => unsupported::respond(&what),
        Route::NotFound => Err(ApiError::not_found("page not found")),
    }
}

/// Runs `work` on a thread that may block on the disk.
async fn blocking<T: Send + 'static>(
    daemon: &Arc<Daemon>,
    work: impl FnOnce(&Daemon) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let daemon = Arc::clone(daemon);
    match task::spawn_blocking(move || work(&daemon)).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(%error, "a request failed because of a bug");
            Err(ApiError::internal(
                "internal error: see the log of the daemon",
            ))
        }
    }
}

/// Drives an operation. A panic becomes an error of the API.
async fn drive<E: Event, T: Send + 'static, X: Send + 'static>(
    operation: Operation<E, T, X>,
    on_event: impl FnMut(E),
) -> Result<Result<T, X>, ApiError> {
    let driven = AssertUnwindSafe(operation.drive(on_event)).catch_unwind();
    driven.await.map_err(|_panic| {
        tracing::error!("a request failed because of a bug");
        ApiError::internal("internal error: see the log of the daemon")
    })
}

/// Parses the name of an image in the store (REF-8).
fn image_name(text: &str) -> Result<windlass::image::ImageName, ApiError> {
    text.parse().map_err(|error| invalid_reference(&error))
}

fn reference(text: &str) -> Result<windlass::image::Reference, ApiError> {
    text.parse().map_err(|error| invalid_reference(&error))
}

fn tag(text: &str) -> Result<windlass::image::Tag, ApiError> {
    text.parse()
        .map_err(|_: windlass::error::TagError| ApiError::bad_request("invalid tag format"))
}

fn invalid_reference(error: &windlass::error::ReferenceError) -> ApiError {
    render::error::of_reference(&error.problem)
}

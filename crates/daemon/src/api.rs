//! The HTTP handlers of the Engine API, one file per resource.

mod container_config;
mod distribution;
mod events;
mod execute;
pub(crate) mod image_details;
mod images;
mod import;
mod info;
mod inspect;
mod load;
mod manifests;
mod parameter_table;
mod parameters;
mod platform_image;
mod pull;
mod push;
mod remove;
mod response_format;
mod route;
mod save;
mod system;
mod unsupported;
mod values;

use std::sync::Arc;

use crate::Daemon;
use crate::request::ApiRequest;
use crate::response::{ApiError, ApiResponse};

use route::Route;

/// Routes a request to its handler.
pub(crate) async fn respond(
    daemon: Arc<Daemon>,
    mut request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let route = Route::of(&request.method, &request.path);
    read_parameters(&route, &mut request).await?;
    parameter_table::check(&route, &request.query)?;
    match route {
        Route::Ping => Ok(system::ping()),
        Route::Version => Ok(system::version(&daemon)),
        Route::Info => info::info(&daemon).await,
        Route::DiskUsage => system::disk_usage(&daemon, &request).await,
        Route::Auth => distribution::log_in(&daemon, request).await,
        Route::Events => events::events(&daemon, &request),
        Route::Metrics => system::metrics(&daemon).await,
        Route::Images => images::list(&daemon, &request).await,
        Route::Create => match request.query.get("fromImage").map(str::to_owned) {
            Some(image) => pull::pull(&daemon, &image, request).await,
            None => import::import(&daemon, request).await,
        },
        Route::Inspect(name) => inspect::inspect(&daemon, &name, &request).await,
        Route::History(name) => images::history(&daemon, &name, &request).await,
        Route::Tag(name) => images::tag(&daemon, &name, &request).await,
        Route::Push(name) => push::push(&daemon, &name, request).await,
        Route::Remove(name) => remove::remove(&daemon, &name, &request).await,
        Route::Prune => remove::prune(&daemon, &request).await,
        Route::Search => distribution::search(&daemon, &request).await,
        Route::Save(name) => save::save(&daemon, name, &request).await,
        Route::Load => load::load(&daemon, request).await,
        Route::Distribution(name) => distribution::inspect(&daemon, &name, &request).await,
        Route::Unsupported(what) => unsupported::respond(&what),
        Route::NotFound => Err(ApiError::not_found("page not found")),
    }
}

/// Reads the body of a request unless its handler does: parameters in it count, anything else has no meaning.
async fn read_parameters(route: &Route, request: &mut ApiRequest) -> Result<(), ApiError> {
    match route {
        // The body is the tar to import.
        Route::Create if request.query.get("fromSrc").is_some() => {}
        Route::Create | Route::Tag(_) | Route::Push(_) | Route::Prune if request.has_form() => {
            request.read_form().await?;
        }
        // Credentials, or an archive.
        Route::Auth | Route::Load | Route::Push(_) => {}
        _ => request.skip_body().await,
    }
    Ok(())
}

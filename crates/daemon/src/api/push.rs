//! `POST /images/{name}/push`

use std::sync::Arc;

use tokio::task;
use windlass::PushRequest;
use windlass::image::{ImageChoice, Reference};
use windlass::registry::Caller;
use windlass_docker_api::ProgressMessage;

use super::execute::{blocking, drive};
use super::parameters::{self, reference, tag};
use crate::Daemon;
use crate::auth;
use crate::event_log::ImageAction;
use crate::render;
use crate::render::push::{PushMessages, pushed, pushing_to};
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageSender};

/// The parameters of a push.
struct PushParameters {
    tags: Vec<Reference>,
    choice: ImageChoice,
    caller: Caller,
}

/// Pushes a tag, or all tags of a repository.
pub(super) async fn push(
    daemon: &Arc<Daemon>,
    name: &str,
    mut request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let named = reference(name)?;
    let named = match request.query.get("tag") {
        Some(text) => named.without_digest().with_tag(tag(text)?),
        None => named,
    };
    let platform = parameters::platform(&request.query)?;
    let registry = named.repository().registry();
    let caller = auth::caller_of_push(&mut request, registry).await?;
    let tags = tags(daemon, &named).await?;
    let choice = match platform {
        Some(platform) => ImageChoice::One(Some(platform)),
        None => ImageChoice::AllIfComplete,
    };
    let queue = MessageQueue::default();
    queue.push(pushing_to(&named));
    let (sender, body) = MessageSender::new(queue.clone());
    if tags.is_empty() {
        let error = render::error::no_tags_to_push(named.repository());
        queue.push(ProgressMessage::failed(error.message));
        task::spawn(sender.finish());
    } else {
        let parameters = PushParameters {
            tags,
            choice,
            caller,
        };
        task::spawn(run(Arc::clone(daemon), parameters, queue, sender));
    }
    Ok(response::stream(response::JSON, body))
}

/// Returns the references to push: the one in the request, or all tags of its repository. Empty if the store has none.
async fn tags(daemon: &Arc<Daemon>, named: &Reference) -> Result<Vec<Reference>, ApiError> {
    let named = named.clone();
    blocking(daemon, move |daemon| {
        let images = daemon
            .engine
            .images()
            .map_err(|error| render::error::of_store(&error))?;
        let tags = images.into_iter().flat_map(|image| image.names);
        let mut tags: Vec<_> = tags
            .filter(|tag| tag.repository() == named.repository())
            .collect();
        tags.sort_by_key(ToString::to_string);
        if !named.is_name_only() && !tags.is_empty() {
            tags = vec![named];
        }
        Ok(tags)
    })
    .await
}

/// Pushes one reference after the other and reports progress, until all are done or the client disconnects.
async fn run(
    daemon: Arc<Daemon>,
    parameters: PushParameters,
    queue: MessageQueue,
    sender: MessageSender,
) {
    let work = async {
        let PushParameters {
            tags,
            choice,
            caller,
        } = parameters;
        for reference in tags {
            let request = PushRequest {
                reference: reference.clone(),
                image: None,
                choice: choice.clone(),
                caller: caller.clone(),
                concurrent_blobs: daemon.uploads(),
                chunk_size: None,
                include_foreign_layers: false,
            };
            push_one(&daemon, request, &queue).await?;
        }
        Ok(())
    };
    let outcome: Result<(), ApiError> = tokio::select! {
        biased;
        () = sender.closed() => return,
        outcome = work => outcome,
        () = sender.run() => return,
    };
    if let Err(error) = outcome {
        queue.push(ProgressMessage::failed(error.message));
    }
    sender.finish().await;
}

async fn push_one(
    daemon: &Arc<Daemon>,
    request: PushRequest,
    queue: &MessageQueue,
) -> Result<(), ApiError> {
    let reference = request.reference.clone();
    let push = daemon.permitted(daemon.engine.push(request)).await;
    let push = push.run_on(&daemon.transfer_runtime);
    let messages = PushMessages::default();
    let done = drive(push, |event| messages.event(&event, queue)).await?;
    daemon.metrics.count_push(done.is_ok());
    match done {
        Ok(done) => {
            for message in pushed(&done) {
                queue.push(message);
            }
            daemon.record_transfer(ImageAction::Push, &reference).await;
            Ok(())
        }
        Err(error) => {
            let cause = windlass::text::error_chain(&error);
            tracing::info!(error = %cause, reference = %reference.familiar(), "push failed");
            Err(render::error::of_push(&error, &reference))
        }
    }
}

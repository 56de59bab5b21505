//! `POST /images/create?fromImage=…`: pulls an image (API-1).

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{self, Instant};
use windlass::error::ReferenceProblem;
use windlass::image::{Platform, Reference};
use windlass::registry::Caller;
use windlass::transfer::Throttle;
use windlass::{PullOutcome, PullRequest, Pulled};

use super::parameters::{platform, reference, tag};
use crate::Daemon;
use crate::auth;
use crate::body::ApiBody;
use crate::render;
use crate::render::pull::{PullMessages, final_message};
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageSender};

/// How many tags of a repository are pulled at a time. Layers that they share are downloaded once.
const AT_ONCE: usize = 4;
/// How often the countdown to a retry is updated.
const TICK: time::Duration = time::Duration::from_millis(200);

/// The parameters of a pull.
#[derive(Debug)]
struct PullParameters {
    /// Without a tag and a digest it means all tags.
    reference: Reference,
    platform: Option<Platform>,
    caller: Caller,
}

/// Starts the response: as a stream, or with an error status.
type Head = oneshot::Sender<Result<ApiBody, ApiError>>;

/// Pulls an image, or all tags of a repository.
pub(super) async fn pull(
    daemon: &Arc<Daemon>,
    image: &str,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let reference = target(image, request.query.get("tag"))?;
    let parameters = PullParameters {
        platform: platform(&request.query)?,
        caller: auth::caller(&request.headers, reference.repository().registry()),
        reference,
    };
    let (head, started) = oneshot::channel();
    let work = run(Arc::clone(daemon), parameters, head);
    daemon.transfers.spawn_on(work, &daemon.transfer_runtime);
    let body = started.await.map_err(|_| ApiError::bug())??;
    Ok(response::stream(response::JSON, body))
}

/// Combines `fromImage` and `tag`. The latter may be a digest, and `fromImage` may have a tag of its own; without any tag
/// or digest, all tags are pulled.
fn target(image: &str, tag_or_digest: Option<&str>) -> Result<Reference, ApiError> {
    let image = image.strip_suffix(':').unwrap_or(image);
    let named = reference(image)?;
    let Some(which) = tag_or_digest else {
        return Ok(named);
    };
    let repository = named.without_tag().without_digest();
    if which.contains(':') {
        let digest = which.parse().map_err(ReferenceProblem::Digest);
        let digest = digest.map_err(|problem| render::error::of_reference(&problem))?;
        return Ok(repository.with_digest(digest));
    }
    Ok(repository.with_tag(tag(which)?))
}

/// Pulls and reports progress, until the pull ends or the client disconnects.
async fn run(daemon: Arc<Daemon>, parameters: PullParameters, mut head: Head) {
    let queue = MessageQueue::default();
    let progress = queue.clone();
    let name = parameters.reference.familiar();
    let work = async {
        if !parameters.reference.is_name_only() {
            return pull_one(&daemon, &parameters, &parameters.reference, &progress)
                .await
                .map(|pulled| pulled.outcome);
        }
        pull_all(&daemon, &parameters, &progress).await
    };
    let mut work = std::pin::pin!(work);
    // Nothing is sent before the image is found, so that a missing image has a status.
    let early = tokio::select! {
        biased;
        () = head.closed() => return,
        outcome = &mut work => Some(outcome),
        () = queue.wait_nonempty() => None,
    };
    if let Some(Err((error, false))) = early {
        // An error means that the client has disconnected.
        drop(head.send(Err(error)));
        return;
    }
    let (sender, body) = MessageSender::new(queue.clone());
    if head.send(Ok(body)).is_err() {
        return;
    }
    let outcome = match early {
        Some(outcome) => outcome,
        None => tokio::select! {
            biased;
            () = sender.closed() => return,
            outcome = &mut work => outcome,
            () = sender.run() => return,
        },
    };
    queue.push(match outcome {
        Ok(outcome) => final_message(&name, outcome),
        Err((error, _)) => windlass_docker_api::ProgressMessage::failed(error.message),
    });
    sender.finish().await;
}

/// The error comes with whether the stream had started.
type StreamResult<T> = Result<T, (ApiError, bool)>;

/// Pulls one image.
async fn pull_one(
    daemon: &Arc<Daemon>,
    parameters: &PullParameters,
    reference: &Reference,
    queue: &MessageQueue,
) -> StreamResult<Pulled> {
    let request = PullRequest {
        reference: reference.clone(),
        platform: parameters.platform.clone(),
        artifacts: Vec::new(),
        caller: parameters.caller.clone(),
        throttle: Throttle::unlimited(),
    };
    let mut messages = PullMessages::new(reference.clone());
    let mut ticks = time::interval(TICK);
    let mut pull = daemon.pull(request);
    loop {
        tokio::select! {
            biased;
            event = pull.next_event() => match event {
                Some(event) => messages.event(&event, Instant::now(), queue),
                None => break,
            },
            _ = ticks.tick() => messages.tick(Instant::now(), queue),
        }
    }
    match pull.await {
        Ok(pulled) => {
            messages.pulled(&pulled, queue);
            Ok(pulled)
        }
        Err(error) => Err((
            render::error::of_pull(&error, reference),
            messages.has_started(),
        )),
    }
}

/// Pulls all tags of a repository. The first failure ends it, as in Docker; tags that are done stay (FB-12).
async fn pull_all(
    daemon: &Arc<Daemon>,
    parameters: &PullParameters,
    queue: &MessageQueue,
) -> StreamResult<PullOutcome> {
    let repository = parameters.reference.repository();
    let tags = daemon
        .engine
        .remote()
        .tags(repository, &parameters.caller)
        .await;
    let tags =
        tags.map_err(|error| (render::error::of_pull(&error, &parameters.reference), false))?;
    let pulls = stream::iter(tags).map(|tag| {
        let reference = parameters.reference.with_tag(tag);
        async move { pull_one(daemon, parameters, &reference, queue).await }
    });
    let mut pulls = pulls.buffered(AT_ONCE);
    let (mut outcome, mut has_started) = (PullOutcome::UpToDate, false);
    while let Some(pulled) = pulls.next().await {
        let pulled = pulled.map_err(|(error, started)| (error, started || has_started))?;
        has_started = true;
        if pulled.outcome == PullOutcome::Downloaded {
            outcome = PullOutcome::Downloaded;
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_and_the_tag_are_combined() {
        let target = |image, tag| target(image, tag).map(|reference| reference.to_string());
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(
            target("alpine", Some("3")),
            text("docker.io/library/alpine:3")
        );
        assert_eq!(target("alpine:", None), text("docker.io/library/alpine"));
        assert_eq!(target("r:5/a:1", None), text("r:5/a:1"));
        let by_digest = target("alpine:3", Some(&digest));
        assert_eq!(by_digest, Ok(format!("docker.io/library/alpine@{digest}")));
        assert!(target("BAD", Some("1")).is_err());
        assert!(target("a", Some("no tag")).is_err());
        assert!(target("a", Some("sha256:1")).is_err());
    }
}

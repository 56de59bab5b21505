//! `POST /images/create`: a pull, or an import (API-1, API-7).

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::{self, Instant};
use windlass::{
    Caller, Outcome, Platform, PullRequest, Pulled, Reference, ReferenceProblem, Throttle,
};

use super::{reference, tag};
use crate::Daemon;
use crate::auth;
use crate::body::Body;
use crate::render;
use crate::render::pull::{PullMessages, ending};
use crate::request::{ApiRequest, QueryParameters};
use crate::response::{self, ApiError, ApiResponse};
use crate::stream::{MessageQueue, MessageStream};

/// How many tags of a repository are pulled at a time; what they share comes once anyway.
const AT_ONCE: usize = 4;
/// How often it is looked whether there is another second to count down.
const TICK: time::Duration = time::Duration::from_millis(200);

/// What a client wants to have pulled.
#[derive(Debug)]
struct PullParameters {
    /// Without tag and digest: all tags.
    reference: Reference,
    platform: Option<Platform>,
    caller: Caller,
}

/// How one answer begins: as a stream, or with a status.
type Head = oneshot::Sender<Result<Body, ApiError>>;

/// Answers.
pub(crate) async fn create(
    daemon: &Arc<Daemon>,
    request: ApiRequest,
) -> Result<ApiResponse, ApiError> {
    let Some(image) = request.query.get("fromImage") else {
        return super::import::import(daemon, request).await;
    };
    let reference = wanted(image, request.query.get("tag"))?;
    let wanted = PullParameters {
        platform: platform(&request.query)?,
        caller: auth::caller(&request.headers, reference.repository().registry()),
        reference,
    };
    let (head, begun) = oneshot::channel();
    let work = run(Arc::clone(daemon), wanted, head);
    daemon.transfers.spawn_on(work, &daemon.transfer_runtime);
    let lost = || ApiError::internal("a defect in windlass: see its log");
    let body = begun.await.map_err(|_| lost())??;
    Ok(response::stream(response::JSON, body))
}

/// Puts `fromImage` and `tag` together. The tag may be a digest, and `fromImage` may have a tag of its own; without
/// any, all tags are meant.
fn wanted(image: &str, which: Option<&str>) -> Result<Reference, ApiError> {
    let image = image.strip_suffix(':').unwrap_or(image);
    let named = reference(image)?;
    let Some(which) = which else {
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

/// Reads `platform`: `os/arch[/variant]`, or the JSON of one.
pub(super) fn platform(query: &QueryParameters) -> Result<Option<Platform>, ApiError> {
    let Some(text) = query.get("platform") else {
        return Ok(None);
    };
    super::images::parse_platform(text).map(Some)
}

/// Pulls, and tells the client, until it is over or the client has left.
async fn run(daemon: Arc<Daemon>, wanted: PullParameters, mut head: Head) {
    let lines = MessageQueue::default();
    let told = lines.clone();
    let name = wanted.reference.familiar();
    let work = async {
        if !wanted.reference.is_name_only() {
            return pull(&daemon, &wanted, &wanted.reference, &told)
                .await
                .map(|pulled| pulled.outcome);
        }
        pull_all(&daemon, &wanted, &told).await
    };
    let mut work = std::pin::pin!(work);
    // Nothing is sent before the image was found, so that what is not there has a status.
    let early = tokio::select! {
        biased;
        () = head.closed() => return,
        outcome = &mut work => Some(outcome),
        () = lines.begun() => None,
    };
    if let Some(Err((failure, false))) = early {
        // One who has left does not learn it.
        drop(head.send(Err(failure)));
        return;
    }
    let (feed, body) = MessageStream::new(lines.clone());
    if head.send(Ok(body)).is_err() {
        return;
    }
    let outcome = match early {
        Some(outcome) => outcome,
        None => tokio::select! {
            biased;
            () = feed.closed() => return,
            outcome = &mut work => outcome,
            () = feed.run() => return,
        },
    };
    lines.push(match outcome {
        Ok(outcome) => ending(&name, outcome),
        Err((failure, _)) => windlass_engine_api::ProgressMessage::failed(failure.message),
    });
    feed.finish().await;
}

/// A failure, and whether the stream had begun.
type Ended<T> = Result<T, (ApiError, bool)>;

/// Pulls one image.
async fn pull(
    daemon: &Arc<Daemon>,
    wanted: &PullParameters,
    reference: &Reference,
    lines: &MessageQueue,
) -> Ended<Pulled> {
    let request = PullRequest {
        reference: reference.clone(),
        platform: wanted.platform.clone(),
        caller: wanted.caller.clone(),
        throttle: Throttle::unlimited(),
    };
    let mut words = PullMessages::new(reference.clone());
    let mut ticks = time::interval(TICK);
    let mut pull = daemon.pull(request);
    loop {
        tokio::select! {
            biased;
            event = pull.next_event() => match event {
                Some(event) => words.event(&event, Instant::now(), lines),
                None => break,
            },
            _ = ticks.tick() => words.tick(Instant::now(), lines),
        }
    }
    match pull.await {
        Ok(pulled) => {
            words.pulled(&pulled, lines);
            Ok(pulled)
        }
        Err(error) => Err((render::error::of_pull(&error, reference), words.has_begun())),
    }
}

/// Pulls all tags of a repository. One that fails ends it, as in Docker; those that are done stay (FB-12).
async fn pull_all(
    daemon: &Arc<Daemon>,
    wanted: &PullParameters,
    lines: &MessageQueue,
) -> Ended<Outcome> {
    let repository = wanted.reference.repository();
    let tags = daemon
        .engine
        .remote()
        .tags(repository, &wanted.caller)
        .await;
    let tags = tags.map_err(|error| (render::error::of_pull(&error, &wanted.reference), false))?;
    let pulls = stream::iter(tags).map(|tag| {
        let reference = wanted.reference.with_tag(tag);
        async move { pull(daemon, wanted, &reference, lines).await }
    });
    let mut pulls = pulls.buffered(AT_ONCE);
    let (mut outcome, mut has_begun) = (Outcome::UpToDate, false);
    while let Some(pulled) = pulls.next().await {
        let pulled = pulled.map_err(|(failure, begun)| (failure, begun || has_begun))?;
        has_begun = true;
        if pulled.outcome == Outcome::Downloaded {
            outcome = Outcome::Downloaded;
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_digests_and_all_tags_are_told_apart() {
        let wanted = |image, tag| wanted(image, tag).map(|wanted| wanted.to_string());
        let digest = format!("sha256:{}", "a".repeat(64));
        let text = |text: &str| Ok(text.to_owned());
        assert_eq!(
            wanted("alpine", Some("3")),
            text("docker.io/library/alpine:3")
        );
        assert_eq!(wanted("alpine:", None), text("docker.io/library/alpine"));
        assert_eq!(wanted("r:5/a:1", None), text("r:5/a:1"));
        let by_digest = wanted("alpine:3", Some(&digest));
        assert_eq!(by_digest, Ok(format!("docker.io/library/alpine@{digest}")));
        assert!(wanted("BAD", Some("1")).is_err());
        assert!(wanted("a", Some("no tag")).is_err());
        assert!(wanted("a", Some("sha256:1")).is_err());
    }
}

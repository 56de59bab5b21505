//! The events of images: a bounded history, and subscriptions to new events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast::{Receiver, Sender, channel};
use windlass_docker_api::{EventActor, EventMessage};

/// What happened to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageAction {
    Pull,
    Push,
    Tag,
    Untag,
    Delete,
    Load,
    Save,
    Import,
    Prune,
}

/// The latest events, and the channel for new ones.
#[derive(Debug)]
pub(crate) struct EventLog {
    recent: Mutex<VecDeque<Arc<EventMessage>>>,
    sender: Sender<Arc<EventMessage>>,
}

/// The number of events in the history, as in Docker.
const HISTORY: usize = 256;
/// The number of events that may wait for one subscriber. A slower subscriber misses some.
const CAPACITY: usize = 1024;

impl EventLog {
    pub(crate) fn new() -> Self {
        let (sender, _) = channel(CAPACITY);
        let recent = Mutex::default();
        Self { recent, sender }
    }

    /// Records an event of the image or name `id`.
    pub(crate) fn record(
        &self,
        action: ImageAction,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        // A pull has a log line with more details.
        if action != ImageAction::Pull {
            tracing::info!(action = action.name(), image = id, "done");
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let event = Arc::new(EventMessage {
            status: action.name().to_owned(),
            id: id.to_owned(),
            kind: "image".to_owned(),
            action: action.name().to_owned(),
            actor: EventActor {
                id: id.to_owned(),
                attributes,
            },
            scope: "local".to_owned(),
            time: now.as_secs().try_into().unwrap_or(i64::MAX),
            time_nano: now.as_nanos().try_into().unwrap_or(i64::MAX),
        });
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == HISTORY {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&event));
        // Under the lock, so that a new subscriber gets each event once: from the history or from the channel. An error
        // means that there is no subscriber.
        let _subscribers = self.sender.send(event);
    }

    /// Returns the history, and a receiver of the events after it.
    pub(crate) fn subscribe(&self) -> (Vec<Arc<EventMessage>>, Receiver<Arc<EventMessage>>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        (recent.iter().cloned().collect(), self.sender.subscribe())
    }

    /// Returns the number of subscribers.
    pub(crate) fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }
}

impl ImageAction {
    fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Delete => "delete",
            Self::Load => "load",
            Self::Save => "save",
            Self::Import => "import",
            Self::Prune => "prune",
        }
    }
}

/// Returns the attribute that most events have.
pub(crate) fn name_attribute(name: impl Into<String>) -> BTreeMap<String, String> {
    BTreeMap::from([("name".to_owned(), name.into())])
}

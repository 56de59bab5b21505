//! What happened to images: told as it happens, and for a while afterwards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::broadcast::{Receiver, Sender, channel};
use windlass_engine_api::{EventActor, EventMessage};

/// What happened.
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

/// Remembers the latest events, and tells those that come.
#[derive(Debug)]
pub(crate) struct EventLog {
    recent: Mutex<VecDeque<Arc<EventMessage>>>,
    sender: Sender<Arc<EventMessage>>,
}

/// How many events are remembered, as many as by Docker.
const REMEMBERED: usize = 256;
/// How many events may wait for one who listens; one who is slower misses some.
const WAITING: usize = 1024;

impl EventLog {
    pub(crate) fn new() -> Self {
        let (sender, _) = channel(WAITING);
        let recent = Mutex::default();
        Self { recent, sender }
    }

    /// Notes that something happened to the image or name `id`.
    pub(crate) fn record(
        &self,
        action: ImageAction,
        id: &str,
        attributes: BTreeMap<String, String>,
    ) {
        // Of pulls more is known elsewhere.
        if action != ImageAction::Pull {
            tracing::info!(action = action.word(), image = id, "done");
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let event = Arc::new(EventMessage {
            status: action.word().to_owned(),
            id: id.to_owned(),
            kind: "image".to_owned(),
            action: action.word().to_owned(),
            actor: EventActor {
                id: id.to_owned(),
                attributes,
            },
            scope: "local".to_owned(),
            time: now.as_secs().try_into().unwrap_or(i64::MAX),
            time_nano: now.as_nanos().try_into().unwrap_or(i64::MAX),
        });
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() == REMEMBERED {
            recent.pop_front();
        }
        recent.push_back(Arc::clone(&event));
        // Under the lock: whoever listens gets each event once, remembered or told. Nobody need be listening.
        let _listeners = self.sender.send(event);
    }

    /// Returns what is remembered, and tells what comes behind it.
    pub(crate) fn subscribe(&self) -> (Vec<Arc<EventMessage>>, Receiver<Arc<EventMessage>>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        (recent.iter().cloned().collect(), self.sender.subscribe())
    }

    /// Returns how many listen.
    pub(crate) fn subscribers(&self) -> usize {
        self.sender.receiver_count()
    }
}

impl ImageAction {
    fn word(self) -> &'static str {
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

/// Returns the one attribute that most events have.
pub(crate) fn name_attribute(name: impl Into<String>) -> BTreeMap<String, String> {
    BTreeMap::from([("name".to_owned(), name.into())])
}

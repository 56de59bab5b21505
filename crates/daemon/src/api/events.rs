//! `GET /events`

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;
use tokio::time;
use windlass_docker_api::{EventMessage, FilterValues};

use crate::Daemon;
use crate::body::ApiBody;
use crate::request::ApiRequest;
use crate::response::{self, ApiError, ApiResponse};

/// Which events a client receives.
#[derive(Debug)]
struct EventFilter {
    /// Only events from then on, in nanoseconds since 1970; `None` for new events only.
    since: Option<i64>,
    /// Only events until then.
    until: Option<i64>,
    filters: FilterValues,
    /// Whether the fields for old clients are left out (1.52).
    is_new: bool,
}

/// Streams events.
pub(super) fn events(daemon: &Arc<Daemon>, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
    let filters = FilterValues::parse(request.query.get("filters"));
    let time = |key| request.query.get(key).map(parse_time).transpose();
    let filter = EventFilter {
        since: time("since")?,
        until: time("until")?,
        filters: filters
            .map_err(|error| ApiError::bad_request(windlass::text::error_chain(&error)))?,
        is_new: request.is_at_least(1, 52),
    };
    let (chunks, body) = ApiBody::chunks();
    let (history, mut receiver) = daemon.events.subscribe();
    let stop = daemon.shutdown().clone();
    tokio::spawn(async move {
        let sending = async {
            for event in history.iter().filter(|_| filter.since.is_some()) {
                if filter.matches(event) && chunks.send(Ok(filter.line(event))).await.is_err() {
                    return;
                }
            }
            let Some(left) = filter.time_left() else {
                return;
            };
            let listening = async {
                loop {
                    let event = match receiver.recv().await {
                        Ok(event) => event,
                        // A slow client misses events.
                        Err(RecvError::Lagged(_)) => continue,
                        Err(RecvError::Closed) => return,
                    };
                    if filter.matches(&event) && chunks.send(Ok(filter.line(&event))).await.is_err()
                    {
                        return;
                    }
                }
            };
            let _timed_out = time::timeout(left, listening).await;
        };
        tokio::select! {
            () = sending => {}
            () = chunks.closed() => {}
            () = stop.begun() => {}
        }
    });
    Ok(response::stream(response::JSON, body))
}

impl EventFilter {
    /// Returns how long to wait for events; `None` if `until` has passed.
    fn time_left(&self) -> Option<Duration> {
        const NO_LIMIT: Duration = Duration::from_secs(86_400 * 365 * 30);
        let Some(until) = self.until else {
            return Some(NO_LIMIT);
        };
        let now = i64::try_from(Timestamp::now().as_nanosecond()).ok()?;
        let left = u64::try_from(until.checked_sub(now)?).ok()?;
        Some(Duration::from_nanos(left))
    }

    fn matches(&self, event: &EventMessage) -> bool {
        let is_late = self.since.is_none_or(|since| event.time_nano >= since);
        let is_early = self.until.is_none_or(|until| event.time_nano <= until);
        is_late
            && is_early
            && self
                .filters
                .0
                .iter()
                .all(|(key, values)| passes(event, key, values))
    }

    fn line(&self, event: &EventMessage) -> Bytes {
        let mut event = event.clone();
        if self.is_new {
            event.status.clear();
            event.id.clear();
        }
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

/// Returns whether an event passes one filter. An unknown key lets nothing pass.
fn passes(event: &EventMessage, key: &str, values: &[String]) -> bool {
    if values.is_empty() {
        return true;
    }
    let attribute = |key: &str| event.actor.attributes.get(key).map(String::as_str);
    match key {
        "type" => values.contains(&event.kind),
        "event" => values.contains(&event.action),
        "scope" => values.contains(&event.scope),
        "image" => {
            let name = attribute("name").unwrap_or_default();
            let is = |value: &String| {
                *value == event.actor.id
                    || value == name
                    || event.actor.id.starts_with(&format!("{value}:"))
            };
            values.iter().any(is)
        }
        "label" => values.iter().all(|value| match value.split_once('=') {
            Some((key, value)) => attribute(key) == Some(value),
            None => attribute(value).is_some(),
        }),
        _ => false,
    }
}

/// Parses seconds since 1970, with or without a fraction, or a time in RFC 3339. Returns nanoseconds.
fn parse_time(text: &str) -> Result<i64, ApiError> {
    let bad = || {
        ApiError::bad_request(format!(
            "invalid time {text:?}: use seconds since 1970, or RFC 3339"
        ))
    };
    let nanoseconds = match text.split_once('.').unwrap_or((text, "")) {
        (seconds, fraction)
            if !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            let fraction: String = fraction
                .chars()
                .chain("000000000".chars())
                .take(9)
                .collect();
            let seconds: i64 = seconds.parse().map_err(|_| bad())?;
            let fraction: i64 = fraction.parse().map_err(|_| bad())?;
            seconds
                .checked_mul(1_000_000_000)
                .and_then(|all| all.checked_add(fraction))
        }
        _ => {
            let time: Timestamp = text.parse().map_err(|_| bad())?;
            i64::try_from(time.as_nanosecond()).ok()
        }
    };
    nanoseconds.ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use windlass_docker_api::EventActor;

    use super::*;

    #[test]
    fn times_have_two_formats() {
        let read = |text| parse_time(text).ok();
        assert_eq!(read("12"), Some(12_000_000_000));
        assert_eq!(read("12.5"), Some(12_500_000_000));
        assert_eq!(read("12.000000001"), Some(12_000_000_001));
        assert_eq!(read("1970-01-01T00:00:12Z"), Some(12_000_000_000));
        for odd in ["", "x", "-1", "1.x", "99999999999999999999"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    fn event() -> EventMessage {
        let attributes = [("name", "alpine"), ("tier", "1")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        EventMessage {
            status: "tag".to_owned(),
            id: "sha256:1:2".to_owned(),
            kind: "image".to_owned(),
            action: "tag".to_owned(),
            actor: EventActor {
                id: "sha256:1:2".to_owned(),
                attributes: attributes.into(),
            },
            scope: "local".to_owned(),
            time: 5,
            time_nano: 5_000_000_000,
        }
    }

    fn filter(filters: &str) -> EventFilter {
        EventFilter {
            since: None,
            until: None,
            filters: FilterValues::parse(Some(filters)).unwrap(),
            is_new: false,
        }
    }

    #[test]
    fn every_filter_has_to_match() {
        for (filters, expected) in [
            (r"{}", true),
            (r#"{"type":["image"]}"#, true),
            (r#"{"type":["container"]}"#, false),
            (r#"{"event":["pull","tag"]}"#, true),
            (r#"{"event":["pull"]}"#, false),
            (r#"{"image":["alpine"]}"#, true),
            (r#"{"image":["sha256:1"]}"#, true),
            (r#"{"image":["sha256"],"event":["pull"]}"#, false),
            (r#"{"label":["tier"]}"#, true),
            (r#"{"label":["tier=2"]}"#, false),
            (r#"{"scope":["swarm"]}"#, false),
            (r#"{"container":["x"]}"#, false),
            (r#"{"container":[]}"#, true),
        ] {
            assert_eq!(filter(filters).matches(&event()), expected, "{filters}");
        }
    }

    #[test]
    fn events_outside_of_the_time_are_left_out() {
        let between = |since, until| EventFilter {
            since,
            until,
            ..filter("{}")
        };
        let second = 1_000_000_000;
        assert!(between(Some(5 * second), Some(5 * second)).matches(&event()));
        assert!(!between(Some(6 * second), None).matches(&event()));
        assert!(!between(None, Some(4 * second)).matches(&event()));
        // 1970 has passed.
        assert_eq!(between(None, Some(second)).time_left(), None);
    }

    #[test]
    fn new_clients_get_no_legacy_fields() {
        let line = |is_new| {
            let filter = EventFilter {
                is_new,
                ..filter("{}")
            };
            let line: serde_json::Value = serde_json::from_slice(&filter.line(&event())).unwrap();
            line.get("status").is_some() || line.get("id").is_some()
        };
        assert!(line(false));
        assert!(!line(true));
    }
}

//! Normal forms of responses for the comparison: documents without what differs from one run to the next.

use serde_json::{Map, Value, json};
use windlass_testing::real::SocketResponse;

/// The format of the body of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// A JSON document, or nothing.
    Document,
    /// One document a line: messages, and the steps of each layer.
    Progress,
    /// One event a line.
    Events,
    /// Plain text.
    Text,
    /// An archive, whose content is not compared here.
    Archive,
}

/// Headers that clients evaluate.
const HEADERS: [&str; 7] = [
    "api-version",
    "builder-version",
    "cache-control",
    "content-type",
    "docker-experimental",
    "ostype",
    "pragma",
];
/// Members that differ from run to run: times and tokens.
const OF_NOW: [&str; 6] = [
    "BuildTime",
    "IdentityToken",
    "LastTagTime",
    "SystemTime",
    "time",
    "timeNano",
];
/// dockerd prunes images in any order.
const IN_ANY_ORDER: &str = "ImagesDeleted";
/// Steps that depend on timing: dockerd sends each watcher of a layer the latest step only, so that every step
/// between the first and the last may be left out.
const STEPS_THAT_MAY_MISS: [&str; 6] = [
    "Waiting",
    "Downloading",
    "Verifying Checksum",
    "Download complete",
    "Extracting",
    "Pushing",
];

/// Returns the normal form of a response.
pub(super) fn normal(answer: &SocketResponse, body: Body) -> Value {
    let mut headers = Map::new();
    for name in HEADERS {
        if let Some(value) = answer.headers.get(name) {
            headers.insert(name.to_owned(), json!(value));
        }
    }
    let text = String::from_utf8_lossy(&answer.body);
    // An early error is a document, whatever the format of a success.
    let body = match body {
        _ if answer.status >= 400 => document(&text),
        Body::Document => document(&text),
        Body::Progress => progress(&text),
        Body::Events => text.lines().map(document).collect(),
        Body::Text => json!(text),
        Body::Archive => json!(!answer.body.is_empty()),
    };
    json!({ "status": answer.status, "headers": headers, "body": body })
}

fn document(text: &str) -> Value {
    let mut read = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    without_now(&mut read);
    read
}

fn without_now(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if OF_NOW.contains(&&**name) {
                    *value = json!(kind(value));
                }
                if let Value::Array(values) = value
                    && name == IN_ANY_ORDER
                {
                    values.sort_by_key(Value::to_string);
                }
                without_now(value);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(without_now),
        _ => {}
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(text) if text.is_empty() => "no text",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        _ => "something else",
    }
}

/// Groups the steps by layer, because layers are reported in any order.
fn progress(text: &str) -> Value {
    let (mut words, mut layers) = (Vec::new(), Map::new());
    for line in text.lines() {
        let message = document(line);
        let is_step = message.get("progressDetail").is_some();
        let Some(id) = message["id"].as_str().filter(|_| is_step) else {
            words.push(message);
            continue;
        };
        let status = message["status"].as_str().unwrap_or_default();
        if STEPS_THAT_MAY_MISS.contains(&status) {
            continue;
        }
        let step = json!(status);
        let steps = layers.entry(id).or_insert_with(|| json!([]));
        let steps = steps.as_array_mut().expect("it was made one");
        if steps.last().is_none_or(|last| *last != step) {
            steps.push(step);
        }
    }
    json!({ "words": words, "layers": layers })
}

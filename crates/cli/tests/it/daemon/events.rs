//! `GET /events`: the events of each operation, and their attributes.

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use serde_json::{Map, Value, json};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::{Response, TestDaemon, read_response, request};
use crate::harness::{DEADLINE, PLATFORM, Windlass};

/// The actions of all events so far, each with its actor and attributes.
fn events(daemon: &TestDaemon) -> Vec<(String, String, Value)> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let until = now.unwrap().as_secs_f64();
    let log = daemon.get(&format!("/events?since=0&until={until:.6}"));
    let events = log.body.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let actor = &event["Actor"];
        (
            text(&event["Action"]),
            text(&actor["ID"]),
            actor["Attributes"].clone(),
        )
    });
    events.collect()
}

fn import(daemon: &TestDaemon, path: &str, tar: &[u8]) -> Response {
    let mut stream = UnixStream::connect(&daemon.socket).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let length = tar.len();
    write!(
        stream,
        "POST {path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(tar).unwrap();
    read_response(&mut stream)
}

/// As dockerd: the labels belong to every event of an image that exists, and the digest that goes with the last tag of a
/// repository has no event.
#[test]
fn each_operation_has_the_events_of_docker() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .config(|config| config["config"]["Labels"] = json!({"a": "1", "name": "label"}))
        .layer(LayerBuilder::of_size(100));
    let image = registry.push(image, "app:1");
    let id = image.config_digest.to_string();
    let windlass = Windlass::with(&registry);
    let daemon = TestDaemon::start(&windlass, &[]);
    let (name, repository) = (registry.name("app:1"), registry.name("app"));
    let post = |path: &str| request(&daemon.socket, "POST", path);
    let delete = |path: &str| request(&daemon.socket, "DELETE", path);

    let pull = format!("/images/create?fromImage={repository}&tag=1&platform={PLATFORM}");
    post(&pull);
    post(&format!("/images/{name}/tag?repo=other&tag=1"));
    delete("/images/other:1");
    delete(&format!("/images/{name}"));
    post(&pull);
    delete(&format!("/images/{}?force=1", image.config_digest.hex()));
    post(&pull);
    post("/images/prune?filters=%7B%22dangling%22:%5B%22false%22%5D%7D");

    let with = |name: &str| json!({"a": "1", "name": name});
    let only = |name: &str| json!({"name": name});
    let event = |action: &str, actor: &str, attributes: Value| {
        (action.to_owned(), actor.to_owned(), attributes)
    };
    let pulled = || event("pull", &name, with(&repository));
    let untagged = || event("untag", &id, with(&id));
    let deleted = || event("delete", &id, only(&id));
    let mut found = events(&daemon);
    let (prune, _, reclaimed) = found.pop().unwrap();
    assert_eq!(prune, "prune");
    assert_eq!(reclaimed.as_object().map(Map::len), Some(1));
    let expected = [
        pulled(),
        event("tag", &id, with("other:1")),
        untagged(),
        untagged(),
        deleted(),
        pulled(),
        // By its ID: the tag and the digest.
        untagged(),
        untagged(),
        deleted(),
        pulled(),
        untagged(),
        deleted(),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_named_import_is_a_tag_and_an_import() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let tar = [0; 1024];
    let path = "/images/create?fromSrc=-&repo=mine&tag=1&changes=LABEL%20a%3D1";
    let response = import(&daemon, path, &tar);
    let last: Value = serde_json::from_str(response.body.lines().last().unwrap()).unwrap();
    let id = last["status"].as_str().unwrap();
    let of = |action: &str, name: &str| {
        let attributes = json!({"a": "1", "name": name});
        (action.to_owned(), id.to_owned(), attributes)
    };
    assert_eq!(events(&daemon), [of("tag", "mine:1"), of("import", id)]);
}

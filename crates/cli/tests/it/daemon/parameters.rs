//! Parameters that change the meaning of a request are honoured, or the request is refused.

use serde_json::{Value, json};
use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, Registry};

use super::{Response, TestDaemon, request};
use crate::harness::{PLATFORM, Windlass};

const OTHER: &str = "linux/s390x";

/// A daemon whose store has `one`, an image for [`PLATFORM`], and `both`, which has an image for [`OTHER`] as well.
fn daemon() -> (Windlass, TestDaemon, String, String) {
    let registry = Registry::start();
    let image = |platform, size| {
        let image = ImageBuilder::new().platform(platform);
        image.layer(LayerBuilder::of_size(size)).pack()
    };
    let index = IndexBuilder::new()
        .image(image(PLATFORM, 1000))
        .image(image(OTHER, 2000));
    registry.push_index(index.pack(), "both:1");
    registry.push(image(PLATFORM, 3000), "one:1");
    let windlass = Windlass::with(&registry);
    let (one, both) = (registry.name("one:1"), registry.name("both:1"));
    windlass.stdout(["pull", "-q", "--all-platforms", &both]);
    windlass.stdout(["pull", "-q", "--platform", PLATFORM, &one]);
    let daemon = TestDaemon::start(&windlass, &[]);
    (windlass, daemon, one, both)
}

fn message(response: &Response) -> (u16, String) {
    let message = response.json()["message"].as_str().unwrap().to_owned();
    (response.status, message)
}

fn architecture(daemon: &TestDaemon, path: &str) -> Value {
    daemon.get(path).json()["Architecture"].clone()
}

fn lacks(name: &str) -> (u16, String) {
    let text = format!(
        "image with reference {name} was found but does not provide the specified platform ({OTHER})"
    );
    (404, text)
}

#[test]
fn a_platform_selects_an_image_or_is_refused() {
    let (_windlass, daemon, one, both) = daemon();
    for path in ["json", "history"] {
        let path = format!("/images/{one}/{path}?platform={OTHER}");
        assert_eq!(message(&daemon.get(&path)), lacks(&one), "{path}");
    }
    let of = |platform| architecture(&daemon, &format!("/images/{both}/json?platform={platform}"));
    assert_eq!(of(OTHER), json!("s390x"));
    assert_eq!(of(PLATFORM), json!(PLATFORM.split_once('/').unwrap().1));
    let sizes = |platform| {
        let history = daemon.get(&format!("/images/{both}/history?platform={platform}"));
        let sizes = history.json()[0]["Size"].as_u64();
        sizes.unwrap()
    };
    assert!(sizes(OTHER) > sizes(PLATFORM));
    assert_eq!(
        message(&daemon.get(&format!("/images/{both}/json?manifests=1&platform={OTHER}"))),
        (
            400,
            "conflicting options: manifests and platform options cannot both be set".to_owned()
        )
    );
}

#[test]
fn the_image_of_another_platform_is_not_removed() {
    let (_windlass, daemon, one, both) = daemon();
    let remove = |name: &str, platforms: &str| {
        let path = format!("/images/{name}?platforms={platforms}");
        request(&daemon.socket, "DELETE", &path)
    };
    let other = r#"{"os":"linux","architecture":"s390x"}"#.replace('"', "%22");
    assert_eq!(message(&remove(&one, &other)), lacks(&one));
    assert_eq!(message(&remove(&one, OTHER)), lacks(&one));
    let (status, text) = message(&remove(&both, &other));
    assert_eq!(
        (status, text),
        (
            501,
            format!(
                "{both} has images for several platforms: removing one of them is not supported"
            )
        )
    );
    assert_eq!(daemon.get(&format!("/images/{both}/json")).status, 200);
    assert_eq!(remove(&one, PLATFORM).status, 200);
    assert_eq!(daemon.get(&format!("/images/{one}/json")).status, 404);
}

#[test]
fn several_platforms_are_refused() {
    let (_windlass, daemon, _one, both) = daemon();
    let two = format!("platform={PLATFORM}&platform={OTHER}");
    let refused = (
        400,
        "several values of `platform` are not supported: make a request for each".to_owned(),
    );
    for (method, path) in [
        ("GET", format!("/images/{both}/json")),
        ("GET", format!("/images/{both}/history")),
        ("GET", format!("/images/{both}/get")),
        ("POST", format!("/images/{both}/push")),
        ("POST", "/images/load".to_owned()),
        ("POST", "/images/create".to_owned()),
    ] {
        let response = request(&daemon.socket, method, &format!("{path}?{two}"));
        assert_eq!(message(&response), refused, "{path}");
    }
}

#[test]
fn a_malformed_platform_is_refused_in_dockers_words() {
    let (_windlass, daemon, one, _both) = daemon();
    assert_eq!(
        message(&daemon.get(&format!("/images/{one}/json?platform=nonsense"))),
        (
            400,
            "\"nonsense\": unknown operating system or architecture".to_owned()
        )
    );
}

#[test]
fn the_disk_usage_is_that_of_the_types() {
    let (_windlass, daemon, _one, _both) = daemon();
    let all = daemon.get("/system/df").json();
    assert_eq!(all["Images"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        (&all["Containers"], &all["Volumes"]),
        (&json!([]), &json!([]))
    );
    let volumes = daemon.get("/system/df?type=volume&type=build-cache").json();
    let parts = ["Images", "Containers", "Volumes", "BuildCache"].map(|key| volumes[key].clone());
    assert_eq!(parts, [Value::Null, Value::Null, json!([]), json!([])]);
    assert_eq!(
        message(&daemon.get("/system/df?type=foo")),
        (400, "unknown object type: foo".to_owned())
    );
}

/// `docker image ls --tree` shows the sizes of an index and of the images below it.
#[test]
fn an_index_is_as_large_as_its_images() {
    let (_windlass, daemon, _one, both) = daemon();
    let list = daemon.get("/images/json?manifests=1").json();
    let images = list.as_array().unwrap().iter();
    let mut named = images.filter(|image| image["RepoTags"][0] == both.as_str());
    let index = named.next().unwrap();
    let manifests = index["Manifests"].as_array().unwrap().iter();
    let totals = manifests.map(|manifest| manifest["Size"]["Total"].as_i64().unwrap());
    assert_eq!(index["Size"].as_i64(), Some(totals.sum()));
}

#[test]
fn a_daemon_has_an_id_of_its_own() {
    let id = |windlass: &Windlass| {
        let daemon = TestDaemon::start(windlass, &[]);
        daemon.get("/info").json()["ID"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (one, other) = (Windlass::new(), Windlass::new());
    let first = id(&one);
    assert_eq!(first.len(), 36);
    assert_eq!(id(&one), first);
    assert_ne!(id(&other), first);
}

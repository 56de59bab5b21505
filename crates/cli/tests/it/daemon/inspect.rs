//! `GET /images/{name}/json` and the list, of images with unusual configs.

use serde_json::{Value, json};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use super::TestDaemon;
use crate::harness::{PLATFORM, Windlass};

/// A daemon whose store has an image with this config, and its name.
fn daemon(change: impl FnOnce(&mut Value) + 'static) -> (Windlass, TestDaemon, String) {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(100))
        .config(change);
    registry.push(image, "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.pull(&name);
    let daemon = TestDaemon::start(&windlass, &[]);
    (windlass, daemon, name)
}

fn inspect(daemon: &TestDaemon, version: &str, name: &str) -> Value {
    daemon
        .get(&format!("/v{version}/images/{name}/json"))
        .json()
}

/// Clients such as docker-py require the first members, and clients of old versions all of them.
#[test]
fn each_version_has_its_members() {
    let (_windlass, daemon, name) = daemon(|config| config["config"] = json!({"Env": ["A=1"]}));
    let new = json!({
        "Cmd": null, "Entrypoint": null, "Env": ["A=1"], "Labels": null, "OnBuild": null, "User": "",
        "Volumes": null, "WorkingDir": "",
    });
    for version in ["1.50", "1.51"] {
        assert_eq!(inspect(&daemon, version, &name)["Config"], new, "{version}");
    }
    let old = inspect(&daemon, "1.49", &name)["Config"].clone();
    assert_eq!((&old["Tty"], &old["Hostname"]), (&json!(false), &json!("")));
}

#[test]
fn an_image_without_a_time_is_of_no_time() {
    let (_windlass, daemon, name) = daemon(|config| {
        config.as_object_mut().unwrap().remove("created");
    });
    let created = |version| inspect(&daemon, version, &name).get("Created").cloned();
    assert_eq!(created("1.43"), Some(json!("0001-01-01T00:00:00Z")));
    assert_eq!(created("1.44"), None);
    let list = daemon.get("/images/json").json();
    assert_eq!(list[0]["Created"], json!(-62_135_596_800_i64));
}

/// One field of the wrong type would make every client in Go fail.
#[test]
fn a_config_with_wrong_types_can_be_inspected() {
    let (_windlass, daemon, name) = daemon(|config| {
        config["config"] = json!({
            "Entrypoint": "/run", "Cmd": 5, "Env": "A=1", "Labels": {"a": 1, "b": "2"}, "tty": "x", "Other": 1,
        });
    });
    let expected = json!({
        "Cmd": null, "Entrypoint": ["/run"], "Env": null, "Labels": {"b": "2"}, "OnBuild": null, "Other": 1, "User": "",
        "Volumes": null, "WorkingDir": "",
    });
    assert_eq!(inspect(&daemon, "1.51", &name)["Config"], expected);
}

#[test]
fn the_variant_is_that_of_the_config() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform("linux/arm64")
        .config(|config| config["variant"] = json!("v8"))
        .layer(LayerBuilder::of_size(100));
    registry.push(image, "arm:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("arm:1");
    windlass.stdout(["pull", "-q", "--platform", "linux/arm64", &name]);
    let daemon = TestDaemon::start(&windlass, &[]);
    assert_eq!(inspect(&daemon, "1.51", &name)["Variant"], "v8");
}

/// buildx looks for the container of its builder before it pulls the image for it.
#[test]
fn a_builder_cannot_be_started() {
    let windlass = Windlass::new();
    let daemon = TestDaemon::start(&windlass, &[]);
    let builder = daemon.get("/containers/buildx_buildkit_default0/json");
    let sentence = "this daemon manages images only: it has no containers, builds, networks, volumes and plugins";
    assert_eq!(
        (builder.status, builder.json()),
        (501, json!({"message": sentence}))
    );
    assert_eq!(daemon.get("/containers/other/json").status, 404);
}

//! `windlass pull --json`: every line is an object, and the last one is the outcome of the image.

use serde_json::Value;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::harness::{PLATFORM, Windlass};

fn objects(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Keeps the events that are the same in each run: a fast layer skips the steps between its start and end.
fn milestones(text: &str) -> String {
    let is_certain = |line: &&str| {
        !line.contains(r#""type":"layer""#) || line.contains(r#""status":"unpacked""#)
    };
    text.lines()
        .filter(is_certain)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_line_is_an_object_and_the_last_is_the_outcome() {
    let registry = Registry::start();
    let image = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20));
    let image = registry.push(image.pack(), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&image.digest, "<manifest>");
    windlass.mask(&image.config_digest, "<image>");
    windlass.mask(&image.layers[0].digest, "<layer>");
    let name = registry.name("app:1");
    let first = windlass.stdout(["pull", "--json", "--platform", PLATFORM, &name]);
    let second = windlass.stdout(["pull", "--progress=json", "--platform", PLATFORM, &name]);
    for object in objects(&first) {
        assert!(
            object["type"].is_string() && object["reference"].is_string(),
            "{object}"
        );
    }
    insta::assert_snapshot!(milestones(&first), @r#"
    {"type":"resolving","reference":"registry.test/app:1"}
    {"type":"resolved","reference":"registry.test/app:1","digest":"<manifest>","platform":"linux/amd64","endpoint":"http://registry.test"}
    {"type":"planned","reference":"registry.test/app:1","layers":[{"digest":"<layer>","size":1049033,"exists":false}],"bytes_missing":1049033,"bytes_reused":0,"bytes_resumed":0}
    {"type":"layer","reference":"registry.test/app:1","digest":"<layer>","status":"unpacked","size":1048576,"skipped_devices":0,"skipped_xattrs":0}
    {"type":"committing","reference":"registry.test/app:1"}
    {"type":"done","reference":"registry.test/app:1","status":"downloaded","digest":"<manifest>","image_id":"<image>","platform":"linux/amd64","bytes_downloaded":1049033,"bytes_reused":0,"bytes_unpacked":1048576,"duration_ms":0,"endpoint":"http://registry.test","layers":[{"digest":"<layer>","size":1049033,"source":"http://registry.test"}]}
    "#);
    insta::assert_snapshot!(milestones(&second), @r#"
    {"type":"resolving","reference":"registry.test/app:1"}
    {"type":"resolved","reference":"registry.test/app:1","digest":"<manifest>","platform":"linux/amd64","endpoint":"http://registry.test"}
    {"type":"planned","reference":"registry.test/app:1","layers":[{"digest":"<layer>","size":1049033,"exists":true}],"bytes_missing":0,"bytes_reused":1049033,"bytes_resumed":0}
    {"type":"committing","reference":"registry.test/app:1"}
    {"type":"done","reference":"registry.test/app:1","status":"up_to_date","digest":"<manifest>","image_id":"<image>","platform":"linux/amd64","bytes_downloaded":0,"bytes_reused":1049033,"bytes_unpacked":0,"duration_ms":0,"endpoint":"http://registry.test","layers":[]}
    "#);
}

/// Failures are objects with a code on standard output, and standard error stays empty.
#[test]
fn failures_are_objects_with_a_code() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    let name = registry.name("missing:1");
    let missing = windlass.run(["pull", "--json", &name]);
    let invalid = windlass.run(["pull", "--json", "Not/A:Reference"]);
    insta::assert_snapshot!([missing, invalid].join("\n"), @r#"
    exit: 1
    --- stdout
    {"type":"resolving","reference":"registry.test/missing:1"}
    {"type":"error","reference":"registry.test/missing:1","code":"not_found","message":"pulling registry.test/missing:1: missing:1 at http://registry.test: no such repository","hint":"check the name and the tag"}

    exit: 1
    --- stdout
    {"type":"error","code":"invalid_reference","message":"invalid reference \"Not/A:Reference\": the repository name must be lowercase"}
    "#);
}

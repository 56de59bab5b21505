//! `windlass pull --timings`: the page is written for successful and failed pulls.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_testing::{Gate, ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

const NAME: &str = "t.html";

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size_seeded(1 << 20, 1))
        .layer(LayerBuilder::of_size_seeded(1 << 20, 2))
        .pack()
}

fn arguments<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let arguments = ["pull", "--timings", NAME, "--platform", PLATFORM, name];
    [&arguments, more].concat()
}

/// Returns the data of the page.
fn data(page: &Path) -> Value {
    let page = fs::read_to_string(page).unwrap();
    let start = "<script type=\"application/json\" id=\"data\">";
    let rest = &page[page.find(start).unwrap() + start.len()..];
    serde_json::from_str(&rest[..rest.find("</script>").unwrap()]).unwrap()
}

/// Returns the outcome of each pull, and the state of each of its layers at the end.
fn stages(data: &Value) -> Vec<String> {
    let pulls = data["pulls"].as_array().unwrap().iter();
    let outcomes = pulls.map(|pull| {
        let layers = pull["layers"].as_array().unwrap().iter();
        let states = layers.map(|layer| layer["state"].as_str().unwrap());
        let states: Vec<&str> = states.collect();
        format!("{}: {}", pull["stage"].as_str().unwrap(), states.join(" "))
    });
    outcomes.collect()
}

/// The page is the same in every output mode, and the output is the same with and without it.
#[test]
fn a_pull_writes_its_page_in_every_output_mode() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let name = registry.name("app:1");
    for mode in [
        "-q",
        "--progress=none",
        "--progress=plain",
        "--progress=tty",
        "--json",
    ] {
        let windlass = Windlass::with(&registry);
        let before = windlass.outside_the_store();
        windlass.stdout(arguments(&name, &[mode]));
        let data = data(&windlass.path(NAME));
        assert_eq!(stages(&data), ["pulled: done done"], "{mode}");
        let pull = &data["pulls"][0];
        assert_eq!(pull["reference"], name);
        assert_eq!(pull["digest"], image.digest.to_string());
        for (layer, packed) in pull["layers"].as_array().unwrap().iter().zip(&image.layers) {
            assert_eq!(layer["digest"], packed.digest.to_string());
            assert_eq!(layer["source"], registry.base_url().trim_end_matches('/'));
            assert_eq!(
                (&layer["tries"], &layer["downloaded"]),
                (&1.into(), &layer["size"])
            );
        }
        let mut after = windlass.outside_the_store();
        after.retain(|path| path != Path::new(NAME));
        assert_eq!(after, before);
    }
}

/// The page of a failed pull has the successful pulls as well.
#[test]
fn a_failed_pull_writes_its_page() {
    let registry = Registry::start();
    let broken = registry.push(image(), "app:1");
    let other = ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(9))
        .pack();
    registry.push(other, "other:1");
    let digest = broken.layers[1].digest;
    registry.blob(&digest).status(404).forever();
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&digest, "<layer>");
    let names = ["app:1", "missing:1", "other:1"].map(|name| registry.name(name));
    fs::write(windlass.path(NAME), "what is there").unwrap();
    let ran = windlass.run(arguments(&names[0], &[&names[1], &names[2], "-q"]));
    insta::assert_snapshot!(ran, @r"
    exit: 1
    --- stdout
    registry.test/other:1
    --- stderr
    error: pulling registry.test/missing:1: missing:1 at http://registry.test: no such repository
    hint: check the name and the tag
    error: pulling registry.test/app:1: layer <layer>: blob <layer> of app at http://registry.test: no such blob
    hint: push the image again; if it is a foreign layer, such as those of Windows images, allow its host with `foreign-layers` in windlass.toml
    ");
    let data = data(&windlass.path(NAME));
    let stages = stages(&data);
    assert_eq!(stages[1..], ["failed: ", "pulled: done"]);
    assert!(stages[0].starts_with("failed: "), "{stages:?}");
    let failure = data["pulls"][0]["failure"]["message"].as_str().unwrap();
    insta::assert_snapshot!(windlass.comparable(failure.as_bytes()), @"pulling registry.test/app:1: layer <layer>: blob <layer> of app at http://registry.test: no such blob");
}

/// The page shows the state of each layer at the time of ^C.
#[test]
fn an_interrupted_pull_writes_its_page() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let gate = Gate::new();
    for layer in &image.layers {
        drop(registry.blob(&layer.digest).held_by(&gate));
    }
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let mut command = windlass.command(arguments(&name, &["--json"]));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut connecting = lines.filter(|line| line.as_ref().unwrap().contains("connecting"));
    assert_eq!(connecting.by_ref().take(2).count(), 2);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(connecting.count(), 0);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    gate.open();
    let data = data(&windlass.path(NAME));
    assert_eq!(stages(&data), ["stopped: connecting connecting"]);
}

/// An unwritable page is reported before the first request, and nothing is left behind.
#[test]
fn an_unwritable_page_is_an_error_at_once() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let before = windlass.outside_the_store();
    let places: [&[&str]; 6] = [
        &["--timings=missing/t.html"],
        &["--timings=home"],
        &["--timings=/dev/null"],
        &["--timings=/proc/t.html", "--json"],
        &["--timings=-"],
        &["--timings=t.html", "--dry-run"],
    ];
    let runs = places.map(|place| {
        let arguments = [&["pull", "--platform", PLATFORM, &name], place].concat();
        windlass.run(arguments)
    });
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: writing the timings to missing/t.html: No such file or directory (os error 2)

    exit: 1
    --- stderr
    error: writing the timings to home: it is not a regular file

    exit: 1
    --- stderr
    error: writing the timings to /dev/null: it is not a regular file

    exit: 1
    --- stdout
    {"type":"error","code":"timings","message":"writing the timings to /proc/t.html: No such file or directory (os error 2)"}

    exit: 2
    --- stderr
    error: invalid value '-' for '--timings <FILE.html>': standard output is for the result; choose a file

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: the argument '--timings <FILE.html>' cannot be used with '--dry-run'

    Usage: windlass pull --platform <OS/ARCH[/VARIANT]> --timings <FILE.html> --root <DIR> <REF>...

    For more information, try '--help'.
    "#);
    assert_eq!(windlass.outside_the_store(), before);
    assert_eq!(registry.log(), [""; 0]);
}

/// R9: text of a registry is data in the page; it ends no element and begins none.
#[test]
fn text_of_a_registry_is_not_markup() {
    let registry = Registry::start();
    let hostile = "</script><!--<script>\u{2028}";
    let body = serde_json::json!({ "errors": [{ "code": "DENIED", "message": hostile }] });
    let route = registry.manifest("1").status(403);
    route.page("application/json", body.to_string()).forever();
    let windlass = Windlass::with(&registry);
    windlass.run(arguments(&registry.name("app:1"), &["-q"]));
    let page = windlass.path(NAME);
    let failure = &data(&page)["pulls"][0]["failure"]["message"];
    insta::assert_snapshot!(windlass.comparable(failure.to_string().as_bytes()), @r#""pulling registry.test/app:1: app:1 at http://registry.test: </script><!--<script>""#);
    let text = fs::read_to_string(&page).unwrap();
    assert_eq!(text.matches("</script>").count(), 2);
    assert!(!text.contains("<!--") && !text.contains('\u{2028}'));
}

//! The page of `--timings`, rendered by Chromium.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use windlass_testing::real::command;
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::Case;
use crate::command::Windlass;
use crate::requirements::BROWSER;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[Case {
    name: "timings::chromium_draws_the_recorded_spans_and_runs_no_other_script",
    needs: BROWSER,
    test: picture,
}];

/// Text of a registry that tries to inject elements and scripts into the page.
const HOSTILE: &str = "<b id=evil></script><script>document.body.id='evil'</script>";

/// The result of rendering a page.
struct RenderedPage {
    /// The document after its scripts have run.
    dom: String,
    /// The messages of Chromium's console.
    console: Vec<String>,
}

/// A bar of the chart: its span, its start and its width.
#[derive(Debug)]
struct Bar {
    kind: String,
    x: f64,
    width: f64,
}

/// Two images, one of which fails: every layer has a bar for each span, to scale; text of the registry
/// stays text; and a foreign script does not run.
fn picture(shared: &SharedState) {
    let directory = shared.directory("timings");
    let page = recorded(&directory);
    let text = fs::read_to_string(&page).unwrap();
    let data = data(&text);

    let rendered = render(&page);

    assert_eq!(rendered.console, [""; 0]);
    let root = tags(&rendered.dom, "html")[0];
    assert_eq!(attribute(root, "data-error"), None);
    assert_eq!(attribute(root, "data-ready"), Some("3"));
    assert_drawn_to_scale(&rendered.dom, &data);
    // Escaped text, which the dump of the document escapes once more.
    assert!(
        rendered.dom.contains("&lt;b id=evil&gt;"),
        "{}",
        rendered.dom
    );
    assert!(!rendered.dom.contains("<b id=\"evil\""));
    assert_eq!(attribute(tags(&rendered.dom, "body")[0], "id"), None);

    let changed = directory.join("changed.html");
    fs::write(
        &changed,
        text.replace("\"use strict\";", "\"use strict\" ;"),
    )
    .unwrap();
    let rendered = render(&changed);
    assert_eq!(
        attribute(tags(&rendered.dom, "html")[0], "data-ready"),
        None
    );
    assert!(rendered.console[0].contains("Content Security Policy"));
}

/// Pulls, slowly enough that the page has spans to draw.
fn recorded(directory: &Path) -> PathBuf {
    let registry = Registry::start();
    let layers = [1, 2, 3].map(|seed| LayerBuilder::of_size_seeded(1 << 20, seed));
    let image = layers.into_iter().fold(
        ImageBuilder::new().platform("linux/amd64"),
        ImageBuilder::layer,
    );
    let image = registry.push(image.pack(), "app:1");
    let failed = registry.blob(&image.layers[0].digest).status(503);
    failed.then().throttle(4 << 20).forever();
    for layer in &image.layers[1..] {
        registry.blob(&layer.digest).throttle(4 << 20).forever();
    }
    let body = serde_json::json!({ "errors": [{ "code": "DENIED", "message": HOSTILE }] });
    let denied = registry.manifest("2").status(403);
    denied.page("application/json", body.to_string()).forever();

    let windlass = Windlass::new(directory);
    let page = directory.join("timings.html");
    let names = ["app:1", "app:2"].map(|name| registry.name(name));
    let timings = format!("--timings={}", page.display());
    let ran = windlass.run(&[
        "pull",
        "--platform=linux/amd64",
        &timings,
        &names[0],
        &names[1],
    ]);
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    page
}

/// Opens `page` and runs its scripts.
fn render(page: &Path) -> RenderedPage {
    let profile = page.with_extension("profile");
    let output = command("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--window-size=1200,900"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", page.display()))
        .env("HOME", page.parent().unwrap())
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let console = stderr.lines().filter(|line| line.contains(":CONSOLE"));
    RenderedPage {
        console: console.map(str::to_owned).collect(),
        dom: String::from_utf8(output.stdout).unwrap(),
    }
}

/// The bars of each layer match its spans, with one scale for all.
#[track_caller]
fn assert_drawn_to_scale(dom: &str, data: &Value) {
    let drawn = bars(dom);
    let layers = data["pulls"][0]["layers"].as_array().unwrap();
    assert_eq!(drawn.len(), layers.len());
    let mut pairs = Vec::new();
    for layer in layers {
        let bars = &drawn[layer["digest"].as_str().unwrap()];
        let spans = layer["spans"].as_array().unwrap().iter();
        let spans = spans.filter(|span| span["state"] != "unpacking");
        let spans: Vec<&Value> = spans.chain([&layer["unpacking"]]).collect();
        let kinds = |kinds: Vec<&str>| kinds.join(" ");
        assert_eq!(
            kinds(bars.iter().map(|bar| bar.kind.as_str()).collect()),
            kinds(
                spans
                    .iter()
                    .map(|span| span["state"].as_str().unwrap())
                    .collect()
            )
        );
        pairs.extend(bars.iter().zip(spans));
    }
    for kind in ["connecting", "downloading", "retrying", "unpacking"] {
        assert!(pairs.iter().any(|(bar, _)| bar.kind == kind), "{kind}");
    }
    let time = |span: &Value, key: &str| span[key].as_f64().unwrap();
    let by_width =
        |one: &&(&Bar, &Value), other: &&(&Bar, &Value)| one.0.width.total_cmp(&other.0.width);
    let (widest, longest) = pairs.iter().max_by(by_width).unwrap();
    let scale = widest.width / (time(longest, "to") - time(longest, "from"));
    let zero = widest.x - time(longest, "from") * scale;
    let picture = number(tags(dom, "svg")[0], "width");
    assert!(widest.width > 100.0 && zero + time(data, "total") * scale < picture);
    for (bar, span) in pairs {
        let (from, to) = (time(span, "from"), time(span, "to"));
        assert!(
            (bar.x - (zero + from * scale)).abs() < 0.1,
            "{bar:?} {span}"
        );
        assert!(
            (bar.width - ((to - from) * scale).max(1.0)).abs() < 0.1,
            "{bar:?} {span}"
        );
    }
}

/// The bars of each layer, in drawing order.
fn bars(dom: &str) -> BTreeMap<&str, Vec<Bar>> {
    let mut bars: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
    for tag in tags(dom, "rect") {
        if let Some(layer) = attribute(tag, "data-layer") {
            bars.entry(layer).or_default().push(Bar {
                kind: attribute(tag, "class").unwrap().to_owned(),
                x: number(tag, "x"),
                width: number(tag, "width"),
            });
        }
    }
    bars
}

/// The start tags of the elements called `name`, without their angle brackets.
fn tags<'a>(dom: &'a str, name: &str) -> Vec<&'a str> {
    let parts = dom.split('<').filter_map(|part| part.strip_prefix(name));
    let tags = parts.filter(|part| part.starts_with([' ', '>']));
    tags.map(|part| part.split('>').next().unwrap()).collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

fn number(tag: &str, name: &str) -> f64 {
    attribute(tag, name).unwrap().parse().unwrap()
}

/// Returns the data of the page.
fn data(page: &str) -> Value {
    let (_, rest) = page
        .split_once(r#"<script type="application/json" id="data">"#)
        .unwrap();
    serde_json::from_str(rest.split("</script>").next().unwrap()).unwrap()
}

//! Frames as text, for events at fixed times.

use std::sync::Arc;

use windlass::PullEvent;
use windlass::error::RegistryError;
use windlass::image::{Digest, Platform};
use windlass::registry::{Origin, RequestContext, RequestKind};
use windlass::transfer::{LayerStatus, PlannedLayer, Reason, Setback};

use super::*;
use crate::terminal::TerminalWriter;

const MB: u64 = 1_000_000;

/// A terminal of 120 columns.
const WIDE: TerminalSize = TerminalSize {
    columns: 120,
    rows: 24,
};

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The digest of a layer starts with its number, so that frames are easy to read.
fn layer(number: u64) -> Digest {
    format!("sha256:{number:04}{}", "0".repeat(60))
        .parse()
        .unwrap()
}

fn registry() -> Origin {
    Origin::parse("https://registry.test").unwrap()
}

fn connecting(attempt: u32) -> LayerStatus {
    let endpoint = registry();
    LayerStatus::Connecting { endpoint, attempt }
}

fn reason(text: &str) -> Reason {
    let context = RequestContext {
        origin: registry(),
        repository: "app".to_owned(),
        kind: RequestKind::Tags,
    };
    Reason(Arc::new(RegistryError::Malformed {
        context: Box::new(context),
        reason: text.to_owned(),
    }))
}

fn resolved() -> PullEvent {
    PullEvent::Resolved {
        endpoint: registry(),
        digest: layer(0),
        platform: Platform::new("linux", "amd64", None),
    }
}

/// Returns the event of a plan with layers of these sizes in MB. The store contains the layers with negative sizes.
fn planned(sizes: &[i64]) -> PullEvent {
    let layers = sizes.iter().zip(1..).map(|(&size, number)| PlannedLayer {
        digest: layer(number),
        size: size.unsigned_abs() * MB,
        exists: size < 0,
    });
    let layers: Vec<PlannedLayer> = layers.collect();
    let bytes = |exists: bool| {
        layers
            .iter()
            .filter(|layer| layer.exists == exists)
            .map(|layer| layer.size)
            .sum()
    };
    PullEvent::Planned {
        missing_bytes: bytes(false),
        reused_bytes: bytes(true),
        resumed_bytes: 0,
        layers,
    }
}

fn status(number: u64, status: LayerStatus) -> PullEvent {
    PullEvent::Layer {
        digest: layer(number),
        status,
    }
}

/// The counts are in tenths of a MB.
fn moving(number: u64, downloaded: u64, unpacked: u64) -> PullEvent {
    let status = LayerStatus::Moving {
        downloaded: downloaded * MB / 10,
        unpacked: unpacked * MB / 10,
    };
    PullEvent::Layer {
        digest: layer(number),
        status,
    }
}

fn unpacked(number: u64) -> PullEvent {
    let done = LayerStatus::Unpacked {
        size: 1,
        skipped_devices: 0,
        skipped_xattrs: 0,
    };
    status(number, done)
}

/// Returns the view of a pull with events at these times.
fn view(name: &str, events: &[(u64, PullEvent)]) -> PullView {
    let mut view = PullView::new(name);
    for (millis, event) in events {
        view.apply(event, at(*millis));
    }
    view
}

fn drawn(views: &[&PullView], millis: u64, size: TerminalSize) -> String {
    let lines = frame(views, at(millis), size);
    assert!(
        lines.iter().all(|line| line.width() < size.columns),
        "too wide: {lines:?}"
    );
    lines
        .iter()
        .map(|line| line.render(false))
        .collect::<Vec<_>>()
        .join("\n")
}

/// A pull of 14 layers: the store contains 9, one is unpacked, two are active.
fn postgres() -> PullView {
    let sizes = [-30, -5, -5, -5, -5, -5, -2, -2, -2, 20, 62, 30, 22, 10];
    view(
        "postgres:18",
        &[
            (0, resolved()),
            (10, planned(&sizes)),
            (20, status(10, connecting(1))),
            (200, moving(10, 100, 50)),
            (300, unpacked(10)),
            (300, moving(11, 250, 200)),
            (400, moving(11, 412, 300)),
            (400, status(12, LayerStatus::Downloaded)),
            (400, moving(12, 300, 121)),
        ],
    )
}

#[test]
fn a_frame_has_the_image_and_its_active_layers() {
    insta::assert_snapshot!(drawn(&[&postgres()], 410, WIDE), @r"
    ⠴ postgres:18  linux/amd64  14 layers  63%  ━━━━━━━━━━━───────  91.2/144.0 MB  228 MB/s  eta 0.5s   9 cached
        0011…  ━━━━━━━╸────  41.2/62.0 MB     0012…  unpacking 12.1/30.0 MB
    ");
}

/// On a narrower terminal, a frame omits the least important parts first. Its lines never wrap.
#[test]
fn frames_fit_any_terminal() {
    let view = postgres();
    let frames = [100, 80, 60, 40, 25, 12, 2, 1].map(|columns| {
        let text = drawn(&[&view], 410, TerminalSize { columns, rows: 24 });
        format!("{columns}:\n{text}")
    });
    insta::assert_snapshot!(frames.join("\n"), @r"
    100:
    ⠴ postgres:18  14 layers  63%  ━━━━━━━━━━━───────  91.2/144.0 MB  228 MB/s  eta 0.5s   9 cached
        0011…  ━━━━━━━╸────  41.2/62.0 MB     0012…  unpacking 12.1/30.0 MB
    80:
    ⠴ postgres:18  63%  ━━━━━━━━━━━───────  91.2/144.0 MB  228 MB/s  eta 0.5s
        0011…  ━━━━━━━╸────  41.2/62.0 MB     0012…  unpacking 12.1/30.0 MB
    60:
    ⠴ postgres:18  63%  ━━━━━━────  91.2/144.0 MB  eta 0.5s
        0011…  41.2/62.0 MB     0012…  unpacking 12.1/30.0 MB
    40:
    ⠴ postgres:18  63%  91.2/144.0 MB
        0011…  41.2/62.0 MB  +1 more
    25:
    ⠴ postgres:18  63%
        0011…  41.2/62.0 MB…
    12:
    ⠴ pos…  63%
        0011… …
    2:
    …
    …
    1:
    ");
}

#[test]
fn every_phase_has_a_frame() {
    let mut view = PullView::new("alpine:3");
    let mut frames = vec![drawn(&[&view], 0, WIDE)];
    for (millis, event) in [
        (80, resolved()),
        (160, planned(&[8])),
        (170, status(1, LayerStatus::Queued)),
        (240, status(1, connecting(1))),
        (320, moving(1, 40, 20)),
        (800, moving(1, 80, 60)),
        (880, unpacked(1)),
        (960, PullEvent::Committing),
    ] {
        view.apply(&event, at(millis));
        frames.push(drawn(&[&view], millis, WIDE));
    }
    insta::assert_snapshot!(frames.join("\n"), @r"
    ⠋ alpine:3  resolving
    ⠙ alpine:3  linux/amd64  reading the config
    ⠹ alpine:3  linux/amd64  1 layer  0%  ──────────────────  0.0/8.0 MB
    ⠹ alpine:3  linux/amd64  1 layer  0%  ──────────────────  0.0/8.0 MB
    ⠸ alpine:3  linux/amd64  1 layer  0%  ──────────────────  0.0/8.0 MB
        0001…  connecting
    ⠼ alpine:3  linux/amd64  1 layer  50%  ━━━━━━━━━─────────  4.0/8.0 MB
        0001…  ━━━━━━──────  4.0/8.0 MB
    ⠋ alpine:3  linux/amd64  1 layer  100%  ━━━━━━━━━━━━━━━━━━  8.0/8.0 MB  unpacking
        0001…  unpacking 6.0/8.0 MB
    ⠙ alpine:3  linux/amd64  1 layer  100%  ━━━━━━━━━━━━━━━━━━  8.0/8.0 MB
    ⠹ alpine:3  linux/amd64  1 layer  committing
    ");
}

/// A retry has a time and a reason. The reason contains text of the registry and is escaped (R9).
#[test]
fn a_retry_has_a_time_and_an_escaped_reason() {
    let retrying = LayerStatus::Retrying {
        after: at(3000),
        attempt: 2,
        reason: reason("503 \x1b[31mfrom\nthe proxy"),
    };
    let mut view = view(
        "alpine:3",
        &[(0, planned(&[8, 4])), (500, moving(1, 40, 20))],
    );
    view.apply(&status(2, retrying), at(1000));
    let waiting = drawn(&[&view], 1500, WIDE);
    view.apply(&status(2, connecting(2)), at(4000));
    let again = drawn(&[&view], 4000, WIDE);
    insta::assert_snapshot!([waiting, again].join("\n"), @r"
    ⠇ alpine:3  2 layers  33%  ━━━━━━────────────  4.0/12.0 MB  2.67 MB/s  eta 7.5s
        0001…  ━━━━━━──────  4.0/8.0 MB
        0002…  attempt 2 in 2.5s  tags of app at https://registry.test: malformed response: 503 \u{1b}[31mfrom\nthe proxy
    ⠋ alpine:3  2 layers  33%  ━━━━━━────────────  4.0/12.0 MB  0 B/s
        0001…  ━━━━━━──────  4.0/8.0 MB     0002…  connecting, attempt 2
    ");
}

/// T34: a pause names the endpoint that limits the rate, so that the delay has a visible cause.
#[test]
fn a_pause_names_the_endpoint() {
    let mut view = view("alpine:3", &[(0, planned(&[8, 4]))]);
    let paused = |attempt| LayerStatus::Paused {
        after: at(12_000),
        attempt,
    };
    view.apply(&status(1, paused(1)), at(0));
    let before = drawn(&[&view], 0, WIDE);
    view.apply(&status(1, connecting(1)), at(12_000));
    view.apply(&status(1, paused(2)), at(12_000));
    let after = drawn(&[&view], 14_000, WIDE);
    insta::assert_snapshot!([before, after].join("\n"), @r"
    ⠋ alpine:3  2 layers  0%  ──────────────────  0.0/12.0 MB
        0001…  waiting 12s  rate limited by the registry
    ⠴ alpine:3  2 layers  0%  ──────────────────  0.0/12.0 MB  0 B/s
        0001…  waiting 10s  rate limited by registry.test
    ");
}

/// A failed request is displayed until the next one succeeds.
#[test]
fn a_failed_request_is_displayed_until_the_next_success() {
    let setback = |after| {
        PullEvent::Setback(Setback {
            endpoint: registry(),
            after,
            reason: reason("out of\norder"),
        })
    };
    let mut view = view("alpine:3", &[(0, setback(None))]);
    let elsewhere = drawn(&[&view], 0, WIDE);
    view.apply(&setback(Some(at(3000))), at(80));
    let again = drawn(&[&view], 1080, WIDE);
    view.apply(&resolved(), at(4000));
    let over = drawn(&[&view], 4000, WIDE);
    insta::assert_snapshot!([elsewhere, again, over].join("\n"), @r"
    ⠋ alpine:3  resolving
        trying another endpoint  tags of app at https://registry.test: malformed response: out of\norder
    ⠸ alpine:3  resolving
        retrying in 2.0s  tags of app at https://registry.test: malformed response: out of\norder
    ⠋ alpine:3  linux/amd64  reading the config
    ");
}

/// Several images have a line each and share the line of layers. A blob of two images is displayed once.
#[test]
fn several_images_share_the_layers() {
    let first = view("app:1", &[(0, planned(&[10, 20])), (500, moving(1, 50, 0))]);
    let second = view("app:2", &[(0, planned(&[10, -1])), (500, moving(1, 50, 0))]);
    let third = view("other:3", &[]);
    insta::assert_snapshot!(drawn(&[&first, &second, &third], 500, WIDE), @r"
    ⠦ app:1  2 layers  16%  ━━━───────────────  5.0/30.0 MB  10.0 MB/s  eta 2.5s
    ⠦ app:2  2 layers  50%  ━━━━━━━━━─────────  5.0/10.0 MB  10.0 MB/s  eta 0.5s   1 cached
    ⠦ other:3  resolving
        0001…  ━━━━━━──────  5.0/10.0 MB
    ");
}

/// If there are more images than rows, the rest is counted, so that the frame never scrolls.
#[test]
fn a_low_terminal_has_the_first_images_and_a_count() {
    let views: Vec<PullView> = (0..9)
        .map(|number| view(&format!("app:{number}"), &[]))
        .collect();
    let views: Vec<&PullView> = views.iter().collect();
    let low = TerminalSize {
        columns: 80,
        rows: 6,
    };
    insta::assert_snapshot!(drawn(&views, 0, low), @r"
    ⠋ app:0  resolving
    ⠋ app:1  resolving
    ⠋ app:2  resolving
        and 6 more
    ");
}

/// If the layers do not fit, bars are omitted first, and then layers are counted.
#[test]
fn many_active_layers_are_counted() {
    let mut view = view("big:1", &[(0, planned(&[10; 8]))]);
    for number in 1..=4 {
        view.apply(&moving(number, 10 * number, 0), at(1000));
    }
    let four = drawn(&[&view], 1000, WIDE);
    for number in 5..=8 {
        view.apply(&moving(number, 10 * number, 0), at(1000));
    }
    let eight = drawn(&[&view], 1000, WIDE);
    insta::assert_snapshot!([four, eight].join("\n"), @r"
    ⠹ big:1  8 layers  12%  ━━────────────────  10.0/80.0 MB  10.0 MB/s  eta 7.0s
        0001…  1.0/10.0 MB     0002…  2.0/10.0 MB     0003…  3.0/10.0 MB     0004…  4.0/10.0 MB
    ⠹ big:1  8 layers  45%  ━━━━━━━━──────────  36.0/80.0 MB  36.0 MB/s  eta 1.2s
        0001…  1.0/10.0 MB     0002…  2.0/10.0 MB     0003…  3.0/10.0 MB     0004…  4.0/10.0 MB  +4 more
    ");
}

/// Without anything to download, there is no bar, rate or percentage.
#[test]
fn an_image_of_stored_layers_has_no_counts() {
    let view = view("copy:1", &[(0, resolved()), (10, planned(&[-8, -4]))]);
    insta::assert_snapshot!(drawn(&[&view], 20, WIDE), @"⠋ copy:1  linux/amd64  2 layers   2 cached");
}

/// An empty blob, a repeated layer, and counts above the size do not break a frame.
#[test]
fn unusual_sizes_are_drawn() {
    let PullEvent::Planned { mut layers, .. } = planned(&[3, 0]) else {
        unreachable!()
    };
    layers.push(layers[0].clone());
    let plan = PullEvent::Planned {
        layers,
        missing_bytes: 3 * MB,
        reused_bytes: 0,
        resumed_bytes: 0,
    };
    let view = view(
        "odd:1",
        &[(0, plan), (10, moving(1, 900, 900)), (20, moving(2, 9, 9))],
    );
    insta::assert_snapshot!(drawn(&[&view], 20, WIDE), @r"
    ⠋ odd:1  3 layers  100%  ━━━━━━━━━━━━━━━━━━  3.0/3.0 MB
        0001…  unpacking 3.0/3.0 MB     0002…  unpacking 0/0 B
    ");
}

/// A pull with 500 active layers on a terminal of 80 columns and 24 rows: two lines and fewer than 300 bytes per frame. Decision 0018 compares this with a line for each layer.
#[test]
fn a_frame_of_500_layers_is_two_lines() {
    let events: Vec<(u64, PullEvent)> = (1..=500)
        .map(|number| (1000, moving(number, number % 9 + 1, 0)))
        .collect();
    let mut view = view("big:1", &[(0, planned(&[1; 500]))]);
    for (millis, event) in &events {
        view.apply(event, at(*millis));
    }
    let size = TerminalSize {
        columns: 80,
        rows: 24,
    };
    insta::assert_snapshot!(drawn(&[&view], 1000, size), @r"
    ⠹ big:1  49%  ━━━━━━━━╸─────────  249.5/500.0 MB  250 MB/s  eta 1.0s
        0001…  0.2/1.0 MB     0002…  0.3/1.0 MB     0003…  0.4/1.0 MB  +497 more
    ");
    let mut terminal = TerminalWriter::new(false);
    let mut written = Vec::new();
    for millis in [1000, 1080] {
        written.clear();
        let lines = frame(&[&view], at(millis), size);
        terminal.draw(&mut written, &lines, size);
    }
    assert!(written.len() < 300, "{} bytes", written.len());
}

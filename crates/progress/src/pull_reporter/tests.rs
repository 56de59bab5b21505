//! The output of a whole command in each form.

use std::sync::Arc;

use windlass::PullOutcome;
use windlass::error::RegistryError;
use windlass::image::{Digest, ImageId, Platform};
use windlass::registry::{RequestContext, RequestKind};
use windlass::transfer::{LayerStatus, PlannedLayer, Reason, Setback};
use windlass_error_report::ErrorCode;

use super::*;

const SIZE: TerminalSize = TerminalSize {
    columns: 100,
    rows: 24,
};

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn pulled(name: &str, outcome: PullOutcome) -> Pulled {
    Pulled {
        reference: reference(name),
        digest: digest('d'),
        image_id: ImageId::new(digest('1')),
        platform: Platform::new("linux", "amd64", None),
        outcome,
        downloaded_bytes: 144_600_000,
        reused_bytes: 61_000_000,
        unpacked_bytes: 431_000_000,
        missing_artifacts: Vec::new(),
        duration: at(900),
        endpoint: "https://registry-1.docker.io".parse().unwrap(),
    }
}

fn origin(host: &str) -> Origin {
    Origin::parse(&format!("https://{host}")).unwrap()
}

fn reason(host: &str, text: &str) -> Reason {
    let context = RequestContext {
        origin: origin(host),
        repository: "library/alpine".to_owned(),
        kind: RequestKind::Tags,
    };
    Reason(Arc::new(RegistryError::Malformed {
        context: Box::new(context),
        reason: text.to_owned(),
    }))
}

/// The events of a pull that is long enough for heartbeats and has a failed request and a retry.
fn events() -> Vec<(u64, PullEvent)> {
    let base = digest('a');
    let status = |status| PullEvent::Layer {
        digest: base,
        status,
    };
    let connecting = |host, attempt| {
        let endpoint = origin(host);
        status(LayerStatus::Connecting { endpoint, attempt })
    };
    let layers = vec![
        PlannedLayer {
            digest: base,
            size: 100_000_000,
            exists: false,
        },
        PlannedLayer {
            digest: digest('b'),
            size: 5_000_000,
            exists: true,
        },
    ];
    let platform = Platform::new("linux", "amd64", None);
    vec![
        (
            0,
            PullEvent::Resolving {
                reference: reference("alpine:3"),
            },
        ),
        (
            50,
            PullEvent::Setback(Setback {
                endpoint: origin("mirror.test"),
                after: None,
                reason: reason("mirror.test", "nothing\n\x1b[7m there"),
            }),
        ),
        (
            100,
            PullEvent::Resolved {
                endpoint: origin("registry-1.docker.io"),
                digest: digest('d'),
                platform,
            },
        ),
        (
            200,
            PullEvent::Planned {
                layers,
                missing_bytes: 100_000_000,
                reused_bytes: 5_000_000,
                resumed_bytes: 0,
            },
        ),
        (200, status(LayerStatus::Queued)),
        (
            250,
            status(LayerStatus::Paused {
                after: at(50),
                attempt: 1,
            }),
        ),
        (300, connecting("mirror.test", 1)),
        (
            10_000,
            status(LayerStatus::Moving {
                downloaded: 20_000_000,
                unpacked: 10_000_000,
            }),
        ),
        (
            11_000,
            status(LayerStatus::Retrying {
                after: at(2000),
                attempt: 2,
                reason: reason("mirror.test", "cut off\r\nby \x1b[7ma proxy"),
            }),
        ),
        (13_000, connecting("mirror.test", 2)),
        (
            22_000,
            status(LayerStatus::Moving {
                downloaded: 61_000_000,
                unpacked: 50_000_000,
            }),
        ),
        (23_000, status(LayerStatus::Downloaded)),
        (
            34_000,
            status(LayerStatus::Unpacked {
                size: 431_000_000,
                skipped_devices: 1,
                skipped_xattrs: 2,
            }),
        ),
        (34_100, PullEvent::Committing),
    ]
}

/// Returns what a reporter writes.
fn written(mode: ProgressMode, work: impl FnOnce(&mut PullReporter<'_>)) -> String {
    let mut out = Vec::new();
    let mut reporter = PullReporter::new(mode, &mut out);
    reporter.size = || SIZE;
    work(&mut reporter);
    drop(reporter);
    String::from_utf8(out).unwrap()
}

/// Reports the events, with a tick every second.
fn play(reporter: &mut PullReporter<'_>, until: u64) {
    reporter.add(&reference("alpine:3"), vec![origin("mirror.test")]);
    reporter.start(0, at(0));
    let events = events();
    let mut events = events.iter().peekable();
    for second in 0..=until {
        while let Some((millis, event)) = events.next_if(|(millis, _)| *millis <= second * 1000) {
            reporter.event(0, event, at(*millis)).unwrap();
        }
        reporter.tick(at(second * 1000));
    }
}

/// A log has a line for the start, heartbeats at most every ten seconds, retries with their reason, and a line for the
/// end. It has no escape sequences and carriage returns, whatever text the registry sends.
#[test]
fn a_log_has_few_lines() {
    let text = written(ProgressMode::Plain, |reporter| {
        play(reporter, 46);
        reporter
            .pulled(0, &pulled("alpine:3", PullOutcome::Downloaded), at(47_000))
            .unwrap();
        reporter.tick(at(90_000));
    });
    assert!(!text.contains(['\r', '\x1b']));
    insta::assert_snapshot!(text, @r"
    alpine:3: tags of library/alpine at https://mirror.test: malformed response: nothing\n\u{1b}[7m there; trying another endpoint
    Pulling alpine:3 for linux/amd64: 2 layers, 100.0 MB to download, 5.0 MB already present
    alpine:3: layer aaaaaaaaaaaa: waiting 0.1s: rate limited by the registry
    alpine:3: layer aaaaaaaaaaaa: attempt 2 in 2.0s: tags of library/alpine at https://mirror.test: malformed response: cut off\r\nby \u{1b}[7ma proxy
    alpine:3: 20%, 20.0/100.0 MB, 0 B/s
    alpine:3: 100%, 100.0 MB, unpacking 50%
    alpine:3: still committing
    Pulled alpine:3 in 0.9s  144.6 MB down, 61.0 MB reused, 431 MB unpacked, without 1 device node and 2 extended attributes  (mirror: mirror.test)
    ");
}

#[test]
fn a_log_has_pulls_that_were_up_to_date_failed_or_stopped() {
    let text = written(ProgressMode::Plain, |reporter| {
        for (index, name) in ["alpine:3", "app:1", "other:1"].into_iter().enumerate() {
            reporter.add(&reference(name), vec![origin("mirror.test")]);
            reporter.start(index, at(0));
        }
        reporter
            .pulled(0, &pulled("alpine:3", PullOutcome::UpToDate), at(100))
            .unwrap();
        reporter.tick(at(12_000));
        reporter.failed(1, &failure(), false, at(13_000)).unwrap();
        reporter.stopped(at(14_000)).unwrap();
    });
    insta::assert_snapshot!(text, @r"
    alpine:3 is up to date
    app:1: still resolving
    other:1: still resolving
    error: pulling app:1: no such manifest
    tried: app:1 at https://mirror.test: no such manifest
    hint: check the name and the tag
    Stopped. 1 of 3 images pulled; nothing else was changed.
    ");
}

#[test]
fn json_has_one_object_per_line() {
    let text = written(ProgressMode::Json, |reporter| {
        play(reporter, 46);
        reporter
            .pulled(0, &pulled("alpine:3", PullOutcome::Downloaded), at(47_000))
            .unwrap();
        reporter.add(&reference("alpine:4"), vec![origin("mirror.test")]);
        reporter.start(1, at(47_000));
        reporter.failed(1, &failure(), true, at(48_000)).unwrap();
        reporter.add(&reference("alpine:5"), vec![origin("mirror.test")]);
        reporter.stopped(at(49_000)).unwrap();
    });
    for line in text.lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            object["type"].is_string() && object["reference"].is_string(),
            "{line}"
        );
    }
    insta::assert_snapshot!(text, @r#"
    {"type":"resolving","reference":"docker.io/library/alpine:3"}
    {"type":"setback","reference":"docker.io/library/alpine:3","endpoint":"https://mirror.test","after_ms":null,"error":"tags of library/alpine at https://mirror.test: malformed response: nothing\n\u001b[7m there"}
    {"type":"resolved","reference":"docker.io/library/alpine:3","digest":"sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","platform":"linux/amd64","endpoint":"https://registry-1.docker.io"}
    {"type":"planned","reference":"docker.io/library/alpine:3","layers":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":100000000,"exists":false},{"digest":"sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","size":5000000,"exists":true}],"bytes_missing":100000000,"bytes_reused":5000000,"bytes_resumed":0}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"queued"}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"paused","after_ms":50,"attempt":1}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"connecting","attempt":1,"endpoint":"https://mirror.test"}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"moving","bytes_downloaded":20000000,"bytes_unpacked":10000000}
    {"type":"progress","reference":"docker.io/library/alpine:3","bytes_missing":100000000,"bytes_downloaded":20000000,"bytes_unpacked":10000000,"bytes_reused":5000000,"bytes_resumed":0,"bytes_per_second":2061855,"eta_ms":87300}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"retrying","after_ms":2000,"attempt":2,"error":"tags of library/alpine at https://mirror.test: malformed response: cut off\r\nby \u001b[7ma proxy"}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"connecting","attempt":2,"endpoint":"https://mirror.test"}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"moving","bytes_downloaded":61000000,"bytes_unpacked":50000000}
    {"type":"progress","reference":"docker.io/library/alpine:3","bytes_missing":100000000,"bytes_downloaded":61000000,"bytes_unpacked":50000000,"bytes_reused":5000000,"bytes_resumed":0,"bytes_per_second":4555555,"eta_ms":11250}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"downloaded"}
    {"type":"progress","reference":"docker.io/library/alpine:3","bytes_missing":100000000,"bytes_downloaded":100000000,"bytes_unpacked":50000000,"bytes_reused":5000000,"bytes_resumed":0,"bytes_per_second":8000000,"eta_ms":12500}
    {"type":"layer","reference":"docker.io/library/alpine:3","digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","status":"unpacked","size":431000000,"skipped_devices":1,"skipped_xattrs":2}
    {"type":"progress","reference":"docker.io/library/alpine:3","bytes_missing":100000000,"bytes_downloaded":100000000,"bytes_unpacked":100000000,"bytes_reused":5000000,"bytes_resumed":0,"bytes_per_second":0,"eta_ms":0}
    {"type":"committing","reference":"docker.io/library/alpine:3"}
    {"type":"done","reference":"docker.io/library/alpine:3","status":"downloaded","digest":"sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","image_id":"sha256:1111111111111111111111111111111111111111111111111111111111111111","platform":"linux/amd64","bytes_downloaded":144600000,"bytes_reused":61000000,"bytes_unpacked":431000000,"duration_ms":900,"endpoint":"https://registry-1.docker.io","layers":[{"digest":"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":100000000,"source":"https://mirror.test"}]}
    {"type":"error","reference":"docker.io/library/alpine:4","code":"not_found","message":"pulling app:1: no such manifest","tried":["app:1 at https://mirror.test: no such manifest"],"hint":"check the name and the tag"}
    {"type":"error","reference":"docker.io/library/alpine:5","code":"interrupted","message":"Stopped. 1 of 3 images pulled; nothing else was changed."}
    "#);
}

/// The frame is replaced by one line per image. A failure stays too.
#[test]
fn one_line_per_image_stays_on_a_terminal() {
    let text = written(ProgressMode::Terminal { color: false }, |reporter| {
        reporter.add(&reference("alpine:3"), vec![origin("mirror.test")]);
        reporter.add(&reference("app:1"), vec![origin("mirror.test")]);
        reporter.start(0, at(0));
        reporter.start(1, at(0));
        reporter.tick(at(0));
        reporter
            .pulled(0, &pulled("alpine:3", PullOutcome::Downloaded), at(900))
            .unwrap();
        reporter.failed(1, &failure(), false, at(1000)).unwrap();
        reporter.tick(at(1080));
    });
    insta::assert_snapshot!(text.replace('\x1b', "␛").replace('\r', "␍"), @r"
    ⠋ alpine:3  resolving␛[K
    ⠋ app:1  resolving␛[J␍␛[1APulled alpine:3 in 0.9s  144.6 MB down, 61.0 MB reused, 431 MB unpacked␛[K
    ⠙ app:1  resolving␛[J␍error: pulling app:1: no such manifest␛[K
    tried: app:1 at https://mirror.test: no such manifest␛[K
    hint: check the name and the tag␛[K
    ␛[J␛[J
    ");
}

#[test]
fn the_silent_form_has_failures_only() {
    let text = written(ProgressMode::Silent, |reporter| {
        play(reporter, 46);
        reporter
            .pulled(0, &pulled("alpine:3", PullOutcome::Downloaded), at(47_000))
            .unwrap();
        reporter.add(&reference("app:1"), vec![origin("mirror.test")]);
        reporter.failed(1, &failure(), false, at(48_000)).unwrap();
    });
    insta::assert_snapshot!(text, @r"
    error: pulling app:1: no such manifest
    tried: app:1 at https://mirror.test: no such manifest
    hint: check the name and the tag
    ");
}

#[test]
fn the_message_of_a_stop_has_the_progress_and_the_kept_bytes() {
    let stop = |until| {
        written(ProgressMode::Silent, |reporter| {
            play(reporter, until);
            reporter.stopped(at(60_000)).unwrap();
        })
    };
    insta::assert_snapshot!([stop(0), stop(22), stop(46)].concat(), @r"
    Stopped. Nothing was changed.
    Stopped at 61%. 61.0 MB kept; the next pull resumes.
    Stopped while committing; `windlass images` shows what is there.
    ");
}

fn failure() -> ErrorReport {
    ErrorReport {
        code: ErrorCode::NotFound,
        message: "pulling app:1: no such manifest".to_owned(),
        tried: vec!["app:1 at https://mirror.test: no such manifest".to_owned()],
        hint: Some("check the name and the tag".to_owned()),
    }
}

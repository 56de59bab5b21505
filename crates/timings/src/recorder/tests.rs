//! Records of given events.

use std::sync::Arc;

use serde_json::Value;
use windlass::PullOutcome;
use windlass::error::RegistryError;
use windlass::image::{ImageId, Platform};
use windlass::registry::{Origin, RequestContext, RequestKind};
use windlass::transfer::{LayerStatus, PlannedLayer, Reason, Setback};

use super::*;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64))
        .parse()
        .unwrap()
}

fn origin(host: &str) -> Origin {
    Origin::parse(&format!("https://{host}")).unwrap()
}

fn failure_reason(reason: &str) -> Reason {
    let context = RequestContext {
        origin: origin("mirror.test"),
        repository: "app".to_owned(),
        kind: RequestKind::Tags,
    };
    Reason(Arc::new(RegistryError::Malformed {
        context: Box::new(context),
        reason: reason.to_owned(),
    }))
}

fn planned(digit: char, size: u64, exists: bool) -> PlannedLayer {
    PlannedLayer {
        digest: digest(digit),
        size,
        exists,
    }
}

fn resolved(platform: Platform) -> PullEvent {
    PullEvent::Resolved {
        endpoint: origin("registry.test"),
        digest: digest('d'),
        platform,
    }
}

fn layer(digit: char, status: LayerStatus) -> PullEvent {
    let digest = digest(digit);
    PullEvent::Layer { digest, status }
}

fn connecting(digit: char, host: &str, attempt: u32) -> PullEvent {
    let endpoint = origin(host);
    layer(digit, LayerStatus::Connecting { endpoint, attempt })
}

fn moving(digit: char, downloaded: u64, unpacked: u64) -> PullEvent {
    let status = LayerStatus::Moving {
        downloaded,
        unpacked,
    };
    layer(digit, status)
}

fn retrying(digit: char, reason: &str) -> PullEvent {
    let status = LayerStatus::Retrying {
        after: at(500),
        attempt: 2,
        reason: failure_reason(reason),
    };
    layer(digit, status)
}

fn unpacked(digit: char, size: u64) -> PullEvent {
    let status = LayerStatus::Unpacked {
        size,
        skipped_devices: 0,
        skipped_xattrs: 0,
    };
    layer(digit, status)
}

/// The events of a pull with an existing layer and one with a pause, a setback and a second attempt.
fn events() -> Vec<(u64, PullEvent)> {
    let paused = LayerStatus::Paused {
        after: at(100),
        attempt: 1,
    };
    vec![
        (
            5,
            PullEvent::Setback(Setback {
                endpoint: origin("mirror.test"),
                after: None,
                reason: failure_reason("<b>\n\u{202e}"),
            }),
        ),
        (10, resolved(Platform::new("linux", "amd64", None))),
        (
            20,
            PullEvent::Planned {
                layers: vec![
                    planned('a', 70, true),
                    planned('b', 1000, false),
                    planned('b', 1000, false),
                ],
                missing_bytes: 1000,
                reused_bytes: 70,

                resumed_bytes: 0,
            },
        ),
        (20, layer('b', LayerStatus::Queued)),
        (50, layer('b', paused)),
        (150, connecting('b', "mirror.test", 1)),
        (250, moving('b', 100, 0)),
        (350, moving('b', 300, 200)),
        (400, retrying('b', "cut off")),
        (450, moving('b', 300, 300)),
        (900, connecting('b', "registry.test", 2)),
        (1000, moving('b', 900, 400)),
        (1100, moving('b', 1000, 700)),
        (1100, layer('b', LayerStatus::Downloaded)),
        (1200, moving('b', 1000, 1000)),
        (1250, unpacked('b', 4000)),
        (1250, PullEvent::Committing),
    ]
}

fn recorder(names: &[&str]) -> Recorder {
    let started = "2026-11-24T03:31:05.5Z".parse().unwrap();
    let mut recorder = Recorder::new(started, 2);
    for name in names {
        recorder.add(&name.parse().unwrap());
    }
    recorder
}

fn cpu(process: u64, machine: Option<u64>) -> CpuTime {
    CpuTime {
        process: at(process),
        machine: machine.map(at),
    }
}

fn json(recorder: &Recorder) -> Value {
    serde_json::to_value(recorder).unwrap()
}

/// Times are microseconds.
#[test]
fn a_pull_is_recorded_from_end_to_end() {
    let mut recorder = recorder(&["registry.test/app:1"]);
    recorder.sample(cpu(7, Some(9000)), at(0));
    recorder.begin(0, at(1));
    for (now, event) in events() {
        recorder.event(0, &event, at(now));
    }
    recorder.sample(cpu(900, None), at(1260));
    let pulled = Pulled {
        reference: "registry.test/app:1".parse().unwrap(),
        digest: digest('d'),
        image_id: ImageId::new(digest('1')),
        platform: Platform::new("linux", "amd64", None),
        outcome: PullOutcome::Downloaded,
        downloaded_bytes: 1000,
        reused_bytes: 70,

        unpacked_bytes: 4000,
        missing_artifacts: Vec::new(),
        duration: at(1300),
        endpoint: origin("registry.test"),
    };
    recorder.pulled(0, &pulled, at(1301));
    recorder.end(cpu(950, Some(9999)), None, at(1310));
    let json = serde_json::to_string_pretty(&json(&recorder)).unwrap();
    let json = json.replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(json, @r#"
    {
      "cpus": 2,
      "failure": null,
      "moved": {
        "downloaded": 1000,
        "unpacked": 1000
      },
      "pulls": [
        {
          "content": 4000,
          "digest": "sha256:dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
          "endpoint": "https://registry.test",
          "failure": null,
          "image_id": "sha256:1111111111111111111111111111111111111111111111111111111111111111",
          "layers": [
            {
              "content": null,
              "digest": "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
              "downloaded": 0,
              "size": 70,
              "source": null,
              "spans": [],
              "state": "exists",
              "times": {},
              "tries": 0,
              "unpacked": 0,
              "unpacking": null
            },
            {
              "content": 4000,
              "digest": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
              "downloaded": 1000,
              "size": 1000,
              "source": "https://registry.test",
              "spans": [
                {
                  "from": 20000,
                  "state": "waiting",
                  "to": 50000
                },
                {
                  "from": 50000,
                  "state": "paused",
                  "to": 150000
                },
                {
                  "from": 150000,
                  "state": "connecting",
                  "to": 250000
                },
                {
                  "from": 250000,
                  "state": "downloading",
                  "to": 400000
                },
                {
                  "from": 400000,
                  "state": "retrying",
                  "to": 900000
                },
                {
                  "from": 900000,
                  "state": "connecting",
                  "to": 1000000
                },
                {
                  "from": 1000000,
                  "state": "downloading",
                  "to": 1100000
                },
                {
                  "from": 1100000,
                  "state": "unpacking",
                  "to": 1250000
                }
              ],
              "state": "done",
              "times": {
                "connecting": 200000,
                "downloading": 250000,
                "paused": 100000,
                "retrying": 500000,
                "unpacking": 150000,
                "waiting": 30000
              },
              "tries": 2,
              "unpacked": 1000,
              "unpacking": {
                "from": 350000,
                "state": "unpacking",
                "to": 1250000
              }
            }
          ],
          "missing_bytes": 1000,
          "more_setbacks": 0,
          "platform": "linux/amd64",
          "reference": "registry.test/app:1",
          "reused_bytes": 70,
          "setbacks": [
            {
              "at": 5000,
              "error": "tags of app at https://mirror.test: malformed response: <b>\\n\\u{202e}",
              "layer": null
            },
            {
              "at": 400000,
              "error": "tags of app at https://mirror.test: malformed response: cut off",
              "layer": "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
            }
          ],
          "spans": [
            {
              "from": 1000,
              "state": "resolving",
              "to": 20000
            },
            {
              "from": 20000,
              "state": "fetching",
              "to": 1250000
            },
            {
              "from": 1250000,
              "state": "committing",
              "to": 1301000
            }
          ],
          "stage": "pulled",
          "times": {
            "committing": 51000,
            "fetching": 1230000,
            "resolving": 19000
          }
        }
      ],
      "samples": [
        {
          "at": 0,
          "cpu": 7000,
          "downloaded": 0,
          "machine": 9000000,
          "unpacked": 0
        },
        {
          "at": 1260000,
          "cpu": 900000,
          "downloaded": 1000,
          "machine": null,
          "unpacked": 1000
        },
        {
          "at": 1310000,
          "cpu": 950000,
          "downloaded": 1000,
          "machine": 9999000,
          "unpacked": 1000
        }
      ],
      "started": "2026-11-24T03:31:05Z",
      "total": 1310000,
      "windlass": "[version]"
    }
    "#);
}

/// The record has the last state of each layer, and the pulls that were stopped or never started.
#[test]
fn a_pull_that_fails_or_is_stopped_is_recorded() {
    let mut recorder = recorder(&["one.test/app:1", "two.test/app:1", "three.test/app:1"]);
    for place in [0, 1] {
        recorder.begin(place, at(0));
        for (now, event) in events().into_iter().take(10) {
            recorder.event(place, &event, at(now));
        }
    }
    let failure = FailureRecord {
        message: "pulling one.test/app:1: broken".to_owned(),
        tried: vec!["other".to_owned()],
        hint: None,
    };
    recorder.failed(0, failure, at(600));
    let stopped = FailureRecord {
        message: "Stopped at 30%.".to_owned(),
        tried: Vec::new(),
        hint: None,
    };
    recorder.end(CpuTime::default(), Some(stopped), at(700));
    let json = json(&recorder);
    let summaries = json["pulls"].as_array().unwrap().iter().map(|pull| {
        let layer = &pull["layers"][1];
        let last = layer["spans"].as_array().and_then(|spans| spans.last());
        let (state, unpacking) = (&layer["state"], &layer["unpacking"]);
        [
            &pull["stage"],
            &pull["failure"],
            state,
            last.unwrap_or(&Value::Null),
            unpacking,
        ]
        .map(ToString::to_string)
        .join(" ")
    });
    let mut summaries: Vec<String> = summaries.collect();
    summaries.push(json["failure"].to_string());
    insta::assert_snapshot!(summaries.join("\n"), @r#"
    "failed" {"hint":null,"message":"pulling one.test/app:1: broken","tried":["other"]} "retrying" {"from":400000,"state":"retrying","to":600000} {"from":350000,"state":"unpacking","to":600000}
    "stopped" null "retrying" {"from":400000,"state":"retrying","to":700000} {"from":350000,"state":"unpacking","to":700000}
    "queued" null null null null
    {"hint":null,"message":"Stopped at 30%.","tried":[]}
    "#);
}

/// The bytes of a transfer that two pulls share count once, and still count when one of the pulls has ended.
#[test]
fn shared_bytes_count_once() {
    let mut recorder = recorder(&["one.test/app:1", "two.test/app:1"]);
    let plan = PullEvent::Planned {
        layers: vec![planned('b', 1000, false)],
        missing_bytes: 1000,
        reused_bytes: 0,

        resumed_bytes: 0,
    };
    for place in [0, 1] {
        recorder.begin(place, at(0));
        recorder.event(place, &plan, at(1));
    }
    let mut downloads = Vec::new();
    for (place, now, downloaded) in [(0, 100, 300), (1, 101, 310), (1, 201, 500), (0, 200, 490)] {
        recorder.event(place, &moving('b', downloaded, downloaded / 10), at(now));
        downloads.push(recorder.moved.downloaded);
    }
    let failure = FailureRecord {
        message: String::new(),
        tried: Vec::new(),
        hint: None,
    };
    recorder.failed(0, failure, at(250));
    recorder.event(1, &moving('b', 900, 90), at(300));
    downloads.push(recorder.moved.downloaded);
    // The transfer starts again.
    recorder.event(1, &moving('b', 0, 0), at(400));
    recorder.event(1, &moving('b', 50, 0), at(500));
    downloads.push(recorder.moved.downloaded);
    assert_eq!(downloads, [300, 300, 300, 490, 890, 940]);
}

/// A registry that fails over and over does not make the record grow.
#[test]
fn setbacks_are_bounded() {
    let mut recorder = recorder(&["one.test/app:1"]);
    for now in 0..1000 {
        recorder.event(0, &retrying('b', "no"), at(now));
    }
    let json = json(&recorder);
    let pull = &json["pulls"][0];
    assert_eq!(pull["setbacks"].as_array().unwrap().len(), 50);
    assert_eq!(pull["more_setbacks"], 950);
    assert_eq!(
        pull["setbacks"][0]["error"],
        "tags of app at https://mirror.test: malformed response: no"
    );
}

//! Other requests to a docker daemon: events, information, logins, searches.

use serde_json::Value;

use super::docker::{Docker, each};
use crate::Case;
use crate::fixture::Fixture;
use crate::requirements::DOCKER;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::other::information_and_events",
        needs: DOCKER,
        test: |shared| each(shared, "itself", |docker| itself(shared, docker)),
    },
    Case {
        name: "daemon::other::containers_are_refused",
        needs: DOCKER,
        test: |shared| each(shared, "nothing", |docker| nothing(shared, docker)),
    },
];

fn itself(shared: &SharedState, docker: &Docker) {
    let small = shared.reference(Fixture::Small, "gzip");
    docker.does(&["pull", "-q", &small]);
    docker.does(&["tag", &small, "spare:1"]);
    docker.does(&["rmi", "spare:1"]);

    let versions = ["version", "--format", "{{.Server.Version}} {{.Server.Os}}"];
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(docker.does(&versions), format!("{version} linux\n"));
    let info = docker.does(&["info", "--format", "{{json .}}"]);
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(
        (&info["Images"], &info["Containers"]),
        (&1.into(), &0.into())
    );
    assert_eq!(info["ServerVersion"], version);
    docker.does(&["info"]);

    // One second ahead, because the CLI drops fractions of seconds.
    let until = (jiff::Timestamp::now().as_second() + 1).to_string();
    let events = [
        "events",
        "--since",
        "1",
        "--until",
        &until,
        "--format",
        "{{json .}}",
    ];
    let events = docker.does(&events);
    let events: Vec<Value> = events
        .lines()
        .map(|event| serde_json::from_str(event).unwrap())
        .collect();
    let actions: Vec<_> = events
        .iter()
        .map(|event| event["Action"].as_str())
        .collect();
    assert_eq!(
        actions,
        [Some("pull"), Some("tag"), Some("untag")],
        "{events:#?}"
    );
    assert_eq!(events[0]["Actor"]["ID"], small.as_str());

    let usage = [
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Active}}",
    ];
    let usage = docker.does(&usage);
    assert!(usage.starts_with("Images 1 0\nContainers 0 0\n"), "{usage}");
    docker.does(&["system", "df", "--verbose"]);

    // The registry has no search: its error is passed on.
    let term = format!("{}/smal", shared.registry().address());
    docker.fails(&["search", &term], &["404"]);
}

fn nothing(shared: &SharedState, docker: &Docker) {
    let small = shared.reference(Fixture::Small, "gzip");
    for arguments in [&["run", &small][..], &["create", &small]] {
        let ran = docker.run(arguments);
        assert!(matches!(ran.code, Some(125 | 1)), "{ran:#?}");
        assert!(
            ran.stderr.contains("this daemon manages images only"),
            "{ran:#?}"
        );
        assert!(!ran.stderr.contains("Unable to find image"), "{ran:#?}");
    }
    assert_eq!(docker.run(&["run", &small]).code, Some(125));
    for what in [
        &["ps", "-q", "-a"][..],
        &["volume", "ls", "-q"],
        &["network", "ls", "-q"],
        &["plugin", "ls", "-q"],
    ] {
        assert_eq!(docker.does(what), "", "{what:?}");
    }
    for arguments in [
        &["inspect", "nope"][..],
        &["logs", "nope"],
        &["volume", "inspect", "nope"],
        &["network", "inspect", "nope"],
    ] {
        docker.fails(arguments, &["nope"]);
    }
}

//! Queries without a pull, compared with `skopeo`.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;
use windlass_testing::real::{command, run};

use crate::Case;
use crate::fixture::Fixture;
use crate::registry_client::RegistryClient;
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "queries::manifest_digest_and_tags_match_skopeo",
        needs: REGISTRY,
        test: answers,
    },
    Case {
        name: "queries::a_dry_run_detects_a_moved_tag",
        needs: REGISTRY,
        test: moved,
    },
];

/// MF-1, MF-2, MF-10: the index, byte for byte; one image of it; all tags of a repository.
fn answers(shared: &SharedState) {
    let client = RegistryClient::new(shared, "questions");
    let query = |arguments: &[&str]| client.windlass.succeeds(arguments).stdout;
    let both = shared.reference(Fixture::MultiArch, "both");
    let repository = both.strip_suffix(":both").unwrap();

    let index = query(&["manifest", "--raw", &both]);
    let digest = query(&["digest", &both]);
    assert_eq!(index, skopeo(&["inspect", "--raw"], &both));
    assert_eq!(digest, skopeo(&["inspect", "--format={{.Digest}}"], &both));
    assert_eq!(digest.trim_end(), format!("sha256:{}", sha256sum(&index)));

    let parsed: Value = serde_json::from_str(&index).unwrap();
    for image in parsed["manifests"].as_array().unwrap() {
        let architecture = image["platform"]["architecture"].as_str().unwrap();
        let platform = format!("--platform=linux/{architecture}");
        let digest = image["digest"].as_str().unwrap();
        let exact = format!("{repository}@{digest}");
        assert_eq!(query(&["digest", &platform, &both]).trim_end(), digest);
        let manifest = query(&["manifest", "--raw", &platform, &both]);
        assert_eq!(manifest, skopeo(&["inspect", "--raw"], &exact));
        let pretty: Value = serde_json::from_str(&query(&["manifest", &exact])).unwrap();
        assert_eq!(pretty, serde_json::from_str::<Value>(&manifest).unwrap());
    }

    let kinds = shared.reference(Fixture::Kinds, "gzip");
    let repository = kinds.strip_suffix(":gzip").unwrap();
    let listed: Value = serde_json::from_str(&skopeo(&["list-tags"], repository)).unwrap();
    let listed: Vec<_> = listed["Tags"].as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), Fixture::Kinds.tags().len());
    let tags = query(&["tags", repository]);
    assert_eq!(tags.lines().collect::<Vec<_>>(), listed);
    assert!(!client.directory.join("store").exists());
}

/// Exit code 10 if a pull would change something, 0 if not; neither changes anything.
fn moved(shared: &SharedState) {
    let client = RegistryClient::new(shared, "moved");
    let windlass = &client.windlass;
    let name = format!("{}/moving/tag:gzip", shared.registry().address());
    // The exit code and the status of the image.
    let dry = |name: &str| {
        let ran = windlass.run(&["pull", "--dry-run", "--json", name]);
        let preview = ran.stdout.lines().last().map(serde_json::from_str::<Value>);
        let preview = preview.and_then(Result::ok).unwrap_or_default();
        (ran.code, preview["status"].as_str().map(str::to_owned))
    };
    let status = |code: i32, status: &str| (Some(code), Some(status.to_owned()));

    shared.push(shared.registry(), Fixture::Small, "moving/tag");
    assert_eq!(dry(&name), status(10, "new"));
    assert_eq!(windlass.images(), [""; 0]);
    let first = windlass.succeeds(&["pull", &name]);
    assert_eq!(dry(&name), status(0, "up_to_date"));
    let small = windlass.images();

    shared.push(shared.registry(), Fixture::Heavy, "moving/tag");
    assert_eq!(dry(&name), status(10, "newer"));
    assert_eq!(windlass.images(), small);
    let exact = first.stdout.trim_end().replace(":gzip@", "@");
    assert_eq!(dry(&exact), status(0, "up_to_date"));
    windlass.succeeds(&["pull", &name]);
    assert_eq!(dry(&name), status(0, "up_to_date"));
    assert_eq!(dry(&format!("{name}-not")), (Some(1), None));
}

fn skopeo(arguments: &[&str], reference: &str) -> String {
    let mut skopeo = command("skopeo");
    skopeo.args(arguments).arg("--tls-verify=false");
    let output = run(skopeo.arg(format!("docker://{reference}"))).unwrap();
    String::from_utf8(output).unwrap()
}

fn sha256sum(text: &str) -> String {
    let mut child = command("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

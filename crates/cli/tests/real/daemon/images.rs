//! Stored images through the docker CLI: lists, names, inspection, removal.

use serde_json::Value;

use super::docker::{Docker, each};
use crate::Case;
use crate::fixture::Fixture;
use crate::requirements::DOCKER;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "daemon::images::are_listed_with_every_option",
        needs: DOCKER,
        test: |shared| each(shared, "lists", |docker| listed(shared, docker)),
    },
    Case {
        name: "daemon::images::are_inspected_with_their_history",
        needs: DOCKER,
        test: |shared| each(shared, "inspect", |docker| inspected(shared, docker)),
    },
    Case {
        name: "daemon::images::are_removed_with_their_last_name",
        needs: DOCKER,
        test: |shared| each(shared, "rmi", |docker| removed(shared, docker)),
    },
];

fn listed(shared: &SharedState, docker: &Docker) {
    let [small, heavy] = [Fixture::Small, Fixture::Heavy].map(|it| shared.reference(it, "gzip"));
    docker.does(&["pull", "-q", &small]);
    docker.does(&["pull", "-q", &heavy]);
    docker.does(&["tag", &small, "spare"]);

    let table = docker.does(&["images"]);
    for name in ["heavy", "small", "spare"] {
        assert!(table.contains(name), "{table}");
    }
    let names = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
    let mut all: Vec<String> = docker.does(&names).lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, [heavy, small.clone(), "spare:latest".to_owned()]);
    let id = docker.does(&["images", "-q", "--no-trunc", "spare"]);
    let inspect = ["image", "inspect", "--format", "{{.Id}}", &small];
    assert_eq!(docker.does(&inspect), id);
    let json = docker.does(&["images", "--format", "{{json .}}", "spare:latest"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["Repository"], &json["Tag"]),
        (&"spare".into(), &"latest".into())
    );
    let only = |filter: &str| {
        let arguments = ["images", "--filter", filter, "--format", "{{.Repository}}"];
        docker.does(&arguments).lines().count()
    };
    assert_eq!(only("reference=spare"), 1);
    assert_eq!(only("reference=*/small:*"), 1);
    assert_eq!(only("dangling=true"), 0);
    assert_eq!(only("dangling=false"), 3);
    assert_eq!(only("label=nobody"), 0);
    docker.fails(
        &["images", "--filter", "colour=red"],
        &["nvalid filter 'colour"],
    );
}

fn inspected(shared: &SharedState, docker: &Docker) {
    let heavy = shared.reference(Fixture::Heavy, "gzip");
    docker.does(&["pull", "-q", &heavy]);
    let whole = docker.does(&["inspect", &heavy]);
    let whole: Value = serde_json::from_str(&whole).unwrap();
    let image = &whole[0];
    assert_eq!(image["RepoTags"][0], heavy.as_str());
    assert_eq!(image["RootFS"]["Layers"].as_array().unwrap().len(), 2);
    assert!(image["Size"].as_u64().unwrap() >= 2 << 20, "{image}");
    let id = image["Id"].as_str().unwrap();
    for name in [id, &id[7..], &id[7..19]] {
        let inspect = ["image", "inspect", "--format", "{{.Id}}", name];
        assert_eq!(docker.does(&inspect).trim_end(), id);
    }
    let history = [
        "history",
        "--no-trunc",
        "--format",
        "{{.ID}} {{.Size}}",
        &heavy,
    ];
    let history = docker.does(&history);
    assert_eq!(history.lines().count(), 2, "{history}");
    assert!(history.starts_with(id), "{history}");
    assert!(
        history
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("<missing> 1.05MB"),
        "{history}"
    );
}

/// API-11.
fn removed(shared: &SharedState, docker: &Docker) {
    let small = shared.reference(Fixture::Small, "gzip");
    docker.does(&["pull", "-q", &small]);
    docker.does(&["tag", &small, "spare:1"]);
    docker.does(&["tag", &small, "spare:2"]);
    let id = docker.does(&["images", "-q", "spare:1"]);
    let id = id.trim_end();
    let format = "{{.Id}} {{index .RootFS.Layers 0}} {{index .RepoDigests 0}}";
    let inspected = docker.does(&["image", "inspect", "--format", format, &small]);
    let [image_id, layer, name] = inspected.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{inspected}");
    };
    let digest = name.split_once('@').unwrap().1;

    let words = [
        "conflict: unable to delete",
        "must be forced",
        "multiple repositories",
    ];
    docker.fails(&["rmi", id], &words);
    assert_eq!(docker.does(&["rmi", "spare:2"]), "Untagged: spare:2\n");
    let gone = docker.does(&["rmi", "-f", id]);
    let repository = small.strip_suffix(":gzip").unwrap();
    let expected = format!(
        "Untagged: {small}\nUntagged: {repository}@{digest}\nUntagged: spare:1\n\
         Deleted: {image_id}\nDeleted: {layer}\n"
    );
    assert_eq!(gone, expected);
    assert_eq!(docker.does(&["images", "-q", "-a"]), "");

    docker.does(&["pull", "-q", &small]);
    docker.does(&["tag", &small, "spare:1"]);
    docker.does(&["rmi", &small]);
    docker.does(&["image", "prune", "--force"]);
    assert_eq!(docker.does(&["images", "-q"]).trim_end(), id);
    let pruned = docker.does(&["image", "prune", "--force", "--all"]);
    let expected = format!(
        "Deleted Images:\nuntagged: spare:1\ndeleted: {image_id}\ndeleted: {layer}\n\n\
         Total reclaimed space:"
    );
    // The size is that on disk, which depends on the file system.
    assert_eq!(pruned.rsplit_once(' ').unwrap().0, expected);
    docker.does(&["system", "prune", "--force", "--all"]);
    assert_eq!(docker.does(&["images", "-q", "-a"]), "");
}

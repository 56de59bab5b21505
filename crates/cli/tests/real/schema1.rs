//! Docker's manifests of schema 1, as `docker-registry` converts newer ones to them.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use windlass::image::Digest;
use windlass_testing::real::{DockerRegistry, LoggedRequest};

use crate::Case;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::registry_client::RegistryClient;
use crate::requirements::REGISTRY;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "schema1::is_refused_unless_allowed_and_gives_the_same_tree",
        needs: REGISTRY,
        test: wanted,
    },
    Case {
        name: "schema1::the_config_is_the_one_that_docker_makes",
        needs: REGISTRY,
        test: converted,
    },
    Case {
        name: "schema1::a_tag_that_the_manifest_does_not_name_is_refused",
        needs: REGISTRY,
        test: other_tag,
    },
];

/// A registry that serves schema 1, and a client that rejects it unless it is configured to accept it.
struct Schema1Setup {
    registry: DockerRegistry,
    client: RegistryClient,
}

impl Schema1Setup {
    fn new(shared: &SharedState, name: &str) -> Self {
        let client = RegistryClient::new(shared, name);
        let registry = DockerRegistry::builder(&client.directory.join("registry"));
        let registry = registry.schema1().start().unwrap();
        Self { registry, client }
    }

    /// Pushes `layout` with Docker's current media types and as schema 1, and returns the reference of the latter and
    /// the registry's document.
    fn push(&self, layout: &Path) -> (String, Value) {
        let registry = &self.registry;
        registry.push_docker(layout, "gzip", "hold/new").unwrap();
        registry.push_docker(layout, "gzip", "hold/old").unwrap();
        let document = registry.store_schema1("hold/old", "gzip", "gzip").unwrap();
        let document = serde_json::from_slice(&document).unwrap();
        (self.reference("old:gzip"), document)
    }

    fn reference(&self, name: &str) -> String {
        format!("{}/hold/{name}", self.host())
    }

    fn host(&self) -> String {
        self.registry.address().to_string()
    }

    fn allow(&self) {
        self.client.configure("schema1 = true\n");
    }

    fn downloads(&self) -> usize {
        let requests = self.registry.requests().unwrap();
        { requests.iter() }
            .filter(|it| LoggedRequest::is_blob_download(it))
            .count()
    }
}

/// MF-7: the error names the setting; with it the tree is that of the same image in a current format.
fn wanted(shared: &SharedState) {
    let setup = Schema1Setup::new(shared, "schema1");
    let windlass = &setup.client.windlass;
    let (old, _) = setup.push(&shared.layout(Fixture::Whiteouts));
    let other = Windlass::new(&shared.directory("schema1-new"));
    let tree = other.tree(&setup.reference("new:gzip"));

    let refused = setup.client.refused(&["pull", &old], &setup.host());
    insta::assert_snapshot!(refused, @r"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/old:gzip: hold/old:gzip at http://registry.test: unusable manifest: the manifest is of Docker's schema 1: push the image again, or allow such manifests with `schema1 = true`
    hint: rebuild and push the image with a current builder, or allow schema 1 with `schema1 = true` in windlass.toml
    ");
    setup.allow();
    let before = windlass.run(&["pull", "--dry-run", &old]);
    let first = windlass.succeeds(&["pull", &old]);
    let downloads = setup.downloads();
    let second = windlass.succeeds(&["pull", &old]);
    let after = windlass.run(&["pull", "--dry-run", &old]);

    tree.assert_same(&windlass.unpacked(&old));
    insta::assert_snapshot!(windlass.show(&second, &[(&setup.host(), "registry.test")]), @r"
    exit: 0
    --- stdout
    registry.test/hold/old:gzip@sha256:[digest]
    --- stderr
    registry.test/hold/old:gzip is up to date
    ");
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(setup.downloads(), downloads);
    assert_eq!((before.code, after.code), (Some(10), Some(0)), "{after:#?}");
    let digest = windlass.succeeds(&["digest", &old]).stdout;
    assert!(first.stdout.ends_with(&format!("@{digest}")), "{first:#?}");
}

/// S1-5, S1-6, S1-7: the config made from the registry's document follows the rules of Docker's daemon.
fn converted(shared: &SharedState) {
    let setup = Schema1Setup::new(shared, "schema1-config");
    let layout = shared.directory("schema1-docker");
    Fixture::Whiteouts.build(shared, &layout).unwrap();
    make_it_dockers(&layout);
    let (old, document) = setup.push(&layout);
    setup.allow();
    let windlass = &setup.client.windlass;

    windlass.succeeds(&["pull", &old]);

    let today = Windlass::new(&shared.directory("schema1-config-new"));
    let new = setup.reference("new:gzip");
    today.succeeds(&["pull", &new]);
    let expected = dockers_config(&document, &inspected(&today, &new)["RootFS"]["Layers"]);
    let id = inspected(windlass, &old)["Id"].as_str().unwrap().to_owned();
    let hex = id.strip_prefix("sha256:").unwrap();
    let config = setup.client.directory.join("store/blobs/sha256").join(hex);
    assert_eq!(fs::read_to_string(config).unwrap(), expected);
    assert_eq!(id, Digest::sha256(expected.as_bytes()).to_string());
}

/// S1-1.
fn other_tag(shared: &SharedState) {
    let setup = Schema1Setup::new(shared, "schema1-tag");
    let (old, _) = setup.push(&shared.layout(Fixture::Small));
    { &setup.registry }
        .push_docker(&shared.layout(Fixture::Small), "gzip", "hold/moved")
        .unwrap();
    { &setup.registry }
        .store_schema1("hold/moved", "gzip", "other")
        .unwrap();
    setup.allow();

    let moved = setup.reference("moved:other");
    let refused = setup.client.refused(&["pull", &moved], &setup.host());
    insta::assert_snapshot!(refused, @r#"
    exit: 1
    --- stderr
    error: pulling registry.test/hold/moved:other: the manifest of Docker's schema 1: the manifest is signed for the tag "gzip", not "other"
    hint: the image is malformed; nothing was stored. Report it to the image's publisher
    "#);
    let digest = setup.client.windlass.succeeds(&["digest", &old]).stdout;
    let by_digest = setup.reference(&format!("old@{}", digest.trim_end()));
    setup.client.windlass.succeeds(&["pull", &by_digest]);
}

fn inspected(windlass: &Windlass, name: &str) -> Value {
    let found = windlass.succeeds(&["inspect", name]).stdout;
    serde_json::from_str::<Value>(&found).unwrap()[0].take()
}

/// Returns the config that Docker 17.03 makes of a manifest of schema 1 whose layers have these diff IDs.
fn dockers_config(document: &Value, diff_ids: &Value) -> String {
    let newest_first = document["history"].as_array().unwrap();
    let entries: Vec<Value> = { newest_first.iter() }
        .map(|entry| serde_json::from_str(entry["v1Compatibility"].as_str().unwrap()).unwrap())
        .collect();
    let mut config = entries[0].as_object().unwrap().clone();
    for name in ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"] {
        config.remove(name);
    }
    let steps: Vec<_> = entries.iter().rev().map(step).collect();
    config.insert("history".to_owned(), steps.into());
    config.insert("rootfs".to_owned(), "-".into());
    // Members are sorted and there are no spaces; only this object keeps the order of its declaration.
    let rootfs = format!(r#"{{"type":"layers","diff_ids":{diff_ids}}}"#);
    let config = Value::Object(config).to_string();
    config.replace(r#""rootfs":"-""#, &format!(r#""rootfs":{rootfs}"#))
}

fn step(entry: &Value) -> Value {
    let mut step = json!({ "created": entry["created"] });
    let command = entry["container_config"]["Cmd"].as_array();
    let words = command.into_iter().flatten().filter_map(Value::as_str);
    let words: Vec<_> = words.collect();
    if !words.is_empty() {
        step["created_by"] = words.join(" ").into();
    }
    if entry["throwaway"] == true {
        step["empty_layer"] = true.into();
    }
    step
}

/// Marks the image of the layout as built by Docker: the daemon keeps the history of such images.
fn make_it_dockers(layout: &Path) {
    let mut index = read(&layout.join("index.json"));
    for tagged in index["manifests"].as_array_mut().unwrap() {
        let mut manifest = read(&blob(layout, &tagged["digest"]));
        let mut config = read(&blob(layout, &manifest["config"]["digest"]));
        config["docker_version"] = "17.03.0-ce".into();
        config["container_config"] = json!({ "Cmd": ["/bin/sh", "-c", "tar"] });
        replace(layout, &mut manifest["config"], &config);
        replace(layout, tagged, &manifest);
    }
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

fn replace(layout: &Path, descriptor: &mut Value, document: &Value) {
    let bytes = document.to_string();
    descriptor["digest"] = Digest::sha256(bytes.as_bytes()).to_string().into();
    descriptor["size"] = bytes.len().into();
    fs::write(blob(layout, &descriptor["digest"]), bytes).unwrap();
}

fn blob(layout: &Path, digest: &Value) -> PathBuf {
    let hex = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
    layout.join("blobs/sha256").join(hex)
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

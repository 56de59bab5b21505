//! `windlass serve` with other clients: each of them gets the same bytes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};
use windlass_testing::real::{Containerd, DockerRegistry, LoggedRequest, command, run};

use crate::Case;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::requirements::{CONTAINERD, REGISTRY};
use crate::shared_state::SharedState;
use crate::transfers::digest;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "serve::windlass_and_skopeo_get_the_same_bytes",
        needs: REGISTRY,
        test: copies,
    },
    Case {
        name: "serve::a_pull_through_cache_proxies_it",
        needs: REGISTRY,
        test: cache,
    },
    Case {
        name: "serve::windlass_uses_it_as_a_mirror",
        needs: REGISTRY,
        test: mirror,
    },
    Case {
        name: "serve::containerd_uses_it_as_a_mirror",
        needs: CONTAINERD,
        test: containerd,
    },
];

/// A running `windlass serve`; killed on drop.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(windlass: &Windlass) -> Self {
        let mut command = windlass.command(&["serve", "--listen", "127.0.0.1:0"]);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut url = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut url).unwrap();
        let url = url.trim().to_owned();
        Self { child, url }
    }

    fn host(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A windlass that serves an image by these names, and the image's digest.
fn served(
    shared: &SharedState,
    name: &str,
    (fixture, tag): (Fixture, &str),
    names: &[&str],
) -> (Windlass, Serving, String) {
    let reference = shared.reference(fixture, tag);
    let windlass = Windlass::new(&shared.directory(name));
    windlass.succeeds(&["pull", "--platform", "linux/amd64", &reference]);
    for name in names {
        windlass.succeeds(&["tag", &reference, name]);
    }
    let serving = Serving::start(&windlass);
    (windlass, serving, digest(&format!("docker://{reference}")))
}

fn copies(shared: &SharedState) {
    let image = (Fixture::Kinds, "gzip");
    let (here, serving, expected) = served(shared, "served", image, &["ghcr.io/x/kinds:1"]);
    let name = format!("{}/ghcr.io/x/kinds:1", serving.host());
    assert_eq!(digest(&format!("docker://{name}")), expected);
    let there = Windlass::new(&shared.directory("pulled-from-it"));
    there.succeeds(&["pull", &name]);
    assert_eq!(there.images(), here.images());
    shared
        .windlass_tree(Fixture::Kinds)
        .assert_same(&there.unpacked(&name));

    let directory = shared.directory("skopeo-from-it");
    let layout = format!("oci:{}:it", directory.join("layout").display());
    run(command("skopeo")
        .args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
        ])
        .args(["--preserve-digests", &format!("docker://{name}"), &layout]))
    .unwrap();
    assert_eq!(digest(&layout), expected);
    let listed = run(command("skopeo")
        .args(["list-tags", "--tls-verify=false"])
        .arg(format!("docker://{}/ghcr.io/x/kinds", serving.host())))
    .unwrap();
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    assert_eq!(listed["Tags"], json!(["1"]));

    // As a mirror of a registry that does not exist.
    let conf = directory.join("registries.conf");
    let toml = format!(
        "[[registry]]\nprefix = \"ghcr.io\"\nlocation = \"127.0.0.1:1\"\n\
         [[registry.mirror]]\nlocation = \"{}/ghcr.io\"\ninsecure = true\n",
        serving.host()
    );
    fs::write(&conf, toml).unwrap();
    let mirrored = format!("oci:{}:it", directory.join("mirrored").display());
    run(command("skopeo")
        .arg("--registries-conf")
        .arg(&conf)
        .args(["--insecure-policy", "copy", "--quiet", "--preserve-digests"])
        .args(["docker://ghcr.io/x/kinds:1", &mirrored]))
    .unwrap();
    assert_eq!(digest(&mirrored), expected);

    // Of an index, the stored image is served.
    let image = (Fixture::MultiArch, "both");
    let (_here, serving, expected) = served(shared, "served-index", image, &["both:1"]);
    let name = format!("{}/both:1", serving.host());
    assert_eq!(digest(&format!("docker://{name}")), expected);
    run(command("skopeo")
        .args([
            "--insecure-policy",
            "--override-arch=amd64",
            "copy",
            "--quiet",
        ])
        .args(["--src-tls-verify=false", &format!("docker://{name}")])
        .arg(format!("oci:{}:it", directory.join("amd64").display())))
    .unwrap();
    there.succeeds(&["pull", "--platform", "linux/amd64", &name]);
    let other = there.run(&["pull", "--platform", "linux/arm64", &name]);
    assert_eq!(other.code, Some(1), "{other:#?}");
}

fn cache(shared: &SharedState) {
    let image = (Fixture::Heavy, "gzip");
    let (here, serving, expected) = served(shared, "served-to-cache", image, &["heavy:1"]);
    let directory = shared.directory("cache-of-it");
    let cache = DockerRegistry::builder(&directory.join("cache"))
        .cache_of_url(&serving.url)
        .start()
        .unwrap();
    let name = format!("{}/library/heavy:1", cache.address());
    let there = Windlass::new(&directory.join("there"));
    there.succeeds(&["pull", &name]);
    assert_eq!(there.images(), here.images());
    assert_eq!(digest(&format!("docker://{name}")), expected);
    assert!(
        cache
            .requests()
            .unwrap()
            .iter()
            .any(LoggedRequest::is_blob_download)
    );
}

/// The registry does not exist; everything comes from the mirror.
fn mirror(shared: &SharedState) {
    let names = [
        "registry.test:5000/hold/heavy:1",
        "registry.test:5000/hold/heavy:2",
    ];
    let image = (Fixture::Heavy, "gzip");
    let (here, serving, expected) = served(shared, "served-mirror", image, &names);
    let directory = shared.directory("mirrored-by-it");
    let hosts = directory.join(".config/windlass/certs.d/registry.test:5000");
    write_hosts(&hosts, &serving);
    let there = Windlass::new(&directory);
    let pulled = there.succeeds(&["pull", names[0]]);
    assert_eq!(pulled.stdout, format!("{}@{expected}\n", names[0]));
    assert_eq!(there.images(), here.images());
    let tags = there.succeeds(&["tags", "registry.test:5000/hold/heavy"]);
    assert_eq!(tags.stdout, "1\n2\n");
}

fn containerd(shared: &SharedState) {
    let names = ["registry.test:5000/hold/heavy:1", "heavy:1"];
    let image = (Fixture::Heavy, "gzip");
    let (_here, serving, expected) = served(shared, "served-containerd", image, &names);
    let directory = shared.directory("containerd");
    let containerd = Containerd::start(&directory.join("daemon")).unwrap();
    let hosts = directory.join("certs.d");
    for registry in ["registry.test:5000", "docker.io"] {
        write_hosts(&hosts.join(registry), &serving);
    }
    for name in [names[0], "docker.io/library/heavy:1"] {
        assert_eq!(containerd.pull(name, &hosts).unwrap(), expected, "{name}");
    }
    let name = format!("{}/docker.io/library/heavy:1", serving.host());
    assert_eq!(containerd.pull_plain(&name).unwrap(), expected);
}

/// Nothing listens at the address of the registry.
fn write_hosts(directory: &std::path::Path, serving: &Serving) {
    fs::create_dir_all(directory).unwrap();
    let toml = format!(
        "server = \"http://127.0.0.1:1\"\n[host.{:?}]\ncapabilities = [\"pull\", \"resolve\"]\n",
        serving.url
    );
    fs::write(directory.join("hosts.toml"), toml).unwrap();
}

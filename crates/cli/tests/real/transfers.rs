//! Transfers into archives and registries and back, byte for byte, with other tools between.

use std::fs;
use std::path::Path;

use serde_json::Value;
use windlass_testing::real::{
    DockerRegistry, PASSWORD, RegistryAuth, TokenServer, USER, command, run,
};

use crate::Case;
use crate::access::log_in;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::requirements::{REGISTRY, UMOCI};
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "transfers::a_saved_image_is_the_pulled_one",
        needs: UMOCI,
        test: saved,
    },
    Case {
        name: "transfers::archives_of_skopeo_are_loaded",
        needs: REGISTRY,
        test: loaded,
    },
    Case {
        name: "transfers::pushes_skip_existing_blobs",
        needs: REGISTRY,
        test: pushed,
    },
    Case {
        name: "transfers::a_token_server_grants_pushes_and_mounts",
        needs: REGISTRY,
        test: pushed_by_token,
    },
    Case {
        name: "transfers::all_platforms_are_copied_with_their_index",
        needs: REGISTRY,
        test: copied,
    },
    Case {
        name: "transfers::blobs_are_the_same_files_in_every_tool",
        needs: UMOCI,
        test: same_bytes,
    },
    Case {
        name: "transfers::referrers_are_copied_between_registries",
        needs: REGISTRY,
        test: referrers,
    },
];

/// Returns the digest of the manifest or index of `place` as skopeo reports it.
pub(crate) fn digest(place: &str) -> String {
    let inspected = run(command("skopeo")
        .args([
            "--insecure-policy",
            "inspect",
            "--tls-verify=false",
            "--raw",
        ])
        .arg(place))
    .unwrap();
    windlass::image::Digest::sha256(inspected).to_string()
}

/// Copies an image with skopeo, which may change its format.
fn skopeo(from: &str, to: &str) {
    run(command("skopeo")
        .args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--src-tls-verify=false",
        ])
        .args([from, to]))
    .unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every form that other tools read has the same manifest, and they unpack it to the same tree.
fn saved(shared: &SharedState) {
    let reference = shared.reference(Fixture::Whiteouts, "mixed");
    let directory = shared.directory("saved");
    let windlass = Windlass::new(&directory);
    windlass.succeeds(&["pull", &reference]);
    let expected = digest(&format!("docker://{reference}"));
    let save = |format: &str, name: &str| {
        let path = directory.join(name);
        let arguments = ["save", "--format", format, "-o", text(&path), &reference];
        windlass.succeeds(&arguments);
        path
    };

    let oci = save("oci", "oci");
    let tag = reference.rsplit_once(':').unwrap().1;
    assert_eq!(digest(&format!("oci:{}:{tag}", oci.display())), expected);
    let archive = save("oci-archive", "oci.tar");
    assert_eq!(
        digest(&format!("oci-archive:{}", archive.display())),
        expected
    );
    let dir = save("dir", "dir");
    assert_eq!(digest(&format!("dir:{}", dir.display())), expected);
    let docker = save("docker-archive", "docker.tar");
    assert_eq!(
        digest(&format!("oci-archive:{}", docker.display())),
        expected
    );

    // skopeo finds the same layers with Docker's own list; umoci unpacks them to the same tree.
    let layout = directory.join("layout");
    let by_list = format!("oci:{}:it", layout.display());
    skopeo(&format!("docker-archive:{}", docker.display()), &by_list);
    let bundle = directory.join("bundle");
    let image = format!("{}:it", layout.display());
    run(command("umoci")
        .args(["unpack", "--image", &image])
        .arg(&bundle))
    .unwrap();
    let tree = windlass_testing::TreeSnapshot::of(bundle.join("rootfs")).unwrap();
    shared.umoci_tree(Fixture::Whiteouts).assert_same(&tree);

    // Each archive can be loaded, and is saved as the same bytes again.
    for (place, name) in [(&oci, "a"), (&archive, "b"), (&docker, "c")] {
        let other = shared.directory(&format!("loaded-{name}"));
        let again = Windlass::new(&other);
        let loaded = again.succeeds(&["load", "-i", text(place)]);
        assert_eq!(loaded.stdout, format!("Loaded image: {reference}\n"));
        assert_eq!(again.images(), windlass.images());
        let copy = other.join("docker.tar");
        again.succeeds(&["save", "-o", text(&copy), &reference]);
        assert!(
            fs::read(&copy).unwrap() == fs::read(&docker).unwrap(),
            "{name}"
        );
        let tree = again.unpacked(&reference);
        shared.umoci_tree(Fixture::Whiteouts).assert_same(&tree);
    }
}

fn loaded(shared: &SharedState) {
    let reference = shared.reference(Fixture::Kinds, "gzip");
    let directory = shared.directory("skopeo-writes");
    let here = Windlass::new(&directory.join("here"));
    here.succeeds(&["pull", &reference]);
    for (number, form) in ["docker-archive", "oci-archive", "oci", "dir"]
        .into_iter()
        .enumerate()
    {
        let path = directory.join(form);
        let name = match form {
            "dir" => String::new(),
            _ => ":app:1".to_owned(),
        };
        skopeo(
            &format!("docker://{reference}"),
            &format!("{form}:{}{name}", path.display()),
        );
        let windlass = Windlass::new(&directory.join(format!("{number}")));
        windlass.succeeds(&["load", "-i", text(&path), "--name", "it:1"]);
        assert_eq!(windlass.images(), here.images(), "{form}");
        shared
            .windlass_tree(Fixture::Kinds)
            .assert_same(&windlass.unpacked("it:1"));
    }
}

/// The requests since `after` that uploaded or mounted blobs.
fn uploads(registry: &DockerRegistry, after: usize) -> Vec<String> {
    let requests = registry.requests().unwrap();
    let writes = requests[after..].iter().filter(|request| {
        let is_blob = request.path.contains("/blobs/uploads/");
        is_blob && matches!(&*request.method, "POST" | "PATCH" | "PUT")
    });
    writes
        .map(|request| format!("{} {}", request.method, request.status))
        .collect()
}

fn pushed(shared: &SharedState) {
    let reference = shared.reference(Fixture::Heavy, "gzip");
    let expected = digest(&format!("docker://{reference}"));
    let directory = shared.directory("pushed");
    let registry = DockerRegistry::start(&directory.join("registry"), RegistryAuth::Basic).unwrap();
    let host = registry.address().to_string();
    let windlass = Windlass::new(&directory);
    windlass.succeeds(&["pull", &reference]);
    let name = format!("{host}/a/heavy:1");
    windlass.succeeds(&["tag", &reference, &name]);

    let refused = windlass.run(&["push", &name]);
    insta::assert_snapshot!(windlass.show(&refused, &[(&host, "registry.test")]), @r"
    exit: 1
    --- stderr
    error: pushing registry.test/a/heavy:1: blob sha256:[digest] of a/heavy at http://registry.test: authentication required
    hint: check the name; if the repository is private, log in with `windlass login registry.test`
    ");
    log_in(&directory, &host, &format!("{USER}:{PASSWORD}"));
    let pushed = windlass.succeeds(&["push", &name]);
    assert_eq!(pushed.stdout, format!("{host}/a/heavy@{expected}\n"));

    // The second push sends nothing. The registry mounts the blobs in another repository.
    let seen = || registry.requests().unwrap().len();
    let before = seen();
    windlass.succeeds(&["push", &name]);
    assert_eq!(uploads(&registry, before), [""; 0]);
    let other = format!("{host}/b/heavy:1");
    windlass.succeeds(&["tag", &reference, &other]);
    let before = seen();
    windlass.succeeds(&["push", &other]);
    let uploads = uploads(&registry, before);
    let mounted = uploads
        .iter()
        .filter(|request| *request == "POST 201")
        .count();
    assert!(mounted >= 2, "{uploads:?}");

    let fresh = Windlass::new(&directory.join("fresh"));
    log_in(
        &directory.join("fresh"),
        &host,
        &format!("{USER}:{PASSWORD}"),
    );
    fresh.succeeds(&["pull", &other]);
    assert_eq!(fresh.images(), windlass.images());

    // In chunks, and from one registry to another without a store.
    let pieces = format!("{host}/c/heavy:1");
    let copied = windlass.succeeds(&["copy", &reference, &pieces]);
    assert_eq!(copied.stdout.trim(), expected);
    let chunked = format!("{host}/d/heavy:1");
    let empty = Windlass::new(&directory.join("empty"));
    log_in(
        &directory.join("empty"),
        &host,
        &format!("{USER}:{PASSWORD}"),
    );
    empty.succeeds(&["pull", &reference]);
    empty.succeeds(&["tag", &reference, &chunked]);
    let before = seen();
    empty.succeeds(&["push", "--chunk-size", "300kB", &chunked]);
    let patches = registry.requests().unwrap()[before..]
        .iter()
        .filter(|request| request.method == "PATCH")
        .count();
    assert!(patches > 4, "{patches} pieces");
}

fn pushed_by_token(shared: &SharedState) {
    let reference = shared.reference(Fixture::Heavy, "gzip");
    let directory = shared.directory("token-push");
    let server = TokenServer::builder().start().unwrap();
    let registry = DockerRegistry::builder(&directory.join("registry"))
        .access(RegistryAuth::Tokens(server.authority()))
        .start()
        .unwrap();
    let host = registry.address().to_string();
    let windlass = Windlass::new(&directory);
    windlass.succeeds(&["pull", &reference]);
    log_in(&directory, &host, &format!("{USER}:{PASSWORD}"));
    for repository in ["one", "two"] {
        let name = format!("{host}/{repository}/heavy:1");
        windlass.succeeds(&["tag", &reference, &name]);
        windlass.succeeds(&["push", &name]);
    }
    let mut uploads = uploads(&registry, 0);
    uploads.sort();
    // The second repository mounts the layers of the first one, and gets a config of its own.
    let mounts = ["POST 201"; 2].as_slice();
    let expected = [&["PATCH 202"; 2], mounts, &["POST 202"; 4], &["PUT 201"; 4]].concat();
    assert_eq!(uploads, expected);
}

/// Copies an index through every kind of place; the result is the index it was.
fn copied(shared: &SharedState) {
    let reference = shared.reference(Fixture::MultiArch, "both");
    let expected = digest(&format!("docker://{reference}"));
    let directory = shared.directory("copied");
    let registry = DockerRegistry::start(&directory.join("registry"), RegistryAuth::Open).unwrap();
    let windlass = Windlass::new(&directory);
    let place = |scheme: &str, name: &str| format!("{scheme}:{}", directory.join(name).display());
    let way = [
        format!("docker://{reference}"),
        place("oci", "layout") + ":all",
        place("oci-archive", "all.tar.gz"),
        place("dir", "dir"),
        place("docker-archive", "all.tar"),
        format!("docker://{}/far/away:1", registry.address()),
    ];
    for (from, to) in way.iter().zip(&way[1..]) {
        let copied = windlass.succeeds(&["copy", "--all", from, to]);
        assert_eq!(copied.stdout.trim(), expected, "{from} to {to}");
    }
    assert_eq!(digest(way.last().unwrap()), expected);

    // The copy of one platform is the manifest in the index.
    let arm = place("oci", "arm");
    let copied = windlass.succeeds(&["copy", "--platform", "linux/arm64", &way[2], &arm]);
    let index = fs::read(directory.join("layout/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["manifests"][0]["digest"], expected.as_str());
    let blob = expected.replace(':', "/");
    let index = fs::read(directory.join("layout/blobs").join(blob)).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let entries = index["manifests"].as_array().unwrap();
    let entry = entries
        .iter()
        .find(|entry| entry["platform"]["architecture"] == "arm64");
    assert_eq!(entry.unwrap()["digest"], copied.stdout.trim());
}

/// skopeo and windlass write the same files, except for the lists; umoci finds the image in those of windlass.
fn same_bytes(shared: &SharedState) {
    let reference = shared.reference(Fixture::Whiteouts, "gzip");
    let directory = shared.directory("same-bytes");
    let windlass = Windlass::new(&directory);
    let from = format!("docker://{reference}");
    for (form, blobs) in [("oci", "blobs/sha256"), ("dir", "")] {
        let (ours, theirs) = (
            directory.join(form),
            directory.join(format!("skopeo-{form}")),
        );
        let tag = if form == "oci" { ":it" } else { "" };
        windlass.succeeds(&["copy", &from, &format!("{form}:{}{tag}", ours.display())]);
        skopeo(&from, &format!("{form}:{}{tag}", theirs.display()));
        let files = |top: &Path| {
            let entries = fs::read_dir(top.join(blobs)).unwrap();
            let files = entries.map(|entry| entry.unwrap().path());
            let mut files: Vec<_> = files
                .map(|path| {
                    (
                        path.file_name().unwrap().to_owned(),
                        fs::read(&path).unwrap(),
                    )
                })
                .collect();
            files.sort();
            files
        };
        let (ours, theirs) = (files(&ours), files(&theirs));
        let names = |files: &[(std::ffi::OsString, Vec<u8>)]| {
            files
                .iter()
                .map(|(name, _)| name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&ours), names(&theirs), "{form}");
        assert!(ours == theirs, "{form}: other bytes");
    }
    let bundle = directory.join("bundle");
    let image = format!("{}:it", directory.join("oci").display());
    run(command("umoci")
        .args(["unpack", "--image", &image])
        .arg(&bundle))
    .unwrap();
    let tree = windlass_testing::TreeSnapshot::of(bundle.join("rootfs")).unwrap();
    shared.umoci_tree(Fixture::Whiteouts).assert_same(&tree);
}

/// Debian's registry has no referrers API: the copies use the fallback tag.
fn referrers(shared: &SharedState) {
    let reference = shared.reference(Fixture::Heavy, "gzip");
    let directory = shared.directory("referrers");
    let windlass = Windlass::new(&directory);
    let [first, second] = ["first", "second"]
        .map(|name| DockerRegistry::start(&directory.join(name), RegistryAuth::Open).unwrap());
    // An artifact about the image, in a layout, as ORAS and cosign store it.
    let layout = directory.join("layout");
    let place = format!("oci:{}:it", layout.display());
    windlass.succeeds(&["copy", &format!("docker://{reference}"), &place]);
    let subject = digest(&place);
    let put = |bytes: &[u8]| {
        let digest = windlass::image::Digest::sha256(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        digest
    };
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let statement = b"{\"it\":\"is fine\"}";
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "artifactType": "application/example",
        "config": windlass_testing::descriptor("application/vnd.oci.empty.v1+json", put(b"{}"), 2),
        "layers": [windlass_testing::descriptor("application/json", put(statement), statement.len() as u64)],
        "subject": { "mediaType": manifest_type, "digest": subject, "size": 1 },
    })
    .to_string();
    let artifact = put(manifest.as_bytes());
    let index = layout.join("index.json");
    let mut list: Value = serde_json::from_slice(&fs::read(&index).unwrap()).unwrap();
    let entry = windlass_testing::descriptor(manifest_type, artifact, manifest.len() as u64);
    list["manifests"].as_array_mut().unwrap().push(entry);
    fs::write(&index, list.to_string()).unwrap();

    let name = |registry: &DockerRegistry| format!("docker://{}/app:1", registry.address());
    let way = [
        place,
        name(&first),
        name(&second),
        format!("oci:{}:it", directory.join("last").display()),
    ];
    for (from, to) in way.iter().zip(&way[1..]) {
        let copied = windlass.succeeds(&["copy", "--json", "--referrers", from, to]);
        let copied: Value = serde_json::from_str(&copied.stdout).unwrap();
        assert_eq!(copied["artifacts"], 1, "{from} to {to}");
        assert_eq!(digest(to), subject, "{to}");
    }
    let by_digest = format!("docker://{}/app@{artifact}", second.address());
    assert_eq!(digest(&by_digest), artifact.to_string());
    let fallback = format!(
        "docker://{}/app:{}",
        second.address(),
        subject.replace(':', "-")
    );
    let listed = run(command("skopeo")
        .args([
            "--insecure-policy",
            "inspect",
            "--tls-verify=false",
            "--raw",
        ])
        .arg(&fallback))
    .unwrap();
    let listed: Value = serde_json::from_slice(listed.as_ref()).unwrap();
    assert_eq!(listed["manifests"][0]["digest"], artifact.to_string());
    assert_eq!(
        listed["manifests"][0]["artifactType"],
        "application/example"
    );
}

//! `windlass bundle`: images as runtime bundles, and the cleanup after failures.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use windlass_testing::{ImageBuilder, LayerBuilder, Registry};

use crate::harness::{PLATFORM, Windlass};

fn root() -> LayerBuilder {
    LayerBuilder::new()
        .dir("./")
        .dir("etc/")
        .file(
            "etc/passwd",
            "root:x:0:0::/root:/bin/sh\nbob:x:7:8::/home/bob:/bin/sh\n",
        )
        .file("etc/group", "root:x:0:\nfleet:x:9:bob\n")
        .dir("data/")
        .file("data/seed", "seed\n")
}

/// An image of `layer` with this `config`, pulled as `app:1`.
fn pulled(layer: LayerBuilder, config: &Value) -> (Registry, Windlass, String) {
    let registry = Registry::start();
    let image = ImageBuilder::new().platform(PLATFORM).layer(layer);
    let image = image.config(|document| document["config"] = config.clone());
    registry.push(image, "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.pull(&name);
    (registry, windlass, name)
}

fn spec(windlass: &Windlass, bundle: &str) -> Value {
    let text = fs::read(windlass.path(bundle).join("config.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn an_image_is_bundled_once() {
    let config = json!({ "Cmd": ["/bin/sh"], "Env": ["A=1"], "Volumes": { "/data": {} } });
    let (_registry, windlass, name) = pulled(root(), &config);
    let runs = [
        windlass.run(["bundle", &name, "a box"]),
        windlass.run(["bundle", &name, "a box"]),
        windlass.run(["bundle", "missing", "other"]),
        windlass.run(["bundle", &name, "no/such/box"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 0
    --- stdout
    runc run --bundle 'a box' app
    --- stderr
    Bundled registry.test/app:1 into a box: 1 layer, 6 entries, 84 B. To start it:

    exit: 1
    --- stderr
    error: bundling registry.test/app:1: a box is not empty
    hint: choose a directory that is empty or does not exist

    exit: 1
    --- stderr
    error: no such image: missing
    hint: list the local images with `windlass images`

    exit: 1
    --- stderr
    error: bundling registry.test/app:1: cannot create no/such/box: No such file or directory (os error 2)
    hint: create the parent directory first: `mkdir -p no/such`
    ");
    let names = |path: &str| -> Vec<_> {
        let entries = fs::read_dir(windlass.path(path)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names("a box"), ["config.json", "rootfs"]);
    assert_eq!(names("a box/rootfs"), ["data", "etc"]);
    let mode = |path: &str| {
        fs::metadata(windlass.path(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("a box") & 0o777, 0o700);
    assert_eq!(mode("a box/rootfs") & 0o777, 0o755);
    let process = &spec(&windlass, "a box")["process"];
    assert_eq!(process["args"], json!(["/bin/sh"]));
    assert_eq!(process["env"][0], "A=1");
    assert_eq!(process["env"][2], "HOME=/root");
}

#[test]
fn options_override_the_config_of_the_image() {
    let config = json!({ "Entrypoint": ["/init"], "Cmd": ["a"], "Env": ["A=1", "B=2"], "User": "bob",
        "WorkingDir": "/srv", "Volumes": { "/data": {} } });
    let (_registry, windlass, name) = pulled(root(), &config);
    windlass.stdout([
        "bundle",
        "-e",
        "A=3",
        "--env=C=",
        "-u",
        "0:0",
        "-w",
        "/tmp",
        "--hostname",
        "ship",
        "-t",
        "--volumes",
        "rootfs",
        "--rootless",
        &name,
        "box",
        "--",
        "-x",
        "--json",
    ]);
    let spec = spec(&windlass, "box");
    let process = &spec["process"];
    assert_eq!(process["args"], json!(["/init", "-x", "--json"]));
    let env = process["env"].as_array().unwrap();
    assert_eq!(env[..3], [json!("B=2"), json!("A=3"), json!("C=")]);
    assert_eq!(process["cwd"], "/tmp");
    assert_eq!(process["terminal"], true);
    assert_eq!(spec["hostname"], "ship");
    assert_eq!(process["user"], json!({ "uid": 0, "gid": 0 }));
    assert_eq!(spec["linux"]["uidMappings"][0]["containerID"], 0);
    let mounts = spec["mounts"].as_array().unwrap();
    assert!(mounts.iter().all(|mount| mount["destination"] != "/data"));
}

#[test]
fn programs_get_all_of_it_as_json() {
    let config = json!({ "Cmd": ["/bin/sh"], "Env": ["A"], "Labels": { "run.oci.hooks": "/x" },
        "Volumes": { "/proc": {}, "/etc/passwd": {}, "data": {} } });
    let (_registry, windlass, name) = pulled(root(), &config);
    insta::assert_snapshot!(windlass.run(["bundle", "--json", &name, "box"]), @r#"
    exit: 0
    --- stdout
    {"bundle":"[dir]/box","config":"[dir]/box/config.json","image_id":"sha256:[digest]","platform":"linux/amd64","args":["/bin/sh"],"layers":1,"entries":6,"size":84,"warnings":["the image's volume \"/etc/passwd\" is left out: the image has no directory there","the image's volume \"/proc\" is left out: the system provides this path","the image's volume \"data\" is left out: it is not an absolute path without `..` below /","the image's variable \"A\" is left out: it is not of the form NAME=value","the image's label \"run.oci.hooks\" is left out: a runtime could treat it as an instruction"],"run":["runc","run","--bundle","[dir]/box","app"]}
    "#);
    insta::assert_snapshot!(windlass.run(["bundle", &name, "other"]), @r#"
    exit: 0
    --- stdout
    runc run --bundle other app
    --- stderr
    warning: the image's volume "/etc/passwd" is left out: the image has no directory there
    warning: the image's volume "/proc" is left out: the system provides this path
    warning: the image's volume "data" is left out: it is not an absolute path without `..` below /
    warning: the image's variable "A" is left out: it is not of the form NAME=value
    warning: the image's label "run.oci.hooks" is left out: a runtime could treat it as an instruction
    Bundled registry.test/app:1 into other: 1 layer, 6 entries, 84 B. To start it:
    "#);
}

/// Nothing is left behind, including what had been unpacked already.
#[test]
fn failed_bundles_leave_nothing_behind() {
    let cases = [
        (root(), json!({})),
        (root(), json!({ "Cmd": ["a\0b"] })),
        (root(), json!({ "Cmd": ["a"], "WorkingDir": "srv" })),
        (root(), json!({ "Cmd": ["a"], "User": "eve" })),
        (root(), json!({ "Cmd": ["a"], "User": "0:crew" })),
        (root(), json!({ "Cmd": ["a"], "User": "1:2:3" })),
        (root(), json!({ "Cmd": ["a"], "User": "-1" })),
    ];
    let mut runs = String::new();
    for (layer, config) in cases {
        let (_registry, windlass, name) = pulled(layer, &config);
        runs += &windlass.run(["bundle", &name, "box"]);
        assert!(!windlass.path("box").exists());
        // A directory that existed before is empty again.
        fs::create_dir(windlass.path("box")).unwrap();
        windlass.run(["bundle", &name, "box"]);
        assert_eq!(fs::read_dir(windlass.path("box")).unwrap().count(), 0);
    }
    insta::assert_snapshot!(runs, @r#"
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the image has no command
    hint: give a command after `--`, such as `-- /bin/sh`
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the command contains a NUL character
    hint: override it with --entrypoint or --cwd
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the working directory "srv" is not absolute
    hint: override it with an absolute path, such as --cwd /
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the image has no user "eve"
    hint: choose another user, such as --user 0 or --user 1000:1000
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the image has no group "crew"
    hint: choose another user, such as --user 0 or --user 1000:1000
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: "1:2:3" is not a user: expected USER or USER:GROUP, by name or number
    hint: choose another user, such as --user 0 or --user 1000:1000
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the image has no user "-1"
    hint: choose another user, such as --user 0 or --user 1000:1000
    "#);
}

#[test]
fn a_bundle_is_for_the_given_platform_and_user() {
    let (_registry, windlass, name) = pulled(root(), &json!({ "Cmd": ["a"], "User": "bob" }));
    let runs = [
        windlass.run(["bundle", "--platform", "linux/s390x", &name, "box"]),
        windlass.run(["bundle", "--rootless", &name, "box"]),
        windlass.run(["bundle", "--env", "A", &name, "box"]),
        windlass.run(["bundle", "--hostname", "a b", &name, "box"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the stored image is for linux/amd64, not for linux/s390x
    hint: pull that platform: `windlass pull --platform linux/s390x registry.test/app:1`

    exit: 1
    --- stderr
    error: bundling registry.test/app:1: the container would run as user 7 and group 8, but a rootless bundle has only user 0 and group 0
    hint: use --user 0 to run as the current user, or create and start the bundle as root

    exit: 2
    --- stderr
    error: --env "A": not of the form NAME=value

    exit: 2
    --- stderr
    error: --hostname "a b": not a host name: expected at most 64 letters, digits, '-' and '.', not beginning or ending with '-' or '.'
    "#);
    windlass.stdout([
        "bundle",
        "--platform",
        PLATFORM,
        "--rootless",
        "--user",
        "0",
        &name,
        "box",
    ]);
}

//! Bundles that `runc` starts, as root and as another user, and those that `umoci` makes of the same configs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use windlass_testing::LayerBuilder;
use windlass_testing::real::{self, LayerCompression, OciLayout, run};

use crate::Case;
use crate::command::{Ran, Windlass};
use crate::requirements::{BUNDLES, RUNTIME};
use crate::shared_state::SharedState;

/// The user `nobody` of every Linux system.
const UNPRIVILEGED: u32 = 65534;

const PASSWD: &str =
    "root:x:0:0:root:/root:/bin/sh\nsailor:x:1000:100:Sailor:/home/sailor:/bin/sh\n";
const GROUP: &str =
    "root:x:0:root\nwheel:x:10:root\nusers:x:100:\ncrew:x:2000:sailor\nfleet:x:2001:\n";

/// A script that prints the state of its container.
const REPORT: &str = r#"
echo "$0" "$@"
echo "id $(id -u):$(id -g) $(id -G)"
echo "in $(pwd) on $(hostname)"
env | grep -v -e ^PWD= -e ^SHLVL= | sort
grep -e ^NoNewPrivs -e ^CapEff /proc/self/status
ls -ln /data | grep -v ^total | while read mode links uid gid rest; do echo "data $mode $uid:$gid ${rest##* }"; done
echo new > /data/new && cat /data/*
(echo kept > /kept) 2>/dev/null || echo "/ is not its own"
mkdir /sys/x /proc/sys/x 2>/dev/null || echo "the kernel is out of reach"
"#;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "bundles::runc_starts_the_command_of_the_image",
        needs: RUNTIME,
        test: started,
    },
    Case {
        name: "bundles::runc_starts_one_without_root",
        needs: RUNTIME,
        test: started_without_root,
    },
    Case {
        name: "bundles::a_config_matches_the_one_of_umoci",
        needs: BUNDLES,
        test: same_as_judged,
    },
];

/// Writes a layout with an image of one layer, tagged `it`, and returns its path.
fn layout(directory: &Path, layer: &LayerBuilder, config: &Value) -> PathBuf {
    let dir = directory.join("layout");
    let mut layout = OciLayout::create(&dir).unwrap();
    let tar = directory.join("layer.tar");
    fs::write(&tar, layer.tar()).unwrap();
    let layer = layout.add_layer(&tar, LayerCompression::Gzip).unwrap();
    let image = layout.add_image_with("amd64", &[layer], config).unwrap();
    layout.tag("it", &image).unwrap();
    dir
}

fn accounts() -> LayerBuilder {
    LayerBuilder::new()
        .dir("./")
        .dir("etc/")
        .file("etc/passwd", PASSWD)
        .file("etc/group", GROUP)
        .dir("data/")
        .mode(0o750)
        .owner(1000, 100)
        .file("data/seed", "seed\n")
        .owner(1000, 100)
}

/// The same with a shell.
fn system() -> LayerBuilder {
    let busybox = real::find("busybox").expect("the test needs it");
    let mut layer = accounts()
        .dir("bin/")
        .file("bin/busybox", fs::read(busybox).unwrap())
        .mode(0o755);
    for applet in [
        "sh", "id", "env", "grep", "sort", "ls", "cat", "hostname", "mkdir",
    ] {
        layer = layer.symlink(format!("bin/{applet}"), "busybox");
    }
    layer
}

fn config() -> Value {
    json!({
        "User": "sailor",
        "Env": ["PATH=/bin", "GREETING=ahoy"],
        "Entrypoint": ["/bin/sh", "-c", REPORT],
        "Cmd": ["report", "a b"],
        "WorkingDir": "/srv/work",
        "Volumes": { "/data": {} },
    })
}

/// Runs the command that `windlass bundle` printed, as the given user.
fn start(ran: &Ran, state: &Path, user: Option<u32>) -> Ran {
    let words: Vec<_> = ran.stdout.trim_end().split(' ').collect();
    assert_eq!(words[..3], ["runc", "run", "--bundle"], "{ran:#?}");
    let runc = real::find("runc").expect("the test needs it");
    let mut command = match user {
        None => Command::new(runc),
        Some(user) => {
            let mut setpriv = Command::new("setpriv");
            setpriv
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .arg("--clear-groups")
                .arg(runc);
            setpriv
        }
    };
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .arg("--root")
        .arg(state)
        .args(&words[1..])
        .stdin(Stdio::null());
    Ran::from(command.output().unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn started(shared: &SharedState) {
    let directory = shared.directory("bundle");
    let layout = layout(&directory, &system(), &config());
    let windlass = Windlass::new(&directory);
    windlass.succeeds(&["load", "--input", text(&layout), "--name", "report:1"]);
    let bundle = directory.join("box");
    let ran = windlass.succeeds(&["bundle", "report:1", text(&bundle)]);

    let first = start(&ran, &directory.join("state"), None);

    assert_eq!(
        (first.code, first.stderr.as_str()),
        (Some(0), ""),
        "{first:#?}"
    );
    insta::assert_snapshot!(first.stdout, @r"
    report a b
    id 1000:100 100 2000
    in /srv/work on windlass
    GREETING=ahoy
    HOME=/home/sailor
    PATH=/bin
    CapEff:	0000000000000000
    NoNewPrivs:	1
    data -rw-r--r-- 1000:100 seed
    new
    seed
    / is not its own
    the kernel is out of reach
    ");
    assert!(!bundle.join("rootfs/data/new").exists());

    // The volume is new each time; as root, files outside of volumes stay.
    let bundle = directory.join("root");
    let arguments = [
        "bundle",
        "--user",
        "0",
        "--hostname",
        "ship",
        "--volumes",
        "rootfs",
        "--env",
        "GREETING=hello",
    ];
    let arguments = [&arguments[..], &["report:1", text(&bundle), "--", "other"]].concat();
    let ran = windlass.succeeds(&arguments);

    let root = start(&ran, &directory.join("state"), None);

    assert_eq!(
        (root.code, root.stderr.as_str()),
        (Some(0), ""),
        "{root:#?}"
    );
    insta::assert_snapshot!(root.stdout, @r"
    other
    id 0:0 0 10
    in /srv/work on ship
    GREETING=hello
    HOME=/root
    PATH=/bin
    CapEff:	00000000800405fb
    NoNewPrivs:	1
    data -rw-r--r-- 1000:100 seed
    new
    seed
    the kernel is out of reach
    ");
    assert!(bundle.join("rootfs/data/new").exists());
    assert_eq!(
        fs::read_to_string(bundle.join("rootfs/kept")).unwrap(),
        "kept\n"
    );
}

/// The bundle needs neither `newuidmap` nor a range of IDs. (The name differs from that of the other test: containers
/// of one name share a control group, wherever runc keeps their states.)
fn started_without_root(_world: &SharedState) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("windlass");
    fs::copy(env!("CARGO_BIN_EXE_windlass"), &program).unwrap();
    let layout = layout(directory.path(), &system(), &config());
    run(Command::new("chown")
        .args(["--recursive", &UNPRIVILEGED.to_string()])
        .arg(directory.path()))
    .unwrap();
    let windlass = Windlass::new(directory.path()).by(UNPRIVILEGED, program);
    windlass.succeeds(&["load", "--input", text(&layout), "--name", "own-report:1"]);
    let bundle = directory.path().join("box");

    let refused = windlass.run(&["bundle", "own-report:1", text(&bundle)]);
    insta::assert_snapshot!(windlass.show(&refused, &[]), @r"
    exit: 1
    --- stderr
    error: bundling own-report:1: the container would run as user 1000 and group 100, but a rootless bundle has only user 0 and group 0
    hint: use --user 0 to run as the current user, or create and start the bundle as root
    ");
    let ran = windlass.succeeds(&["bundle", "--user", "0", "own-report:1", text(&bundle)]);
    let started = start(&ran, &directory.path().join("state"), Some(UNPRIVILEGED));

    assert_eq!(
        (started.code, started.stderr.as_str()),
        (Some(0), ""),
        "{started:#?}"
    );
    insta::assert_snapshot!(started.stdout, @r"
    report a b
    id 0:0 0
    in /srv/work on windlass
    GREETING=ahoy
    HOME=/root
    PATH=/bin
    CapEff:	00000000800405fb
    NoNewPrivs:	1
    data -rw-r--r-- 0:0 seed
    new
    seed
    the kernel is out of reach
    ");
}

/// The parts of a runtime's config that come from the image.
#[derive(Debug, PartialEq, Eq)]
struct FromImage {
    args: Value,
    cwd: Value,
    ids: (Value, Value, BTreeSet<u64>),
    env: BTreeSet<String>,
    annotations: BTreeMap<String, Value>,
    volumes: BTreeSet<String>,
}

impl FromImage {
    fn of(bundle: &Path, config: &Value) -> Self {
        let spec = fs::read(bundle.join("config.json")).unwrap();
        let spec: Value = serde_json::from_slice(&spec).unwrap();
        let process = &spec["process"];
        let user = &process["user"];
        let gids = user["additionalGids"].as_array().into_iter().flatten();
        let env = process["env"].as_array().unwrap().iter();
        let env = env.map(|variable| variable.as_str().unwrap().to_owned());
        let annotations = spec["annotations"].as_object().unwrap().clone();
        let mounts = spec["mounts"].as_array().unwrap().iter();
        let mounts = mounts.map(|mount| mount["destination"].as_str().unwrap().to_owned());
        Self {
            args: process["args"].clone(),
            cwd: process["cwd"].clone(),
            ids: (
                user["uid"].clone(),
                user["gid"].clone(),
                gids.map(|gid| gid.as_u64().unwrap()).collect(),
            ),
            // umoci always configures a terminal, and for users without a home directory `/`.
            env: env
                .filter(|variable| !matches!(variable.as_str(), "TERM=xterm" | "HOME=/"))
                .collect(),
            // umoci writes empty annotations for missing values.
            annotations: { annotations.into_iter() }
                .filter(|(_, value)| *value != "")
                .collect(),
            volumes: mounts
                .filter(|mount| config["Volumes"].get(mount.as_str()).is_some())
                .collect(),
        }
    }
}

fn same_as_judged(shared: &SharedState) {
    let users = [
        "",
        "0",
        "root",
        "sailor",
        "1000",
        "sailor:fleet",
        "sailor:7",
        "4711",
        "4711:crew",
    ];
    let mut configs: Vec<_> = users
        .iter()
        .map(|user| json!({ "User": user, "Cmd": ["/bin/sh"] }))
        .collect();
    configs.push(json!({
        // No HOME: umoci overwrites it, which a converter should not.
        "Env": ["A=b=c", "PATH=/bin"],
        "Entrypoint": ["/init", "--"],
        "Cmd": ["a", ""],
        "WorkingDir": "/srv/../work",
        "Volumes": { "/data": {}, "/var/lib/more": {} },
        "ExposedPorts": { "80/tcp": {}, "53/udp": {} },
        "StopSignal": "SIGQUIT",
        "Labels": { "org.example.key": "value" },
    }));
    for config in &configs {
        let directory = shared.directory("bundle-expected");
        let layout = layout(&directory, &accounts(), config);
        let expected = directory.join("expected");
        run(real::command("umoci")
            .args(["unpack", "--image", &format!("{}:it", layout.display())])
            .arg(&expected))
        .unwrap();
        let windlass = Windlass::new(&directory);
        windlass.succeeds(&["load", "--input", text(&layout), "--name", "app:1"]);
        let bundle = directory.join("bundle");

        windlass.succeeds(&["bundle", "app:1", text(&bundle)]);

        let [expected, ours] = [expected, bundle].map(|bundle| FromImage::of(&bundle, config));
        assert_eq!(ours, expected, "{config}");
    }
}

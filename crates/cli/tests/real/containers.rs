//! Stores in containers: on an overlay file system, without `CAP_SYS_ADMIN`, and as root of a user namespace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use windlass_testing::LayerBuilder;
use windlass_testing::real::{LayerCompression, OciLayout, run};

use crate::Case;
use crate::command::{Ran, Windlass};
use crate::requirements::CONTAINERS;
use crate::shared_state::SharedState;

pub(crate) const CASES: &[Case] = &[Case {
    name: "containers::every_store_has_the_same_images",
    needs: CONTAINERS,
    test: same_everywhere,
}];

/// The user `nobody` of every Linux system.
const UNPRIVILEGED: &str = "65534";

/// The capabilities of `docker run`.
const CAPABILITIES: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
    +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Where a store is, and how its commands are started.
struct Surroundings {
    name: &'static str,
    prefix: &'static [&'static str],
    /// Whether an overlay mount cannot show its layers.
    is_unusual: bool,
}

const ALL: [Surroundings; 4] = [
    Surroundings {
        name: "plain",
        prefix: &[],
        is_unusual: false,
    },
    Surroundings {
        name: "overlay",
        prefix: &[],
        is_unusual: true,
    },
    Surroundings {
        name: "capabilities",
        prefix: &[
            "setpriv",
            "--bounding-set",
            CAPABILITIES,
            "--inh-caps",
            CAPABILITIES,
        ],
        is_unusual: true,
    },
    Surroundings {
        name: "user namespace",
        prefix: &[
            "setpriv",
            "--reuid",
            UNPRIVILEGED,
            "--regid",
            UNPRIVILEGED,
            "--clear-groups",
            "unshare",
            "--map-root-user",
            "--mount",
        ],
        is_unusual: true,
    },
];

/// Whiteouts of files, of a directory and of nothing, and opaque directories.
fn layout(directory: &Path) -> PathBuf {
    let base = LayerBuilder::new()
        .dir("etc/")
        .file("etc/kept", "kept")
        .file("etc/gone", "gone")
        .dir("old/")
        .file("old/deep", "deep")
        .dir("opaque/")
        .file("opaque/below", "below");
    let top = LayerBuilder::new()
        .whiteout("etc/gone")
        .whiteout("old")
        .whiteout("never")
        .opaque("opaque")
        .file("opaque/above", "above")
        .file("etc/empty", "");
    let dir = directory.join("layout");
    let mut layout = OciLayout::create(&dir).unwrap();
    let layers = [("base", base), ("top", top)].map(|(name, layer)| {
        let tar = directory.join(name);
        fs::write(&tar, layer.tar()).unwrap();
        layout.add_layer(&tar, LayerCompression::Gzip).unwrap()
    });
    let image = layout.add_image_with("amd64", &layers, &json!({})).unwrap();
    layout.tag("it:1", &image).unwrap();
    dir
}

impl Surroundings {
    /// Makes the directory of the store, which the user of the commands owns.
    fn directory(&self, shared: &SharedState) -> PathBuf {
        let top = shared.directory(&format!("containers-{}", self.name.replace(' ', "-")));
        let store = top.join("home");
        fs::create_dir(&store).unwrap();
        if self.name == "overlay" {
            for part in ["lower", "upper", "work"] {
                fs::create_dir(top.join(part)).unwrap();
            }
            let part = |name: &str| top.join(name).display().to_string();
            let options = format!(
                "lowerdir={},upperdir={},workdir={}",
                part("lower"),
                part("upper"),
                part("work")
            );
            let mount = ["-t", "overlay", "overlay", "-o", &options];
            run(Command::new("mount").args(mount).arg(&store)).unwrap();
        }
        store
    }

    /// Runs the command in these surroundings.
    fn run(&self, windlass: &Windlass, arguments: &[&str]) -> Ran {
        let command = windlass.command(arguments);
        let [first, rest @ ..] = self.prefix else {
            return windlass.run(arguments);
        };
        let mut wrapped = Command::new(first);
        wrapped
            .args(rest)
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear()
            .current_dir("/");
        for (name, value) in command.get_envs() {
            wrapped.env(name, value.unwrap_or_default());
        }
        Ran::from(wrapped.output().unwrap())
    }
}

fn same_everywhere(shared: &SharedState) {
    let images = shared.directory("containers-images");
    let layout = layout(&images);
    let mut exported = Vec::new();
    for surroundings in ALL {
        let name = surroundings.name;
        let home = surroundings.directory(shared);
        let layout = copy(&layout, &home);
        let program = home.join("windlass");
        fs::copy(env!("CARGO_BIN_EXE_windlass"), &program).unwrap();
        if surroundings.prefix.contains(&"unshare") {
            let owner = format!("{UNPRIVILEGED}:{UNPRIVILEGED}");
            run(Command::new("chown").args(["-R", &owner]).arg(&home)).unwrap();
        }
        let windlass = Windlass::new(&home).with_program(program);
        let succeeds = |arguments: &[&str]| {
            let ran = surroundings.run(&windlass, arguments);
            assert_eq!(ran.code, Some(0), "{name}: {arguments:?}: {ran:#?}");
        };
        succeeds(&["load", "--quiet", "--input", layout.to_str().unwrap()]);
        let tar = home.join("it.tar");
        succeeds(&["export", "--output", tar.to_str().unwrap(), "it:1"]);
        exported.push((name, fs::read(&tar).unwrap()));
        let tree = home.join("tree");
        succeeds(&["unpack", "it:1", tree.to_str().unwrap()]);
        let exists = |path: &str| tree.join(path).symlink_metadata().is_ok();
        let expected = ["etc/kept", "etc/empty", "opaque/above"];
        let hidden = ["etc/gone", "old", "never", "opaque/below"];
        assert_eq!(expected.map(exists), [true; 3], "{name}");
        assert_eq!(hidden.map(exists), [false; 4], "{name}");

        let format = fs::read_to_string(home.join("store/format")).unwrap();
        let number = if surroundings.is_unusual { 2 } else { 1 };
        assert_eq!(format, format!("windlass store {number}\n"), "{name}");
        if surroundings.is_unusual && !surroundings.prefix.contains(&"unshare") {
            // Root of the host could mount it, and would see what is hidden.
            let at = home.join("mnt");
            fs::create_dir(&at).unwrap();
            let refused = windlass.run(&["mount", "it:1", at.to_str().unwrap()]);
            assert_eq!(refused.code, Some(1), "{name}: {refused:#?}");
            let reason = "without the rights for whiteouts";
            assert!(refused.stderr.contains(reason), "{name}: {refused:#?}");
        }
        if name == "overlay" {
            run(Command::new("umount").arg(&home)).unwrap();
        }
    }
    let (_, plain) = &exported[0];
    for (name, tar) in &exported {
        assert!(tar == plain, "{name}: the exported tar differs");
    }
}

/// Copies the layout to where the user of the store may read it.
fn copy(layout: &Path, home: &Path) -> PathBuf {
    let to = home.join("layout");
    run(Command::new("cp").arg("-r").arg(layout).arg(&to)).unwrap();
    to
}

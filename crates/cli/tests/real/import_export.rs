//! `import` and `export` compared with `tar`, `skopeo` and `umoci`.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use windlass_testing::TreeSnapshot;
use windlass_testing::real::{command, run};

use crate::Case;
use crate::command::Windlass;
use crate::fixture::Fixture;
use crate::requirements::{DEBIAN, Need, UMOCI};
use crate::shared_state::SharedState;

/// The user `nobody` of every Linux system.
const UNPRIVILEGED: u32 = 65534;

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "import_export::an_export_matches_umoci",
        needs: UMOCI,
        test: |shared| {
            for fixture in [Fixture::Kinds, Fixture::Whiteouts, Fixture::Repacked] {
                same_as_judged(shared, fixture);
            }
        },
    },
    Case {
        name: "import_export::an_export_of_a_debian_root_matches_umoci",
        needs: DEBIAN,
        test: |shared| same_as_judged(shared, Fixture::Debian),
    },
    Case {
        name: "import_export::an_ordinary_user_exports_the_same_bytes",
        needs: UMOCI,
        test: ordinary_user,
    },
    Case {
        name: "import_export::other_tools_read_imported_images",
        needs: UMOCI,
        test: imported,
    },
    Case {
        name: "import_export::pipes_from_tar_and_to_tar",
        needs: &[Need::Root, Need::Tools(&["tar", "zstd"])],
        test: piped,
    },
];

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Unpacks a tar with GNU tar.
fn untarred(tar: &Path, into: &Path) -> TreeSnapshot {
    fs::create_dir(into).unwrap();
    run(command("tar")
        .args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"])
        .arg(tar)
        .arg("-C")
        .arg(into))
    .unwrap();
    TreeSnapshot::of(into).unwrap()
}

/// An exported tree is the same after GNU tar unpacks it, and after it is imported and unpacked.
fn same_as_judged(shared: &SharedState, fixture: Fixture) {
    let expected = shared.umoci_tree(fixture);
    for tag in fixture.tags() {
        let directory = shared.directory(&format!("tars-{}-{tag}", fixture.repository()));
        let windlass = Windlass::new(&directory);
        let reference = shared.reference(fixture, tag);
        windlass.succeeds(&["pull", &reference]);
        let tar = directory.join("flat.tar");
        windlass.succeeds(&["export", "-o", text(&tar), &reference]);
        expected.assert_same(&untarred(&tar, &directory.join("tar")));
        windlass.succeeds(&["import", text(&tar), "flat:1"]);
        expected.assert_same(&windlass.unpacked("flat:1"));
        let again = directory.join("again.tar");
        windlass.succeeds(&["export", "-o", text(&again), "flat:1"]);
        assert!(fs::read(&again).unwrap() == fs::read(&tar).unwrap());
    }
}

/// The files of an ordinary user's store belong to that user; an export has the owners of the image.
fn ordinary_user(shared: &SharedState) {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("windlass");
    fs::copy(env!("CARGO_BIN_EXE_windlass"), &program).unwrap();
    run(std::process::Command::new("chown")
        .arg(UNPRIVILEGED.to_string())
        .arg(directory.path()))
    .unwrap();
    let user = Windlass::new(directory.path()).by(UNPRIVILEGED, program);
    let root = Windlass::new(&shared.directory("tars-by-root"));
    let reference = shared.reference(Fixture::Kinds, "gzip");
    let [as_user, as_root] = [user, root].map(|windlass| {
        windlass.succeeds(&["pull", &reference]);
        windlass.command(&["export", &reference]).output().unwrap()
    });
    assert!(as_user.status.success() && as_user.stdout.len() > 1024);
    assert!(as_user.stdout == as_root.stdout);
}

/// skopeo reads and umoci unpacks an imported image.
fn imported(shared: &SharedState) {
    let directory = shared.directory("tars-imported");
    let windlass = Windlass::new(&directory);
    let reference = shared.reference(Fixture::Kinds, "gzip");
    windlass.succeeds(&["pull", &reference]);
    for name in ["flat.tar", "flat.tar.gz", "flat.tar.zst"] {
        let tar = directory.join(name);
        windlass.succeeds(&["export", "-o", text(&tar), &reference]);
        let change = r#"ENTRYPOINT ["/app"]"#;
        windlass.succeeds(&[
            "import",
            "-c",
            change,
            "-c",
            "USER 1000:0",
            text(&tar),
            "flat:1",
        ]);
        let archive = directory.join(format!("{name}.oci"));
        windlass.succeeds(&[
            "save",
            "--format=oci-archive",
            "-o",
            text(&archive),
            "flat:1",
        ]);
        let place = format!("oci-archive:{}", archive.display());
        let config = run(command("skopeo").args(["inspect", "--config", &place])).unwrap();
        let config: serde_json::Value = serde_json::from_slice(config.as_ref()).unwrap();
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/app"]));
        assert_eq!(config["config"]["User"], "1000:0");
        assert_eq!(
            config["history"][0]["comment"],
            format!("Imported from {name}")
        );
        let layout = directory.join(format!("{name}.layout"));
        let layout = format!("{}:it", layout.display());
        run(command("skopeo")
            .args(["--insecure-policy", "copy", "--quiet", &place])
            .arg(format!("oci:{layout}")))
        .unwrap();
        // umoci does not support layers compressed with zstd.
        if name == "flat.tar.zst" {
            continue;
        }
        let bundle = directory.join(format!("{name}.bundle"));
        run(command("umoci")
            .args(["unpack", "--image", &layout])
            .arg(&bundle))
        .unwrap();
        let tree = TreeSnapshot::of(bundle.join("rootfs")).unwrap();
        shared.umoci_tree(Fixture::Kinds).assert_same(&tree);
    }
}

/// `tar -c | zstd | windlass import -`, and `windlass export | tar -x`.
fn piped(shared: &SharedState) {
    let directory = shared.directory("tars-piped");
    let windlass = Windlass::new(&directory);
    let tree = directory.join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    let long = "long-".repeat(40);
    fs::write(tree.join("a/b").join(&long), vec![7; 200_000]).unwrap();
    fs::hard_link(tree.join("a/b").join(&long), tree.join("a/link")).unwrap();
    std::os::unix::fs::symlink(format!("b/{long}"), tree.join("a/symlink")).unwrap();
    let holes = File::create(tree.join("holes")).unwrap();
    holes.set_len(3 << 20).unwrap();
    for arguments in [
        &["--format=gnu"][..],
        &["--format=pax", "--sparse"],
        &["--format=gnu", "--sparse", "--zstd"],
    ] {
        let mut tar = command("tar");
        tar.args(arguments).arg("-C").arg(&tree).args(["-c", "."]);
        let mut tar = tar.stdout(Stdio::piped()).spawn().unwrap();
        let mut import = windlass.command(&["import", "-q", "-", "piped:1"]);
        let import = import.stdin(tar.stdout.take().unwrap()).output().unwrap();
        assert!(
            tar.wait().unwrap().success() && import.status.success(),
            "{import:?}"
        );
        let mut export = windlass.command(&["export", "piped:1"]);
        let mut export = export.stdout(Stdio::piped()).spawn().unwrap();
        let out = directory.join(format!("out-{}", arguments.join("")));
        fs::create_dir(&out).unwrap();
        let mut untar = command("tar");
        let untar = untar.arg("-xpC").arg(&out);
        let untar = untar.stdin(export.stdout.take().unwrap()).status().unwrap();
        assert!(untar.success() && export.wait().unwrap().success());
        // The GNU format has no fractions of seconds.
        let beside: &[_] = match arguments[0] {
            "--format=pax" => &[],
            _ => &[windlass_testing::TreeAspect::Mtime],
        };
        let [before, after] =
            [&tree, &out].map(|path| TreeSnapshot::of(path).unwrap().without(beside));
        before.assert_same(&after);
    }
}

//! `windlass import`: a tar becomes an image of one layer.

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windlass_testing::{
    BlobCompression, LayerBuilder, Registry, TreeEntryKind, TreeSnapshot, confined,
};

use crate::harness::{DEADLINE, Windlass, output_with_input, stderr};
use crate::transfers::root_layer;

/// A tar that an unprivileged user can unpack.
fn tar() -> Vec<u8> {
    root_layer().tar()
}

/// Runs an import that must fail and store nothing; returns its one-line error.
fn refusal(windlass: &Windlass, args: &[&str], input: &[u8]) -> String {
    let output = output_with_input(windlass.command(args), input);
    assert_eq!(output.status.code(), Some(1), "{}", windlass.show(&output));
    assert_nothing_is_stored(windlass);
    let text = stderr(&output);
    let mut lines = text.lines().filter(|line| !line.starts_with("hint: "));
    let line = lines.next().unwrap().to_owned();
    assert_eq!(lines.next(), None, "{text}");
    line.strip_prefix("error: ").unwrap().to_owned()
}

fn assert_nothing_is_stored(windlass: &Windlass) {
    assert_eq!(windlass.stdout(["images", "-q"]), "");
    for place in ["blobs", "layers", "ingest", "drafts"] {
        let files = TreeSnapshot::of(windlass.root().join(place));
        let files = files.map(|tree| {
            tree.iter()
                .filter(|(_, it)| it.kind != TreeEntryKind::Directory)
                .count()
        });
        assert_eq!(files.unwrap_or_default(), 0, "{place}");
    }
}

fn document(windlass: &Windlass, digest: &str) -> Value {
    let path = windlass.root().join("blobs").join(digest.replace(':', "/"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_tar_becomes_an_image_of_one_layer() {
    let windlass = Windlass::new();
    fs::write(windlass.path("rootfs.tar"), tar()).unwrap();
    let mut command = windlass.command([
        "import",
        "--json",
        "-c",
        "CMD [\"app\"]",
        "--change",
        "ENV A=1 B=$A",
        "-c",
        "expose 80",
        "--platform",
        "linux/arm/v7",
        "rootfs.tar",
        "app",
    ]);
    let output = command
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", windlass.show(&output));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        result["names"],
        serde_json::json!(["docker.io/library/app:latest"])
    );
    assert_eq!(
        (&result["platform"], &result["is_new"]),
        (&"linux/arm/v7".into(), &true.into())
    );
    let manifest = document(&windlass, result["digest"].as_str().unwrap());
    let blob = windlass::image::Digest::sha256(tar()).to_string();
    let expected = serde_json::json!([{
        "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob, "size": tar().len(),
    }]);
    assert_eq!(manifest["layers"], expected);
    let config = document(&windlass, result["image_id"].as_str().unwrap());
    let expected = serde_json::json!({
        "created": "2023-11-14T22:13:20Z",
        "os": "linux", "architecture": "arm", "variant": "v7",
        "config": { "Cmd": ["app"], "Env": ["A=1", "B="], "ExposedPorts": { "80/tcp": {} } },
        "rootfs": { "type": "layers", "diff_ids": [blob] },
        "history": [{ "created": "2023-11-14T22:13:20Z", "comment": "Imported from rootfs.tar" }],
    });
    assert_eq!(config, expected);
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);

    // The same import gives the same image; importing another tar under the name moves the name.
    let mut again = windlass.command([
        "image",
        "import",
        "-m",
        "Imported from rootfs.tar",
        "-c",
        "CMD [\"app\"]",
        "-c",
        "ENV A=1 B=$A",
        "-c",
        "EXPOSE 80/tcp",
        "--platform",
        "linux/arm/v7",
        "./rootfs.tar",
        "again:1",
    ]);
    let output = again
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .output()
        .unwrap();
    assert_eq!(
        output.stdout,
        format!("{}\n", result["image_id"].as_str().unwrap()).as_bytes()
    );
    assert_eq!(stderr(&output), "Imported as again:1\n");
    let output = output_with_input(windlass.command(["import", "-", "app"]), tar());
    let expected = "warning: app:latest was moved from image ";
    assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 2);
}

/// The blob is stored with the compression it came with; the export is the same for all compressions.
#[test]
fn blobs_keep_their_compression_and_export_as_the_same_tar() {
    let windlass = Windlass::new();
    let mut tars = Vec::new();
    for (name, compression, media_type) in [
        ("plain", BlobCompression::Plain, "tar"),
        ("gzip", BlobCompression::Gzip, "tar+gzip"),
        ("zstd", BlobCompression::Zstd, "tar+zstd"),
    ] {
        let blob = root_layer().compressed(compression).pack();
        let output = output_with_input(
            windlass.command(["import", "--json", "-", name]),
            &blob.bytes,
        );
        assert!(output.status.success(), "{}", windlass.show(&output));
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        let manifest = document(&windlass, result["digest"].as_str().unwrap());
        assert_eq!(manifest["layers"][0]["digest"], blob.digest.to_string());
        let expected = format!("application/vnd.oci.image.layer.v1.{media_type}");
        assert_eq!(manifest["layers"][0]["mediaType"], expected);
        let file = windlass
            .root()
            .join("blobs")
            .join(blob.digest.to_string().replace(':', "/"));
        assert!(fs::read(file).unwrap() == blob.bytes);
        tars.push(windlass.command(["export", name]).output().unwrap().stdout);
    }
    assert!(tars.iter().all(|tar| *tar == tars[0] && tar.len() > 1024));
    let output = output_with_input(windlass.command(["import", "-q", "-", "flat"]), &tars[0]);
    assert!(output.status.success() && output.stderr.is_empty());
    let trees = ["plain", "flat"].map(|name| {
        windlass.stdout(["unpack", name, &format!("root-{name}")]);
        TreeSnapshot::of(windlass.path(&format!("root-{name}"))).unwrap()
    });
    trees[0].assert_same(&trees[1]);
    assert!(
        windlass
            .command(["export", "flat"])
            .output()
            .unwrap()
            .stdout
            == tars[0]
    );
}

#[test]
fn invalid_tars_are_refused_and_nothing_is_stored() {
    let windlass = Windlass::new();
    let stdin = ["import", "-", "app"];
    let from = "importing from standard input: ";
    for (input, expected) in [
        (&b""[..], "the source is empty: it is not even an empty tar"),
        (
            b"<html>not found</html>",
            "it cannot be unpacked: invalid tar at byte 0: this is neither a tar nor a known compression",
        ),
        (
            b"BZh91AY&SY",
            "it is compressed with bzip2, and a layer can only be plain, or compressed with gzip or zstd",
        ),
        (
            b"\xfd7zXZ\0..",
            "it is compressed with xz, and a layer can only be plain, or compressed with gzip or zstd",
        ),
    ] {
        assert_eq!(
            refusal(&windlass, &stdin, input),
            format!("{from}{expected}")
        );
    }
    let cut = &tar()[..700];
    let expected = format!("{from}it cannot be unpacked: invalid tar at byte 512: it is truncated");
    assert_eq!(refusal(&windlass, &stdin, cut), expected);
    let link = LayerBuilder::new().hardlink("a", "nowhere").tar();
    let line = refusal(&windlass, &stdin, &link);
    insta::assert_snapshot!(windlass.comparable(line.as_bytes()), @r#"importing from standard input: layer sha256:[digest]: "a" is a hard link to "nowhere", which is in no lower layer"#);
    let expected = format!("{from}it is larger than the limit of 1000 bytes");
    assert_eq!(
        refusal(&windlass, &["import", "--max-size", "1000", "-"], &tar()),
        expected
    );
    let compressed = output_with_input(windlass.command(stdin), b"\xfd7zXZ\0..");
    insta::assert_snapshot!(stderr(&compressed), @r"
    error: importing from standard input: it is compressed with xz, and a layer can only be plain, or compressed with gzip or zstd
    hint: decompress it first: `xz -dc FILE | windlass import -`
    ");
    for (args, expected) in [
        (
            &["import", "missing.tar"][..],
            "importing missing.tar: cannot open it: No such file or directory (os error 2)",
        ),
        (
            &["import", "home"],
            "importing home: cannot read it: is a directory",
        ),
    ] {
        assert_eq!(refusal(&windlass, args, b""), expected);
    }
    // An empty tar is an empty layer.
    assert!(
        output_with_input(windlass.command(["import", "-", "app"]), [0; 1024])
            .status
            .success()
    );
}

#[test]
fn invalid_arguments_are_refused_before_anything_is_read() {
    let windlass = Windlass::new();
    let name = format!("app@{}", windlass::image::Digest::sha256(b""));
    for (args, expected) in [
        (
            &["-c", "RUN x", "-"][..],
            "invalid change \"RUN x\": RUN is not supported",
        ),
        (
            &["-c", "EXPOSE x", "-"],
            "invalid change \"EXPOSE x\": expected PORT",
        ),
        (&["-", &name], "app@sha256:"),
        (
            &["http://me:secret@a.test/x"],
            "invalid URL: it must not contain credentials",
        ),
        (&["https://"], "invalid URL: it is not a URL: empty host"),
    ] {
        let output = windlass
            .command(["import"].iter().chain(args))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(
            stderr(&output).starts_with(&format!("error: {expected}")),
            "{}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("secret"));
    }
    let mut command = windlass.command(["import", "-"]);
    let output = command.env("SOURCE_DATE_EPOCH", "today").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: SOURCE_DATE_EPOCH must be a number of seconds, not \"today\"\n";
    assert_eq!(stderr(&output), expected);
    assert!(!windlass.root().exists());
}

#[test]
fn a_url_is_fetched_without_credentials() {
    let (server, other) = (
        Registry::start(),
        Registry::builder().on(Ipv4Addr::new(127, 0, 0, 2)).start(),
    );
    other.put_path("/there?key=secret", tar());
    server
        .path("/rootfs.tar")
        .redirect_to(&format!("{}/there?key=secret", other.url()))
        .forever();
    let windlass = Windlass::with(&server);
    windlass.log_in(&server, "me", "password");
    let url = format!("{}/rootfs.tar?token=hunter2", server.url());
    let id = windlass
        .command(["import", "-q", &url, "app:1"])
        .output()
        .unwrap();
    assert!(id.status.success(), "{}", windlass.show(&id));
    let id = String::from_utf8(id.stdout).unwrap();
    let config = document(&windlass, id.trim());
    let comment = format!("Imported from {}/rootfs.tar", server.url());
    assert_eq!(config["history"][0]["comment"], comment);
    assert!(!server.received_authorization() && !other.received_authorization());
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
}

/// T26: redirects follow the rules for registries; errors are one line and contain no secrets.
#[test]
fn errors_of_a_server_are_reported_and_nothing_is_stored() {
    let server = Registry::start();
    let windlass = Windlass::with(&server);
    server.put_path("/x", vec![0; 100_000]);
    let import = |path: &str, more: &[&str]| {
        let url = format!("{}{path}", server.url());
        let args: Vec<&str> = ["import", &url].iter().chain(more).copied().collect();
        let line = refusal(&windlass, &args, b"");
        let line = line.replace(server.url(), "SERVER");
        assert!(!line.contains("secret"), "{line}");
        line
    };
    assert_eq!(
        import("/none?k=secret", &[]),
        "importing: SERVER/none: unexpected status 404"
    );
    server
        .path("/401")
        .unauthorized("Basic realm=\"x\"")
        .forever();
    assert_eq!(import("/401", &[]), "importing: SERVER/401: Unauthorized");
    server
        .path("/link")
        .redirect_to("http://169.254.169.254/latest")
        .forever();
    let expected =
        "importing: SERVER/link: redirect refused: a redirect to a loopback or link-local address";
    assert_eq!(import("/link", &[]), expected);
    server.path("/loop").redirect_to("/loop").forever();
    let expected = "importing: SERVER/loop: redirect refused: more than 5 redirects";
    assert_eq!(import("/loop", &[]), expected);
    let expected = "importing: SERVER/x: larger than the limit of 1000 bytes";
    assert_eq!(import("/x", &["--max-size=1000"]), expected);
    server.path("/x").cut_after(5000).then_ok();
    let line = import("/x", &[]);
    assert!(
        line.starts_with("importing SERVER/x: cannot read it: SERVER/x: the connection failed"),
        "{line}"
    );
}

/// Waits until the import has created a draft of its layer.
fn wait_for_a_draft(windlass: &Windlass) {
    let drafts = windlass.root().join("drafts");
    let until = Instant::now() + DEADLINE;
    while !drafts
        .read_dir()
        .is_ok_and(|mut drafts| drafts.next().is_some())
    {
        assert!(Instant::now() < until, "the import creates no draft");
        thread::sleep(Duration::from_millis(5));
    }
}

/// ^C while a pipe or a server sends nothing ends the command, and nothing is stored.
#[test]
fn an_interrupt_stops_an_import() {
    let server = Registry::start();
    server.put_path("/x", tar());
    let gate = server.path("/x").hold_after(600);
    let windlass = Windlass::with(&server);
    let url = format!("{}/x", server.url());
    for source in ["-", &*url] {
        let mut command = windlass.command(["import", source, "app:1"]);
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&tar()[..600]).unwrap();
        if source == "-" {
            wait_for_a_draft(&windlass);
        } else {
            gate.wait_for(1);
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{source}");
        assert_eq!(stderr(&output), "Stopped. Nothing was imported.\n");
        assert_nothing_is_stored(&windlass);
        drop(stdin);
    }
    gate.open();
}

/// T01, T02: an import confines the entries of a tar as a pull does.
#[test]
fn hostile_tars_are_confined() {
    confined(|sandbox| {
        let canary = sandbox.canary();
        let target = canary.to_str().unwrap();
        let windlass = Windlass::new();
        let escape = LayerBuilder::new().file("../../../canary/file", b"x").tar();
        let line = refusal(&windlass, &["import", "-"], &escape);
        assert!(
            line.ends_with("entry ../../../canary/file: its name leaves the root"),
            "{line}"
        );
        let through = LayerBuilder::new()
            .symlink("out", target)
            .file("out/file", b"x")
            .tar();
        let output = output_with_input(windlass.command(["import", "-", "app:1"]), &through);
        assert!(output.status.success(), "{}", windlass.show(&output));
        let exported = windlass.command(["export", "app:1"]).output().unwrap();
        assert!(exported.status.success());
    });
}

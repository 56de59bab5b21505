//! Commands about stored images.

use std::fs;

use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

/// An image of two small layers, the upper one with a whiteout.
fn image() -> PackedImage {
    let base = LayerBuilder::new()
        .dir("etc")
        .file("etc/name", "base\n")
        .file("etc/gone", "x");
    let top = LayerBuilder::new()
        .dir("etc")
        .file("etc/more", "top\n")
        .whiteout("etc/gone");
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(base)
        .created_by("ADD rootfs.tar / # buildkit")
        .layer(top)
        .created_by("RUN /bin/sh -c echo a rather long command that docker would cut >etc/more")
        .empty_step("CMD [\"sh\"]")
        .pack()
}

/// A store that has the image as `app:1`.
fn pulled(registry: &Registry) -> Windlass {
    let image = registry.push(image(), "app:1");
    let mut windlass = Windlass::with(registry);
    windlass.mask(&image.digest, "<manifest>");
    windlass.mask(&image.config_digest, "<image>");
    windlass.mask(&image.config_digest.short(), "<image ID>");
    windlass.pull(&registry.name("app:1"));
    windlass
}

/// A store that does not exist yet has no images; listing them does not create it.
#[test]
fn an_empty_store_has_nothing() {
    let windlass = Windlass::new();
    let images = windlass.run(["images"]);
    let usage = windlass.run(["df"]);
    let inspect = windlass.run(["inspect", "alpine"]);
    insta::assert_snapshot!([images, usage, inspect].join("\n"), @r"
    exit: 0
    --- stdout
    REPOSITORY   TAG       IMAGE ID   CREATED   SIZE

    exit: 0
    --- stdout
    TYPE                TOTAL     SIZE      RECLAIMABLE
    Images              0         0B        0B
    Layers              0         0B        0B
    Blobs               0         0B        0B
    Partial downloads   0         0B        0B

    exit: 1
    --- stdout
    []
    --- stderr
    error: no such image: alpine
    hint: list the local images with `windlass images`
    ");
    assert!(!windlass.root().exists());
}

#[test]
fn images_are_listed_as_docker_lists_them() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    windlass.stdout(["tag", &registry.name("app:1"), "mine"]);
    let lists: [&[&str]; 6] = [
        &["images"],
        &["ls", "--digests"],
        &["image", "ls", "--no-trunc", "mine"],
        &["images", "-q"],
        &["images", "-a", "nothing"],
        &["images", "--json"],
    ];
    let lists = lists.map(|args| windlass.run(args));
    insta::assert_snapshot!(lists.join("\n"), @r#"
    exit: 0
    --- stdout
    REPOSITORY            TAG       IMAGE ID       CREATED       SIZE
    registry.test/app   1         <image ID>   [age]   10B
    mine                  latest    <image ID>   [age]   10B

    exit: 0
    --- stdout
    REPOSITORY            TAG       DIGEST                                                                    IMAGE ID       CREATED       SIZE
    registry.test/app   1         <manifest>   <image ID>   [age]   10B
    mine                  latest    <none>                                                                    <image ID>   [age]   10B

    exit: 0
    --- stdout
    REPOSITORY   TAG       IMAGE ID                                                                  CREATED       SIZE
    mine         latest    <image>   [age]   10B

    exit: 0
    --- stdout
    <image ID>

    exit: 0
    --- stdout
    REPOSITORY   TAG       IMAGE ID   CREATED   SIZE

    exit: 0
    --- stdout
    {"repository":"registry.test/app","tag":"1","digest":"<manifest>","image_id":"<image>","created":"2020-01-01T00:00:00Z","size":10,"platform":"linux/amd64"}
    {"repository":"mine","tag":"latest","digest":null,"image_id":"<image>","created":"2020-01-01T00:00:00Z","size":10,"platform":"linux/amd64"}
    "#);
}

#[test]
fn inspect_and_history_show_the_config() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(["inspect", &name, "missing"]), @r#"
    exit: 1
    --- stdout
    [
        {
            "Id": "<image>",
            "RepoTags": [
                "registry.test/app:1"
            ],
            "RepoDigests": [
                "registry.test/app@<manifest>"
            ],
            "Manifest": "<manifest>",
            "Created": "2020-01-01T00:00:00Z",
            "Author": "",
            "Architecture": "amd64",
            "Os": "linux",
            "Size": 10,
            "Config": {
                "Env": [
                    "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
                ]
            },
            "RootFS": {
                "Type": "layers",
                "Layers": [
                    "sha256:[digest]",
                    "sha256:[digest]"
                ]
            }
        }
    ]
    --- stderr
    error: no such image: missing
    hint: list the local images with `windlass images`
    "#);
    insta::assert_snapshot!(windlass.run(["history", "-H=false", &name]), @r#"
    exit: 0
    --- stdout
    IMAGE          CREATED                CREATED BY                                      SIZE      COMMENT
    <image ID>   2020-01-01T00:00:00Z   CMD ["sh"]                                      0
    <missing>      2020-01-01T00:00:00Z   RUN /bin/sh -c echo a rather long command th…   4
    <missing>      2020-01-01T00:00:00Z   ADD rootfs.tar / # buildkit                     6
    "#);
    insta::assert_snapshot!(windlass.run(["history", "--json", &name]), @r#"
    exit: 0
    --- stdout
    {"image_id":"<image>","created":"2020-01-01T00:00:00Z","created_by":"CMD [\"sh\"]","size":0,"comment":"","empty":true}
    {"image_id":null,"created":"2020-01-01T00:00:00Z","created_by":"RUN /bin/sh -c echo a rather long command that docker would cut >etc/more","size":4,"comment":"","empty":false}
    {"image_id":null,"created":"2020-01-01T00:00:00Z","created_by":"ADD rootfs.tar / # buildkit","size":6,"comment":"","empty":false}
    "#);
}

#[test]
fn an_image_is_removed_with_its_last_name() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let name = registry.name("app:1");
    let id = windlass
        .command(["images", "-q", "--no-trunc"])
        .output()
        .unwrap()
        .stdout;
    let id = String::from_utf8(id).unwrap();
    let id = id.trim();
    windlass.stdout(["tag", &name, "mine"]);
    let runs = [
        windlass.run(["rmi", id]),
        windlass.run(["rmi", "mine", "missing"]),
        windlass.run(["rm", &name]),
        windlass.run(["images", "-q"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 1
    --- stderr
    error: removing <image>: image <image ID> has several names (registry.test/app:1, mine:latest, registry.test/app@<manifest>): remove them by name, or use force

    exit: 1
    --- stdout
    Untagged: mine:latest
    --- stderr
    error: no such image: missing
    hint: list the local images with `windlass images`

    exit: 0
    --- stdout
    Untagged: registry.test/app:1
    Untagged: registry.test/app@<manifest>
    Deleted: <image>
    Deleted: sha256:[digest]
    Deleted: sha256:[digest]

    exit: 0
    ");
    windlass.pull(&name);
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

#[test]
fn a_root_filesystem_is_unpacked_once() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let name = registry.name("app:1");
    let runs = [
        windlass.run(["unpack", &name, "rootfs"]),
        windlass.run(["unpack", &name, "rootfs"]),
        windlass.run(["unpack", "missing", "other"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 0
    --- stderr
    Unpacked registry.test/app:1 into rootfs: 2 layers, 6 entries, 10 B

    exit: 1
    --- stderr
    error: unpacking registry.test/app:1: rootfs is not empty
    hint: choose a directory that is empty or does not exist

    exit: 1
    --- stderr
    error: no such image: missing
    hint: list the local images with `windlass images`
    ");
    let rootfs = windlass.path("rootfs");
    assert_eq!(
        fs::read_to_string(rootfs.join("etc/name")).unwrap(),
        "base\n"
    );
    assert_eq!(
        fs::read_to_string(rootfs.join("etc/more")).unwrap(),
        "top\n"
    );
    assert!(!rootfs.join("etc/gone").exists());
    assert!(!windlass.path("other").exists());
}

#[test]
fn df_reports_disk_usage() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    insta::assert_snapshot!(windlass.run(["df"]), @r"
    exit: 0
    --- stdout
    TYPE                TOTAL     SIZE      RECLAIMABLE
    Images              1         10B       0B (0%)
    Layers              2         10B       0B (0%)
    Blobs               4         1.453kB   0B (0%)
    Partial downloads   0         0B        0B
    ");
    insta::assert_snapshot!(windlass.run(["df", "--json"]), @r#"
    exit: 0
    --- stdout
    {"images":{"count":1,"size":10,"reclaimable":0},"layers":{"count":2,"size":10,"reclaimable":0},"blobs":{"count":4,"size":1453,"reclaimable":0},"partial":{"count":0,"size":0,"reclaimable":0},"partial_blobs":[]}
    "#);
}

/// Mounting needs root; the test uses a mount namespace, so that the machine's own mounts stay as they are.
/// `umount` does not remove a mount that covers the image's.
#[test]
fn an_image_is_mounted_and_unmounted() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let directory = windlass.path("mnt");
    fs::create_dir(&directory).unwrap();
    let name = registry.name("app:1");
    let script = r#"mount --make-rprivate / || exit 77
        "$0" mount "$1" mnt && cat mnt/etc/* && "$0" rmi "$1"
        mount -t tmpfs over mnt && "$0" umount mnt; umount mnt
        "$0" umount mnt && ls mnt && "$0" umount mnt"#;
    let mut command = windlass.through(["unshare", "--mount", "sh", "-c", script], [name.as_str()]);
    let output = command.output();
    match output {
        Ok(output)
            if !output.stderr.starts_with(b"unshare") && output.status.code() != Some(77) =>
        {
            insta::assert_snapshot!(windlass.show(&output), @r"
            exit: 1
            --- stdout
            top
            base
            --- stderr
            error: removing registry.test/app:1: it is mounted on [dir]/mnt
            hint: unmount it first: `windlass umount [dir]/mnt`
            error: no image is mounted on mnt
            error: no image is mounted on mnt
            ");
        }
        Ok(_) | Err(_) => eprintln!("not run: no mount namespace here"),
    }
}

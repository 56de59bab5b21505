//! `windlass pull --dry-run`: the pending work as text, as JSON and as an exit code.

use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

fn image(seed: u64) -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size_seeded(3 << 20, 1))
        .layer(LayerBuilder::of_size_seeded(1 << 20, seed))
        .pack()
}

/// Removes the free space, which depends on the machine.
fn without_free_space(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(" needed, ") {
        Some((needed, rest)) => {
            let place = rest.split_once(" free in ").map_or("", |(_, place)| place);
            format!("{needed} needed, [free] free in {place}")
        }
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn dry_run(windlass: &Windlass, names: &[&str]) -> String {
    let args = ["pull", "--dry-run", "--platform", PLATFORM];
    without_free_space(&windlass.run(args.iter().chain(names)))
}

/// Before a pull, after it, and when the registry has a newer image: 10, 0, 10. No layer is downloaded, and no store
/// created.
#[test]
fn a_dry_run_prints_what_a_pull_would_do() {
    let registry = Registry::start();
    let image_1 = registry.push(image(2), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let before = dry_run(&windlass, &[&name]);
    assert!(!windlass.root().exists());
    assert_eq!(registry.blob_requests(&image_1.layers[0].digest).len(), 0);
    windlass.pull(&name);
    let after = dry_run(&windlass, &[&name]);
    registry.push(image(3), "app:1");
    let newer = dry_run(&windlass, &[&name]);
    insta::assert_snapshot!([before, after, newer].join("\n\n"), @r"
    exit: 10
    --- stdout
    IMAGE                   STATUS    LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/app:1   new       2 of 2    4.196MB    0B        ~14.7MB
    --- stderr
    about 14.7 MB of disk space needed, [free] free in [dir]/store

    exit: 0
    --- stdout
    IMAGE                   STATUS       LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/app:1   up to date   2         0B         4.196MB   0B

    exit: 10
    --- stdout
    IMAGE                   STATUS    LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/app:1   newer     1 of 2    1.049MB    3.147MB   ~3.67MB
    --- stderr
    about 3.67 MB of disk space needed, [free] free in [dir]/store
    ");
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
}

/// A layer that several images share counts once; a failure is reported and decides the exit code.
#[test]
fn several_images_are_looked_up_together() {
    let registry = Registry::start();
    registry.push(image(2), "one:1");
    registry.push(image(3), "two:1");
    let windlass = Windlass::with(&registry);
    let names = ["one:1", "two:1", "missing:1"].map(|name| registry.name(name));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let well = dry_run(&windlass, &names[..2]);
    let failed = dry_run(&windlass, &names);
    let tags = dry_run(&windlass, &["-a", &registry.name("one")]);
    insta::assert_snapshot!([well, failed, tags].join("\n\n"), @r"
    exit: 10
    --- stdout
    IMAGE                   STATUS    LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/one:1   new       2 of 2    4.196MB    0B        ~14.7MB
    registry.test/two:1   new       2 of 2    4.196MB    0B        ~14.7MB
    --- stderr
    about 18.4 MB of disk space needed, [free] free in [dir]/store

    exit: 1
    --- stdout
    IMAGE                   STATUS    LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/one:1   new       2 of 2    4.196MB    0B        ~14.7MB
    registry.test/two:1   new       2 of 2    4.196MB    0B        ~14.7MB
    --- stderr
    error: looking up registry.test/missing:1: missing:1 at http://registry.test: no such repository
    hint: check the name and the tag
    about 18.4 MB of disk space needed, [free] free in [dir]/store

    exit: 10
    --- stdout
    IMAGE                   STATUS    LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/one:1   new       2 of 2    4.196MB    0B        ~14.7MB
    --- stderr
    about 14.7 MB of disk space needed, [free] free in [dir]/store
    ");
}

/// `-q` prints only the references that a pull would change.
#[test]
fn a_quiet_dry_run_prints_what_would_change() {
    let registry = Registry::start();
    registry.push(image(2), "one:1");
    registry.push(image(3), "two:1");
    let windlass = Windlass::with(&registry);
    let (one, two) = (registry.name("one:1"), registry.name("two:1"));
    windlass.pull(&one);
    insta::assert_snapshot!(dry_run(&windlass, &["-q", &one, &two]), @r"
    exit: 10
    --- stdout
    registry.test/two:1
    ");
}

#[test]
fn programs_get_an_object_an_image() {
    let registry = Registry::start();
    let image = registry.push(image(2), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&image.digest, "<manifest>");
    windlass.mask(&image.config_digest, "<image>");
    windlass.mask(&image.layers[0].digest, "<base>");
    windlass.mask(&image.layers[1].digest, "<top>");
    let (name, missing) = (registry.name("app:1"), registry.name("missing:1"));
    let args = [
        "pull",
        "--dry-run",
        "--json",
        "--platform",
        PLATFORM,
        &name,
        &missing,
    ];
    let output = windlass.command(args).output().unwrap();
    let mut free = 0;
    for line in String::from_utf8(output.stdout.clone()).unwrap().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        free = object["bytes_free"].as_u64().unwrap_or(free);
    }
    windlass.mask(&format!("\"bytes_free\":{free}"), "\"bytes_free\":1");
    insta::assert_snapshot!(windlass.show(&output), @r#"
    exit: 1
    --- stdout
    {"type":"resolving","reference":"registry.test/app:1"}
    {"type":"preview","reference":"registry.test/app:1","status":"new","digest":"<manifest>","image_id":"<image>","current_image_id":null,"platform":"linux/amd64","endpoint":"http://registry.test","layers":[{"digest":"<base>","size":3146829,"exists":false},{"digest":"<top>","size":1049033,"exists":false}],"bytes_missing":4195862,"bytes_reused":0,"bytes_resumed":0,"bytes_disk_estimate":14685517,"bytes_free":1}
    {"type":"resolving","reference":"registry.test/missing:1"}
    {"type":"error","reference":"registry.test/missing:1","code":"not_found","message":"looking up registry.test/missing:1: missing:1 at http://registry.test: no such repository","hint":"check the name and the tag"}
    "#);
}

/// An image of four megabytes and a disk of two: a warning, not an error.
#[test]
fn an_image_larger_than_the_disk_is_a_warning() {
    let registry = Registry::start();
    registry.push(image(2), "app:1");
    let windlass = Windlass::with(&registry);
    std::fs::create_dir(windlass.root()).unwrap();
    let script =
        "mount -t tmpfs -o size=2m,mode=0755 tmpfs \"$WINDLASS_ROOT\" || exit 77; exec \"$@\"";
    let runner = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let name = registry.name("app:1");
    let args = ["pull", "--dry-run", "--platform", PLATFORM, &name];
    match windlass.through(runner, args).output() {
        Ok(output) if output.status.code() == Some(10) => {
            let shown = without_free_space(&windlass.show(&output));
            let line = shown.lines().last().unwrap();
            insta::assert_snapshot!(line, @"warning: about 14.7 MB of disk space needed, [free] free in [dir]/store");
        }
        Ok(output)
            if output.status.code() != Some(77) && !output.stderr.starts_with(b"unshare") =>
        {
            panic!("{}", windlass.show(&output));
        }
        Ok(_) | Err(_) => eprintln!("not run: no mount namespace here"),
    }
}

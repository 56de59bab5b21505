//! Removal of images, the space that it frees, and the disk usage that is reported.

use std::fs;
use std::process::Command;

use serde_json::Value;
use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, PackedLayer, Registry};

use crate::harness::{PLATFORM, Windlass};

fn layer(seed: u64) -> PackedLayer {
    let layer = LayerBuilder::of_size_seeded(50_000, seed);
    let name = format!("etc/{seed}");
    layer
        .dir("etc")
        .file(&name, "x")
        .hardlink("etc/again", &name)
        .pack()
}

fn image(layers: &[&PackedLayer], label: &str) -> PackedImage {
    let image = ImageBuilder::new().platform(PLATFORM).config(|config| {
        config["created"] = "2020-01-01T00:00:00Z".into();
        config["config"]["Labels"] = serde_json::json!({ "team": label });
    });
    layers
        .iter()
        .copied()
        .fold(image, ImageBuilder::layer)
        .pack()
}

/// A store with `keep:1`, and with two images of `app:1`: the older one has only its digest left.
fn moved(registry: &Registry) -> Windlass {
    let mut windlass = Windlass::with(registry);
    let (base, old, new) = (layer(1), layer(2), layer(3));
    let images = [
        ("old", "app:1", image(&[&base, &old], "red")),
        ("new", "app:1", image(&[&base, &new], "blue")),
        ("keep", "keep:1", image(&[&base], "green")),
    ];
    for (name, reference, image) in images {
        let image = registry.push(image, reference);
        windlass.mask(&image.digest, &format!("<manifest {name}>"));
        windlass.mask(&image.config_digest, &format!("<{name}>"));
        windlass.mask(&image.config_digest.short(), &format!("<{name} ID>"));
        windlass.pull(&registry.name(reference));
    }
    windlass
}

/// Returns the size of these directories of the store as `du` reports it, in bytes.
fn du(windlass: &Windlass, areas: &[&str]) -> u64 {
    let mut command = Command::new("du");
    command.args(["-s", "--block-size=1"]).args(areas);
    let output = command.current_dir(windlass.root()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let sizes = text.lines().map(|line| line.split('\t').next().unwrap());
    sizes.map(|size| size.parse::<u64>().unwrap()).sum()
}

fn json(windlass: &Windlass, args: &[&str]) -> Value {
    let output = windlass.command(args).output().unwrap();
    assert!(output.status.success(), "{}", windlass.show(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value, path: &str) -> u64 {
    let found = value.pointer(path).and_then(Value::as_u64);
    found.unwrap_or_else(|| panic!("{path} in {value}"))
}

/// Returns the reclaimable disk space without partial downloads, as `df` reports it.
fn reclaimable(windlass: &Windlass) -> u64 {
    let usage = json(windlass, &["df", "-v", "--json"]);
    number(&usage, "/layers/reclaimable_on_disk") + number(&usage, "/blobs/reclaimable_on_disk")
}

/// As with `docker image prune`: an image without a tag is removed even if it has a digest.
#[test]
fn images_without_a_tag_are_pruned() {
    let registry = Registry::start();
    let windlass = moved(&registry);
    let runs = [
        windlass.run(["prune"]),
        windlass.run(["prune", "--dry-run", "--filter", "label=team=blue"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 2
    --- stderr
    error: there is no terminal to confirm the removal: use --force to skip the prompt, or --dry-run to see what would be removed

    exit: 0
    --- stdout
    Total reclaimable space: 0B
    ");
    let foreseen = json(&windlass, &["prune", "--dry-run", "--json"]);
    let reported = reclaimable(&windlass);
    let before = du(&windlass, &["blobs", "layers"]);
    let pruned = json(&windlass, &["image", "prune", "-f", "--json"]);
    let after = du(&windlass, &["blobs", "layers"]);
    assert_eq!(number(&pruned, "/reclaimed"), before - after);
    assert_eq!(reported, before - after, "what df reported");
    assert_eq!(number(&foreseen, "/reclaimed"), before - after);
    assert_eq!(foreseen["untagged"], pruned["untagged"]);
    assert_eq!(foreseen["deleted"], pruned["deleted"]);
    assert_eq!(pruned["deleted"].as_array().unwrap().len(), 2, "{pruned}");
    insta::assert_snapshot!(windlass.run(["prune", "--force"]), @r"
    exit: 0
    --- stdout
    Total reclaimed space: 0B
    ");
}

#[test]
fn all_images_are_pruned_with_all() {
    let registry = Registry::start();
    let windlass = moved(&registry);
    insta::assert_snapshot!(
        without_total(&windlass.run(["prune", "-af", "--filter", "label!=team=green"])),
        @r"
    exit: 0
    --- stdout
    Deleted Images:
    untagged: registry.test/app:1
    untagged: registry.test/app@<manifest new>
    deleted: <new>
    deleted: sha256:[digest]
    untagged: registry.test/app@<manifest old>
    deleted: <old>
    deleted: sha256:[digest]
    "
    );
    assert_eq!(windlass.stdout(["images", "-q"]).lines().count(), 1);
    let before = du(&windlass, &["blobs", "layers"]);
    let pruned = json(
        &windlass,
        &["prune", "-a", "-f", "--json", "--filter", "until=24h"],
    );
    assert_eq!(
        number(&pruned, "/reclaimed"),
        before - du(&windlass, &["blobs", "layers"])
    );
    for area in ["blobs/sha256", "layers/sha256", "drafts", "ingest"] {
        let left = fs::read_dir(windlass.root().join(area)).unwrap().count();
        assert_eq!(left, 0, "{area}");
    }
}

/// The total depends on the file system.
fn without_total(text: &str) -> String {
    let is_total = |line: &&str| !line.starts_with("Total reclaim");
    text.lines()
        .filter(|line| is_total(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn invalid_filters_are_refused() {
    let windlass = Windlass::new();
    let filters = [
        "foo=bar",
        "reference=x",
        "label",
        "dangling=maybe",
        "until=soon",
    ];
    let runs = filters.map(|filter| windlass.run(["prune", "-f", "--filter", filter]));
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 2
    --- stderr
    error: invalid filter 'foo'
    hint: available filters: dangling, label, label!, until

    exit: 2
    --- stderr
    error: invalid filter 'reference'
    hint: available filters: dangling, label, label!, until

    exit: 2
    --- stderr
    error: invalid filter 'label': expected KEY=VALUE

    exit: 2
    --- stderr
    error: invalid filter 'dangling=maybe': expected true or false

    exit: 2
    --- stderr
    error: invalid filter 'until=soon': expected a span such as 24h, a time such as 2026-01-31T12:00:00Z, or seconds since 1970
    ");
    assert!(!windlass.root().exists());
}

/// Partial downloads are kept for the next pull unless the command line includes them.
#[test]
fn partial_downloads_are_pruned_on_request() {
    let registry = Registry::start();
    let mut windlass = Windlass::with(&registry);
    let slow = LayerBuilder::of_size_seeded(300_000, 9).pack();
    let image = registry.push(ImageBuilder::new().platform(PLATFORM).layer(&slow), "app:1");
    windlass.mask(&image.layers[0].digest, "<layer>");
    drop(registry.blob(&slow.digest).cut_after(100_000));
    let name = registry.name("app:1");
    let pull = ["pull", "-q", "--retry", "0", "--platform", PLATFORM, &name];
    assert!(!windlass.command(pull).output().unwrap().status.success());

    assert_eq!(
        number(&json(&windlass, &["prune", "-af", "--json"]), "/reclaimed"),
        0
    );
    let usage = json(&windlass, &["df", "-v", "--json"]);
    assert_eq!(
        number(&usage, "/partial/on_disk"),
        du(&windlass, &["ingest"])
    );
    let before = du(&windlass, &["ingest"]);
    let foreseen = json(&windlass, &["prune", "--partials", "--dry-run", "--json"]);
    insta::assert_snapshot!(without_total(&windlass.run(["prune", "--partials", "--force"])), @r"
    exit: 0
    --- stdout
    Deleted Partial Downloads:
    deleted: <layer>
    ");
    let freed = before - du(&windlass, &["ingest"]);
    assert_eq!(number(&foreseen, "/reclaimed"), freed);
    assert_eq!(number(&usage, "/partial/reclaimable_on_disk"), freed);
}

#[test]
fn a_removal_reports_the_freed_space_as_json() {
    let registry = Registry::start();
    let windlass = moved(&registry);
    let (app, keep) = (registry.name("app:1"), registry.name("keep:1"));
    let before = du(&windlass, &["blobs", "layers"]);
    let output = windlass
        .command(["rmi", "--json", "--no-prune", &app, &keep, "missing"])
        .output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reclaimed: u64 = lines.map(|line| number(&line, "/reclaimed")).sum();
    assert_eq!(reclaimed, before - du(&windlass, &["blobs", "layers"]));
    assert_eq!(text.lines().count(), 2, "{text}");
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["name"], app);
    assert_eq!(first["untagged"][0], app);
    assert_eq!(first["untagged"].as_array().unwrap().len(), 2);
    assert_eq!(first["deleted"].as_array().unwrap().len(), 2);
}

/// Every number agrees with `du`.
#[test]
fn usage_is_reported_for_each_layer() {
    let registry = Registry::start();
    let windlass = moved(&registry);
    let usage = json(&windlass, &["df", "--verbose", "--json"]);
    assert_eq!(
        number(&usage, "/layers/on_disk"),
        du(&windlass, &["layers"])
    );
    assert_eq!(number(&usage, "/blobs/on_disk"), du(&windlass, &["blobs"]));
    assert_eq!(
        number(&usage, "/partial/on_disk"),
        du(&windlass, &["ingest"])
    );
    let sum = |list: &str, key: &str| -> u64 {
        let list = usage[list].as_array().unwrap();
        list.iter().map(|one| number(one, key)).sum()
    };
    assert_eq!(sum("each_layer", "/size"), number(&usage, "/layers/size"));
    assert_eq!(sum("each_blob", "/size"), number(&usage, "/blobs/size"));
    // The directories that contain the layers.
    let around = number(&usage, "/layers/on_disk") - sum("each_layer", "/on_disk");
    assert!(around <= 2 * 4096, "{around}");
    for layer in usage["each_layer"].as_array().unwrap() {
        let digest = layer["diff_id"].as_str().unwrap();
        let area = format!("layers/{}", digest.replace(':', "/"));
        assert_eq!(number(layer, "/on_disk"), du(&windlass, &[&area]));
    }
    let kinds = |kind: &str| {
        let blobs = usage["each_blob"].as_array().unwrap().iter();
        blobs.filter(|blob| blob["kind"] == kind).count()
    };
    assert_eq!(
        ["config", "manifest", "layer", "index"].map(kinds),
        [3, 3, 3, 0]
    );
    // Plain `df` reports the same, without the sizes on disk.
    let plain = json(&windlass, &["df", "--json"]);
    for key in [
        "/images/size",
        "/layers/reclaimable",
        "/blobs/size",
        "/partial/count",
    ] {
        assert_eq!(number(&plain, key), number(&usage, key), "{key}");
    }
    assert!(number(&plain, "/images/reclaimable") > 50_000);

    let shown = windlass.stdout(["df", "-v"]);
    let (images, _) = shown.split_once("\nLayers:").unwrap();
    // The order of images pulled within the same second is not defined.
    let mut images: Vec<_> = images.lines().collect();
    images[2..].sort_unstable();
    insta::assert_snapshot!(images.join("\n"), @r"
    Images:
    REPOSITORY             TAG       IMAGE ID       CREATED       SIZE      SHARED SIZE   UNIQUE SIZE
    registry.test/app    1         <new ID>   [age]   100kB     50kB          50kB
    registry.test/app    <none>    <old ID>   [age]   100kB     50kB          50kB
    registry.test/keep   1         <keep ID>   [age]   50kB      50kB          0B
    ");
    let headers = shown
        .lines()
        .filter(|line| line.ends_with(':') || line.contains("ON DISK"));
    insta::assert_snapshot!(headers.collect::<Vec<_>>().join("\n"), @r"
    Images:
    Layers:
    LAYER          IMAGES    SIZE      ON DISK
    Blobs:
    BLOB           KIND       IMAGES    SIZE      ON DISK
    On the disk:
    TYPE                TOTAL     SIZE      ON DISK   RECLAIMABLE
    ");
}

/// A mounted image is not pruned and keeps its last name even with `--force`; other names can be removed.
#[test]
fn a_mounted_image_stays() {
    let registry = Registry::start();
    let windlass = moved(&registry);
    fs::create_dir(windlass.path("mnt")).unwrap();
    let name = registry.name("keep:1");
    let script = r#"mount --make-rprivate / || exit 77
        "$0" mount "$1" mnt && "$0" tag "$1" mine && "$0" rmi mine
        "$0" rmi "$1"; "$0" rmi --force "$1"
        "$0" rmi -f "$("$0" images -q "$1")"
        "$0" prune -af >pruned || exit 1
        ls mnt/etc && "$0" images -q | wc -l
        umount mnt && "$0" rmi "$1" | head -1"#;
    let mut command = windlass.through(["unshare", "--mount", "sh", "-c", script], [name.as_str()]);
    match command.output() {
        Ok(output)
            if !output.stderr.starts_with(b"unshare") && output.status.code() != Some(77) =>
        {
            insta::assert_snapshot!(windlass.show(&output), @r"
            exit: 0
            --- stdout
            Untagged: mine:latest
            1
            again
            1
            Untagged: registry.test/keep:1
            --- stderr
            error: removing registry.test/keep:1: it is mounted on [dir]/mnt
            hint: unmount it first: `windlass umount [dir]/mnt`
            error: removing registry.test/keep:1: it is mounted on [dir]/mnt
            hint: unmount it first: `windlass umount [dir]/mnt`
            error: removing <keep ID>: it is mounted on [dir]/mnt
            hint: unmount it first: `windlass umount [dir]/mnt`
            ");
        }
        Ok(_) | Err(_) => eprintln!("not run: no mount namespace here"),
    }
}

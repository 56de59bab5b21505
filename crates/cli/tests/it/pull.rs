//! `windlass pull`: its requests and its output.

use std::fs;
use std::time::{Duration, Instant};

use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

/// Two layers, for a platform that does not depend on the machine.
fn image(seed: u64) -> PackedImage {
    let base = LayerBuilder::of_size_seeded(3 << 20, 1);
    let top = LayerBuilder::of_size_seeded(1 << 20, seed);
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(base)
        .layer(top)
        .pack()
}

#[test]
fn a_pull_prints_the_reference_with_its_digest() {
    let registry = Registry::start();
    let image = registry.push(image(2), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&image.digest, "<digest of app:1>");
    let name = registry.name("app:1");
    let first = windlass.run(["pull", "--platform", PLATFORM, &name]);
    let second = windlass.run(["pull", "--platform", PLATFORM, &name]);
    insta::assert_snapshot!([first, second].join("\n"), @r"
    exit: 0
    --- stdout
    registry.test/app:1@<digest of app:1>
    --- stderr
    Pulling registry.test/app:1 for linux/amd64: 2 layers, 4.2 MB to download
    Pulled registry.test/app:1 in [time]s  4.2 MB down, 4.19 MB unpacked

    exit: 0
    --- stdout
    registry.test/app:1@<digest of app:1>
    --- stderr
    registry.test/app:1 is up to date
    ");
}

/// As Docker's `-q`: nothing but the reference.
#[test]
fn a_quiet_pull_prints_the_reference_alone() {
    let registry = Registry::start();
    registry.push(image(2), "app:latest");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app");
    insta::assert_snapshot!(windlass.run(["pull", "-q", "--platform", PLATFORM, &name]), @r"
    exit: 0
    --- stdout
    registry.test/app:latest
    ");
}

/// REF-7: the default tag is reported.
#[test]
fn the_default_tag_is_reported() {
    let registry = Registry::start();
    registry.push(image(2), "app:latest");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app");
    insta::assert_snapshot!(windlass.run(["pull", "--platform", PLATFORM, &name]), @r"
    exit: 0
    --- stdout
    registry.test/app:latest@sha256:[digest]
    --- stderr
    Using default tag: latest
    Pulling registry.test/app:latest for linux/amd64: 2 layers, 4.2 MB to download
    Pulled registry.test/app:latest in [time]s  4.2 MB down, 4.19 MB unpacked
    ");
}

/// A layer that two images share is downloaded once, even when both are pulled at the same time; one that
/// fails does not keep the others from being pulled.
#[test]
fn several_images_share_layers() {
    let registry = Registry::start();
    let one = registry.push(image(2), "one:1");
    let two = registry.push(image(3), "two:1");
    let windlass = Windlass::with(&registry);
    let names = ["one:1", "missing:1", "two:1"].map(|name| registry.name(name));
    let args = ["pull", "--progress=none", "--platform", PLATFORM];
    let args = args.into_iter().chain(names.iter().map(String::as_str));
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stdout
    registry.test/one:1@sha256:[digest]
    registry.test/two:1@sha256:[digest]
    --- stderr
    error: pulling registry.test/missing:1: missing:1 at http://registry.test: no such repository
    hint: check the name and the tag
    ");
    assert_eq!(one.layers[0].digest, two.layers[0].digest);
    let fetches: Vec<usize> = [
        one.layers[0].digest,
        one.layers[1].digest,
        two.layers[1].digest,
    ]
    .iter()
    .map(|digest| registry.requested_ranges(digest).len())
    .collect();
    assert_eq!(fetches, [1, 1, 1]);
}

#[test]
fn all_tags_are_pulled() {
    let registry = Registry::start();
    for (seed, tag) in [(2, "app:1"), (3, "app:2"), (4, "app:3")] {
        registry.push(image(seed), tag);
    }
    let windlass = Windlass::with(&registry);
    let name = registry.name("app");
    let args = [
        "pull",
        "-a",
        "--platform",
        PLATFORM,
        "--progress=none",
        &name,
    ];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    registry.test/app:2@sha256:[digest]
    registry.test/app:3@sha256:[digest]
    ");
}

/// FB-12: a tag that fails is reported, and does not keep the others from being pulled.
#[test]
fn a_failing_tag_does_not_stop_the_others() {
    let registry = Registry::start();
    for (seed, tag) in [(2, "app:1"), (3, "app:2"), (4, "app:3")] {
        registry.push(image(seed), tag);
    }
    registry.manifest("2").status(403).forever();
    let windlass = Windlass::with(&registry);
    let name = registry.name("app");
    let args = ["pull", "-qa", "--platform", PLATFORM, &name];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stdout
    registry.test/app:1
    registry.test/app:3
    --- stderr
    error: pulling registry.test/app:2: app:2 at http://registry.test: access denied
    hint: check the name; if the repository is private, log in with an account that may access it: `windlass login registry.test`
    ");
}

/// The same reference in two spellings is one pull.
#[test]
fn a_reference_is_pulled_once_however_it_is_spelled() {
    let registry = Registry::start();
    registry.push(image(2), "app:latest");
    let windlass = Windlass::with(&registry);
    let (short, long) = (registry.name("app"), registry.name("app:latest"));
    let args = ["pull", "-q", "--platform", PLATFORM, &short, &long];
    assert_eq!(windlass.stdout(args), "registry.test/app:latest\n");
}

#[test]
fn the_platform_is_chosen_from_an_index() {
    let registry = Registry::start();
    let arm = ImageBuilder::new()
        .platform("linux/arm64")
        .layer(LayerBuilder::of_size(1000))
        .pack();
    registry.push_index(IndexBuilder::new().image(image(2)).image(arm), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.stdout(["pull", "--platform", "linux/arm64/v8", &name]);
    let format = ["images", "--format", "{{.Platform}}"];
    assert_eq!(windlass.stdout(format), "linux/arm64\n");
}

/// One command for several platforms: each image once, shared layers downloaded once. The tag refers to the image of
/// this machine's own platform, or else to the first.
#[test]
fn several_platforms_at_once() {
    let registry = Registry::start();
    let base = LayerBuilder::of_size(1000).pack();
    let platforms = ["linux/s390x", "linux/arm64", "linux/riscv64"];
    let images = platforms.map(|platform| {
        let top = LayerBuilder::new().file(platform.replace('/', "-"), b"");
        ImageBuilder::new()
            .platform(platform)
            .layer(&base)
            .layer(top)
            .pack()
    });
    let index = images.iter().fold(IndexBuilder::new(), IndexBuilder::image);
    let index = registry.push_index(index.attestation(), "app:1");
    let mut windlass = Windlass::with(&registry);
    windlass.mask(&index.digest, "<index>");
    for (image, platform) in images.iter().zip(platforms) {
        windlass.mask(&image.digest, &format!("<{platform}>"));
    }
    let name = registry.name("app:1");

    let pull = [
        "pull",
        "--progress=none",
        "--platform",
        "linux/arm64,linux/s390x",
        &name,
    ];
    insta::assert_snapshot!(windlass.run(pull), @r"
    exit: 0
    --- stdout
    registry.test/app:1@<index>
    registry.test/app@<linux/s390x>
    ");
    assert_eq!(registry.requested_ranges(&base.digest), ["whole"]);
    insta::assert_snapshot!(windlass.run(["pull", "--progress=none", "--all-platforms", &name]), @r"
    exit: 0
    --- stdout
    registry.test/app:1@<index>
    registry.test/app@<linux/arm64>
    registry.test/app@<linux/riscv64>
    ");
    insta::assert_snapshot!(windlass.run(["pull", "--dry-run", "--all-platforms", &name]), @r"
    exit: 0
    --- stdout
    IMAGE                                                                                           STATUS       LAYERS    DOWNLOAD   REUSED    DISK
    registry.test/app:1@<index>   up to date   2         0B         1.235kB   0B
    registry.test/app@<linux/arm64>     up to date   2         0B         1.236kB   0B
    registry.test/app@<linux/riscv64>     up to date   2         0B         1.238kB   0B
    ");
    let wrong = [
        "pull",
        "--progress=none",
        "--platform",
        "linux/arm64,linux/mips",
        &name,
    ];
    insta::assert_snapshot!(windlass.run(wrong), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: no matching manifest for linux/mips: the index has linux/s390x, linux/arm64, linux/riscv64
    hint: choose an available platform: --platform linux/s390x
    ");
}

/// `--retry`, the delay between retries and `--limit-rate`.
#[test]
fn retries_and_rates_can_be_chosen() {
    let registry = Registry::start();
    let image = registry.push(image(1), "app:1");
    let layer = image.layers[0].digest;
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let pull = |flags: &[&str]| {
        let args = ["pull", "--progress=none", "--platform", PLATFORM];
        let args = args.iter().chain(flags).copied().chain([name.as_str()]);
        windlass.command(args).output().unwrap().status.code()
    };
    registry.blob(&layer).status(503).times(3).then_ok();
    assert_eq!(pull(&["--retry=2", "--retry-delay=1ms"]), Some(1));
    assert_eq!(registry.requested_ranges(&layer).len(), 3);

    registry.blob(&layer).stall_after(1000).then_ok();
    assert_eq!(
        pull(&["--timeout=3s", "--retry-delay=1ms", "--limit-rate=off"]),
        Some(0)
    );
    assert_eq!(registry.requested_ranges(&layer).len(), 5);

    assert_eq!(
        windlass
            .command(["rmi", &name])
            .output()
            .unwrap()
            .status
            .code(),
        Some(0)
    );
    let started = Instant::now();
    assert_eq!(pull(&["--limit-rate=2MB", "--connections=1"]), Some(0));
    // Two megabytes at this rate, less the burst at the start.
    assert!(started.elapsed() > Duration::from_millis(800));
}

/// An invalid value is reported with the valid form.
#[test]
fn invalid_retry_options_are_refused() {
    let windlass = Windlass::new();
    let runs = [
        "--limit-rate=fast",
        "--timeout=0s",
        "--retry-delay=1",
        "--retry=-1",
        "--connections=0",
    ]
    .map(|flag| windlass.run(["pull", flag, "app"]));
    insta::assert_snapshot!(runs.join("
"), @r#"
    exit: 2
    --- stderr
    error: invalid value 'fast' for '--limit-rate <RATE>': expected bytes per second such as "10MB", "1.5MiB" or "80Mbit", or "off"

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid value '0s' for '--timeout <TIME>': a length of time cannot be zero here

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid value '1' for '--retry-delay <TIME>': expected a length of time such as "10s", "300ms", "1m30s" or "7d"

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid value '-1' for '--retry <N>': -1 is not in 0..=4294967295

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid value '0' for '--connections <N>': 0 is not in 1..=64

    For more information, try '--help'.
    "#);
}

/// Frames are drawn on request, and leave one line; nothing of them reaches standard output.
#[test]
fn a_terminal_is_left_with_one_line() {
    let registry = Registry::start();
    registry.push(image(2), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let args = ["pull", "--progress=tty", "--platform", PLATFORM, &name];
    let output = windlass
        .command(args)
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    let stderr = windlass.comparable(&output.stderr);
    assert!(
        stderr.starts_with("⠋ registry.test/app:1  resolving\x1b[J\r"),
        "{stderr:?}"
    );
    let kept = &stderr[stderr.find("Pulled").unwrap()..];
    insta::assert_snapshot!(kept.replace('\x1b', "␛"), @r"
    Pulled registry.test/app:1 in [time]s  4.2 MB down, 4.19 MB unpacked␛[K
    ␛[J
    ");
    insta::assert_snapshot!(windlass.comparable(&output.stdout), @"registry.test/app:1@sha256:[digest]");
}

/// Credentials come from Docker's configuration in the home directory or in `DOCKER_CONFIG`.
#[test]
fn credentials_come_from_dockers_configuration() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    registry.push(image(2), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.log_in(&registry, "gopher", "hunter2");
    fs::rename(windlass.path("home/.docker"), windlass.path("docker")).unwrap();
    let name = registry.name("app:1");
    let mut command = windlass.command(["pull", "-q", "--platform", PLATFORM, &name]);
    let output = command.env("DOCKER_CONFIG", "docker").output().unwrap();
    insta::assert_snapshot!(windlass.show(&output), @r"
    exit: 0
    --- stdout
    registry.test/app:1
    ");
}

/// `--root` overrides `WINDLASS_ROOT`.
#[test]
fn the_root_option_wins_over_the_environment() {
    let registry = Registry::start();
    registry.push(image(2), "app:1");
    let windlass = Windlass::with(&registry);
    let (root, name) = (windlass.path("elsewhere"), registry.name("app:1"));
    let root = root.to_str().unwrap();
    windlass.stdout(["--root", root, "pull", "-q", "--platform", PLATFORM, &name]);
    assert_eq!(windlass.stdout(["images", "-q"]), "");
    assert_eq!(
        windlass
            .stdout(["images", "-q", "--root", root])
            .lines()
            .count(),
        1
    );
}

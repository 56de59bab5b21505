//! `--format`, filters and trees.

use windlass_testing::{ImageBuilder, IndexBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

fn image(platform: &str, content: &str, created: &str) -> PackedImage {
    let created = created.to_owned();
    ImageBuilder::new()
        .platform(platform)
        .layer(LayerBuilder::new().file("name", content))
        .config(move |config| {
            config["created"] = created.into();
            config["config"]["Cmd"] = serde_json::json!(["sh", "-c", "x"]);
            config["config"]["Labels"] = serde_json::json!({ "team": "red", "esc": "\u{1b}[2J" });
        })
        .pack()
}

/// A store with two images, one of them with two tags.
fn pulled(registry: &Registry) -> Windlass {
    let old = registry.push(image(PLATFORM, "old", "2020-01-01T00:00:00Z"), "old:1");
    let new = registry.push(
        image(PLATFORM, "newer", "2021-01-01T00:00:00Z"),
        "team/new:1",
    );
    let mut windlass = Windlass::with(registry);
    for (image, name) in [(&old, "old"), (&new, "new")] {
        windlass.mask(&image.digest, &format!("<{name} manifest>"));
        windlass.mask(&image.config_digest, &format!("<{name}>"));
        windlass.mask(&image.config_digest.short(), &format!("<{name} ID>"));
    }
    windlass.pull(&registry.name("old:1"));
    windlass.pull(&registry.name("team/new:1"));
    windlass.stdout(["tag", &registry.name("team/new:1"), "mine"]);
    windlass
}

#[test]
fn images_are_listed_in_any_form() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let forms: [&[&str]; 7] = [
        &[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}} {{.Platform}}",
        ],
        &[
            "images",
            "--format",
            r"table {{.ID}}\t{{.Repository}}:{{.Tag}}\t{{.CreatedSince}}",
            "--no-trunc",
        ],
        &["images", "--format", "json", "mine"],
        &["images", "--format", "{{.Repository}} {{.Digest}}"],
        &["images", "-q", "--format", "{{upper .Tag}}", "mine"],
        &["images", "-q", "--format", "table", "mine"],
        &["images", "--format", "{{.Repository}}", "nothing"],
    ];
    insta::assert_snapshot!(forms.map(|args| windlass.run(args)).join("\n"), @r#"
    exit: 0
    --- stdout
    registry.test/team/new:1 <new ID> 5B linux/amd64
    mine:latest <new ID> 5B linux/amd64
    registry.test/old:1 <old ID> 3B linux/amd64

    exit: 0
    --- stdout
    IMAGE ID                                                                  REPOSITORY:TAG               CREATED
    <new>   registry.test/team/new:1   [age]
    <new>   mine:latest                  [age]
    <old>   registry.test/old:1        [age]

    exit: 0
    --- stdout
    {"Containers":"N/A","CreatedAt":"2021-01-01 00:00:00 +0000 UTC","CreatedSince":"[age]","Digest":"<none>","ID":"<new ID>","Platform":"linux/amd64","Repository":"mine","SharedSize":"N/A","Size":"5B","Tag":"latest","UniqueSize":"N/A","VirtualSize":"5B"}

    exit: 0
    --- stdout
    registry.test/team/new <new manifest>
    mine <none>
    registry.test/old <old manifest>

    exit: 0
    --- stdout
    LATEST

    exit: 0
    --- stdout
    <new ID>

    exit: 0
    "#);
}

#[test]
fn images_are_filtered() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let old = registry.name("old:1");
    let (before, since) = (
        format!("before={}", registry.name("team/new:1")),
        format!("since={old}"),
    );
    let listed = |args: &[&str]| {
        let mut all = vec!["images", "--format", "{{.Repository}}:{{.Tag}}"];
        all.extend_from_slice(args);
        format!("{args:?}: {}", windlass.stdout(all).replace('\n', " "))
    };
    let lists = [
        listed(&["-f", "label=team"]),
        listed(&["-f", "label=team=red", "-f", "label=none"]),
        listed(&["-f", &before]),
        listed(&["-f", &since]),
        listed(&["-f", "until=2020-06-01"]),
        listed(&["-f", "dangling=true"]),
        listed(&[
            "-f",
            "dangling=false",
            "-f",
            "reference=mi*",
            "-f",
            "reference=*/old:?",
        ]),
        listed(&["*/*/*"]),
        listed(&["m?ne", "-f", "reference=*:latest"]),
        listed(&["registry.test/x"]),
    ];
    let lists = windlass.comparable(lists.join("\n").as_bytes());
    insta::assert_snapshot!(lists, @r#"
    ["-f", "label=team"]: registry.test/team/new:1 mine:latest registry.test/old:1 
    ["-f", "label=team=red", "-f", "label=none"]: 
    ["-f", "before=registry.test/team/new:1"]: registry.test/old:1 
    ["-f", "since=registry.test/old:1"]: registry.test/team/new:1 mine:latest 
    ["-f", "until=2020-06-01"]: registry.test/old:1 
    ["-f", "dangling=true"]: 
    ["-f", "dangling=false", "-f", "reference=mi*", "-f", "reference=*/old:?"]: mine:latest registry.test/old:1 
    ["*/*/*"]: registry.test/team/new:1 
    ["m?ne", "-f", "reference=*:latest"]: mine:latest 
    ["registry.test/x"]:
    "#);
    // The newer image loses its tags, and keeps its digest only.
    windlass.stdout(["tag", &old, "mine"]);
    windlass.stdout(["tag", &old, &registry.name("team/new:1")]);
    let dangling = ["images", "-f", "dangling=true", "--digests"];
    insta::assert_snapshot!(windlass.run(dangling), @r"
    exit: 0
    --- stdout
    REPOSITORY                 TAG       DIGEST                                                                    IMAGE ID       CREATED       SIZE
    registry.test/team/new   <none>    <new manifest>   <new ID>   [age]   5B
    ");
}

/// Errors in the command line exit with 2, errors of missing data with 1.
#[test]
fn invalid_forms_are_errors_of_one_line() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let old = registry.name("old:1");
    let runs: [&[&str]; 9] = [
        &["images", "--format", "{{.Repository"],
        &["images", "--format", "{{.Name}}", "nothing"],
        &["images", "--format", "table {{foo}}"],
        &["images", "-f", "color=red"],
        &["images", "-f", "before=nothing"],
        &["images", "[a"],
        &["inspect", "-f", "{{.Config.Command}}", &old],
        &["inspect", "-f", "{{index .RepoTags 9}}", &old],
        &["images", "--tree", "-q"],
    ];
    insta::assert_snapshot!(runs.map(|args| windlass.run(args)).join("\n"), @r"
    exit: 2
    --- stderr
    error: invalid value '{{.Repository' for '--format <TEMPLATE>': at character 1: {{ without }}

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: --format: no field .Name; available fields: Containers, CreatedAt, CreatedSince, Digest, ID, Platform, Repository, SharedSize, Size, Tag, UniqueSize, VirtualSize

    exit: 2
    --- stderr
    error: invalid value 'table {{foo}}' for '--format <TEMPLATE>': at character 9: undefined function foo; available functions: and, eq, ge, gt, index, join, json, le, len, lower, lt, ne, not, or, pad, print, printf, println, slice, split, title, truncate, upper

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: invalid filter 'color'
    hint: available filters: before, dangling, label, label!, reference, since, until

    exit: 1
    --- stderr
    error: no such image: nothing
    hint: list the local images with `windlass images`

    exit: 2
    --- stderr
    error: invalid value '[a' for '[REPOSITORY[:TAG]]': invalid filter 'reference=[a': a '[' without its ']', an empty range or a '\' at the end

    For more information, try '--help'.

    exit: 2
    --- stderr
    error: --format: no field .Config.Command; available fields: Cmd, Env, Labels, Entrypoint, OnBuild, Shell, ExposedPorts, Volumes, StopSignal, User, WorkingDir, Healthcheck, ArgsEscaped

    exit: 1
    --- stderr
    error: --format: index: index 9 is out of range

    exit: 2
    --- stderr
    error: the argument '--tree' cannot be used with '--quiet'

    Usage: windlass images --tree --root <DIR> [REPOSITORY[:TAG]]

    For more information, try '--help'.
    ");
}

#[test]
fn images_are_inspected_in_any_form() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let old = registry.name("old:1");
    let forms = [
        "{{.Id}} {{.ID}} {{.Os}}/{{.Architecture}} {{.Size}}",
        "{{index .RepoDigests 0}} {{.RepoTags}} {{.Config.Cmd}} {{.Config.Entrypoint}} {{.Config.Labels.team}}",
        "{{json .Config.Labels}} {{json .Config.Entrypoint}} {{len .RootFS.Layers}}",
        r"{{range $key, $value := .Config.Labels}}{{$key}}\t{{end}}",
    ];
    let runs = forms.map(|form| windlass.run(["inspect", "-f", form, &old]));
    insta::assert_snapshot!(runs.join("\n"), @r#"
    exit: 0
    --- stdout
    <old> <old> linux/amd64 3

    exit: 0
    --- stdout
    registry.test/old@<old manifest> [registry.test/old:1] [sh -c x] [] red

    exit: 0
    --- stdout
    {"esc":"\u001b[2J","team":"red"} null 1

    exit: 0
    --- stdout
    esc\tteam\t
    "#);
    let several = ["inspect", "-f", "{{.Created}}", &old, "missing", "mine"];
    insta::assert_snapshot!(windlass.run(several), @r"
    exit: 1
    --- stdout
    2020-01-01T00:00:00Z
    2021-01-01T00:00:00Z
    --- stderr
    error: no such image: missing
    hint: list the local images with `windlass images`
    ");
    let one_line = windlass.stdout(["inspect", "-f", "json", &old, "mine"]);
    assert_eq!(one_line.lines().count(), 1);
    let documents: serde_json::Value = serde_json::from_str(&one_line).unwrap();
    assert_eq!(documents.as_array().unwrap().len(), 2);
}

#[test]
fn history_and_version_have_forms_too() {
    let registry = Registry::start();
    let windlass = pulled(&registry);
    let runs: [&[&str]; 4] = [
        &[
            "history",
            "--format",
            "{{.ID}} {{.CreatedAt}} {{.Size}}",
            "mine",
        ],
        &[
            "history",
            "--format",
            r"table {{.CreatedSince}}\t{{.Size}}",
            "-H=false",
            "mine",
        ],
        &["history", "--format", "{{.Layer}}", "mine"],
        &[
            "version",
            "--format",
            "{{eq .Version .Client.Version}} {{.Os}}",
        ],
    ];
    insta::assert_snapshot!(runs.map(|args| windlass.run(args)).join("\n"), @r"
    exit: 0
    --- stdout
    <new ID> 2020-01-01T00:00:00Z 5B

    exit: 0
    --- stdout
    CREATED                SIZE
    2020-01-01T00:00:00Z   5

    exit: 2
    --- stderr
    error: --format: no field .Layer; available fields: Comment, CreatedAt, CreatedBy, CreatedSince, ID, Size

    exit: 0
    --- stdout
    true linux
    ");
}

/// A tree lists all platforms of an index, including those that are not stored; an image without an index has its own.
#[test]
fn trees_show_the_stored_platforms() {
    let registry = Registry::start();
    let amd64 = image("linux/amd64", "four", "2020-01-01T00:00:00Z");
    let arm64 = image("linux/arm64", "three", "2020-01-01T00:00:00Z");
    let riscv64 = image("linux/riscv64", "none", "2020-01-01T00:00:00Z");
    let single = registry.push(
        image("linux/amd64", "single", "2020-01-01T00:00:00Z"),
        "single:1",
    );
    let index = IndexBuilder::new()
        .image(amd64.clone())
        .image(arm64.clone())
        .image(riscv64)
        .attestation();
    let index = registry.push_index(index, "multi:1");
    let mut windlass = Windlass::with(&registry);
    for (digest, name) in [
        (&amd64.config_digest, "<amd64>"),
        (&arm64.config_digest, "<arm64>"),
        (&single.config_digest, "<single>"),
        (&single.digest, "<manifest>"),
        (&index.digest, "<index>"),
    ] {
        windlass.mask(&digest.short(), name);
    }
    let name = registry.name("multi:1");
    windlass.stdout(["pull", "-q", "--platform", "linux/arm64", &name]);
    windlass.stdout(["pull", "-q", "--platform", "linux/amd64", &name]);
    windlass.stdout([
        "pull",
        "-q",
        "--platform",
        "linux/amd64",
        &registry.name("single:1"),
    ]);
    windlass.stdout(["tag", &name, "mine:2"]);
    let trees = [
        windlass.run(["images", "--tree"]),
        windlass.run(["images", "--tree", "mine:2"]),
        windlass.run(["images", "--tree", "-f", "dangling=true"]),
    ];
    insta::assert_snapshot!(trees.join("\n"), @r"
    exit: 0
    --- stdout
    IMAGE                      ID             SIZE      COMPRESSED
    registry.test/single:1   <manifest>   6B        95B
    └─ linux/amd64             <single>   6B        95B
    registry.test/multi:1    <index>   9B        187B
    mine:2                     <index>   9B        187B
    ├─ linux/amd64             <amd64>   4B        93B
    ├─ linux/arm64             <arm64>   5B        94B
    └─ linux/riscv64           -              -         -

    exit: 0
    --- stdout
    IMAGE              ID             SIZE      COMPRESSED
    mine:2             <index>   9B        187B
    ├─ linux/amd64     <amd64>   4B        93B
    ├─ linux/arm64     <arm64>   5B        94B
    └─ linux/riscv64   -              -         -

    exit: 0
    --- stdout
    IMAGE                     ID             SIZE      COMPRESSED
    registry.test/multi:1   <index>   9B        187B
    mine:2                    <index>   9B        187B
    ├─ linux/amd64            <amd64>   4B        93B
    ├─ linux/arm64            <arm64>   5B        94B
    └─ linux/riscv64          -              -         -
    ");
}

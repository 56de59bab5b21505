//! Mirrors: the output of a pull through them, and the reports of mirrors that fail.

use windlass_testing::{ImageBuilder, LayerBuilder, PackedImage, Registry};

use crate::harness::{PLATFORM, Windlass};

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1 << 20))
        .pack()
}

/// The command, configured with `mirrors` in front of `registry`; outputs show them as `one.test` and so on.
fn windlass(registry: &Registry, mirrors: &[(&Registry, &str)]) -> Windlass {
    let mut windlass = Windlass::with(registry);
    let urls = mirrors.iter().map(|(mirror, name)| {
        windlass.mask(&mirror.host(), name);
        mirror.url().to_owned()
    });
    let urls: Vec<String> = urls.collect();
    windlass.configure(&format!(
        "[registry.\"{}\"]\nmirror = {urls:?}\n",
        registry.host()
    ));
    windlass
}

/// The mirror has everything: the last line names it, and the registry gets no request.
#[test]
fn a_mirror_that_served_is_named() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let mirror = Registry::builder().mirror_of(&registry).start();
    let windlass = windlass(&registry, &[(&mirror, "mirror.test")]);
    let args = ["pull", "--platform", PLATFORM, &registry.name("app:1")];
    let runs = [windlass.run(args), windlass.run(args)];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    --- stderr
    Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download
    Pulled registry.test/app:1 in [time]s  1.0 MB down, 1.05 MB unpacked  (mirror: mirror.test)

    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    --- stderr
    registry.test/app:1 is up to date  (mirror: mirror.test)
    ");
    assert_eq!(registry.log(), [""; 0]);
}

/// A mirror that is down is one line of output, and the pull goes on.
#[test]
fn a_mirror_that_is_down_is_one_line_of_output() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let mirror = Registry::start();
    let windlass = windlass(&registry, &[(&mirror, "mirror.test")]);
    drop(mirror);
    let name = registry.name("app:1");
    let plain = windlass.run(["pull", "--platform", PLATFORM, &name]);
    windlass.stdout(["rmi", &name]);
    let quiet = windlass.run(["pull", "-q", "--platform", PLATFORM, &name]);
    insta::assert_snapshot!([plain, quiet].join("\n"), @r"
    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    --- stderr
    registry.test/app:1: app:1 at http://mirror.test: nothing is listening there: Connection refused (os error 111); trying another endpoint
    Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download
    Pulled registry.test/app:1 in [time]s  1.0 MB down, 1.05 MB unpacked

    exit: 0
    --- stdout
    registry.test/app:1
    ");
}

/// The JSON reports the failed mirror, and in the end the endpoint of each layer.
#[test]
fn the_json_names_the_endpoints() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let mirror = Registry::builder().mirror_of(&registry).start();
    mirror.every_manifest().status(500).forever();
    let mut windlass = windlass(&registry, &[(&mirror, "mirror.test")]);
    windlass.mask(&image.layers[0].digest, "<layer>");
    let name = registry.name("app:1");
    let output = windlass.stdout(["pull", "--json", "--platform", PLATFORM, &name]);
    let output = output.lines().filter(|line| {
        [
            r#""type":"setback""#,
            r#""type":"resolved""#,
            r#""type":"done""#,
        ]
        .iter()
        .any(|kind| line.contains(kind))
    });
    insta::assert_snapshot!(output.collect::<Vec<_>>().join("\n"), @r#"
    {"type":"setback","reference":"registry.test/app:1","endpoint":"http://mirror.test","after_ms":null,"error":"app:1 at http://mirror.test: unavailable: status 500"}
    {"type":"resolved","reference":"registry.test/app:1","digest":"sha256:[digest]","platform":"linux/amd64","endpoint":"http://registry.test"}
    {"type":"done","reference":"registry.test/app:1","status":"downloaded","digest":"sha256:[digest]","image_id":"sha256:[digest]","platform":"linux/amd64","bytes_downloaded":1049033,"bytes_reused":0,"bytes_unpacked":1048576,"duration_ms":0,"endpoint":"http://registry.test","layers":[{"digest":"<layer>","size":1049033,"source":"http://registry.test"}]}
    "#);
}

/// The error of the registry comes first, then those of the mirrors; the hint is about the former.
#[test]
fn a_failure_lists_the_errors_of_all_endpoints() {
    let registry = Registry::start();
    let (one, two) = (Registry::start(), Registry::start());
    let windlass = windlass(&registry, &[(&one, "one.test"), (&two, "two.test")]);
    two.every_manifest().status(403).forever();
    drop(one);
    let name = registry.name("app:1");
    let text = windlass.run(["pull", "--progress=none", &name]);
    let json = windlass.run(["pull", "--json", &name]);
    insta::assert_snapshot!([text, json].join("\n"), @r#"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: no such repository
    tried: app:1 at http://one.test: nothing is listening there: Connection refused (os error 111)
    tried: app:1 at http://two.test: access denied
    hint: check the name and the tag

    exit: 1
    --- stdout
    {"type":"resolving","reference":"registry.test/app:1"}
    {"type":"setback","reference":"registry.test/app:1","endpoint":"http://one.test","after_ms":null,"error":"app:1 at http://one.test: nothing is listening there: Connection refused (os error 111)"}
    {"type":"setback","reference":"registry.test/app:1","endpoint":"http://two.test","after_ms":null,"error":"app:1 at http://two.test: access denied"}
    {"type":"error","reference":"registry.test/app:1","code":"not_found","message":"pulling registry.test/app:1: app:1 at http://registry.test: no such repository","tried":["app:1 at http://one.test: nothing is listening there: Connection refused (os error 111)","app:1 at http://two.test: access denied"],"hint":"check the name and the tag"}
    "#);
}

/// A mirror has credentials of its own: it never gets those of the registry (D12), and no output shows any (I7).
#[test]
fn mirrors_do_not_get_the_password_of_the_registry() {
    let registry = Registry::builder().basic("gopher", "hunter2").start();
    registry.push(image(), "app:1");
    let mirror = Registry::builder()
        .mirror_of(&registry)
        .basic("other", "secret")
        .start();
    let windlass = windlass(&registry, &[(&mirror, "mirror.test")]);
    windlass.log_in(&registry, "gopher", "hunter2");
    let name = registry.name("app:1");
    let output = windlass.run(["pull", "--platform", PLATFORM, &name]);
    assert!(!mirror.received_authorization());
    assert!(!output.contains("hunter2"));
    insta::assert_snapshot!(output, @r"
    exit: 0
    --- stdout
    registry.test/app:1@sha256:[digest]
    --- stderr
    registry.test/app:1: app:1 at http://mirror.test: authentication required; trying another endpoint
    Pulling registry.test/app:1 for linux/amd64: 1 layer, 1.0 MB to download
    Pulled registry.test/app:1 in [time]s  1.0 MB down, 1.05 MB unpacked
    ");
}

/// FB-8: the error for an endpoint without capabilities names the command that shows them.
#[test]
fn a_registry_without_usable_endpoints() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    let host = registry.host();
    windlass.configure(&format!(
        "[registry.\"{host}\"]\nserver = \"http://{host}\"\ncapabilities = [\"pull\"]\n"
    ));
    insta::assert_snapshot!(windlass.run(["pull", &registry.name("app:1")]), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: no endpoint of registry.test is configured to resolve tags
    hint: give an endpoint the capability; `windlass config show registry.test` lists the endpoints
    ");
}

/// A layer that is missing everywhere: the error lists the registry and each mirror.
#[test]
fn a_missing_layer_lists_all_endpoints() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let [one, two] = [0, 1].map(|_| Registry::builder().mirror_of(&registry).start());
    let layer = image.layers[0].digest;
    registry.blob(&layer).status(404).forever();
    one.blob(&layer).status(403).forever();
    two.blob(&layer).status(404).forever();
    let mut windlass = windlass(&registry, &[(&one, "one.test"), (&two, "two.test")]);
    windlass.mask(&layer, "<layer>");
    let name = registry.name("app:1");
    let args = ["pull", "--progress=none", "--platform", PLATFORM, &name];
    insta::assert_snapshot!(windlass.run(args), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: layer <layer>: blob <layer> of app at http://registry.test: no such blob
    tried: blob <layer> of app at http://one.test: access denied
    tried: blob <layer> of app at http://two.test: no such blob
    hint: push the image again; if it is a foreign layer, such as those of Windows images, allow its host with `foreign-layers` in windlass.toml
    ");
}

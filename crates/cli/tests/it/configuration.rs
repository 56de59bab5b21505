//! The configuration takes effect: files, the environment, the command line.

use std::fs;

use windlass_testing::{Ca, ImageBuilder, LayerBuilder, PackedImage, Registry, Schema1Builder};

use crate::harness::{PLATFORM, Windlass};

fn image() -> PackedImage {
    ImageBuilder::new()
        .platform(PLATFORM)
        .layer(LayerBuilder::of_size(1000))
        .pack()
}

fn args(name: &str) -> [&str; 5] {
    ["pull", "-q", "--platform", PLATFORM, name]
}

/// EP-10: a private CA is trusted once it is configured; without it, the hint describes how to configure it. A registry
/// on this machine may have any certificate (EP-7), but not once a CA is configured.
#[test]
fn a_private_ca_is_trusted_by_its_directory() {
    let ca = Ca::new();
    let registry = Registry::builder().tls(&ca).start();
    registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    windlass.stdout(["digest", &name]);
    fs::write(windlass.path("other.pem"), Ca::new().pem()).unwrap();
    let other = windlass.path("other.pem");
    windlass.configure(&format!("ca = \"{}\"\n", other.display()));
    let before = windlass.run(args(&name));
    for place in [
        "home/.config/windlass/certs.d",
        "home/.config/docker/certs.d",
    ] {
        let directory = windlass.path(place).join(registry.host());
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("ca.crt"), ca.pem()).unwrap();
        windlass.stdout(["digest", &name]);
        fs::remove_dir_all(directory).unwrap();
    }
    fs::write(windlass.path("ca.pem"), ca.pem()).unwrap();
    let mut command = windlass.command(["digest", &name]);
    let by_environment = command
        .env("SSL_CERT_FILE", windlass.path("ca.pem"))
        .output();
    assert!(by_environment.unwrap().status.success());
    fs::write(windlass.path("my.toml"), "ca = \"ca.pem\"\n").unwrap();
    windlass.stdout(["--config", "my.toml", "digest", &name]);
    insta::assert_snapshot!(before, @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at https://registry.test: no secure connection: invalid peer certificate: UnknownIssuer
    tried: app:1 at http://registry.test: this is not an OCI registry: /v2/ returns status 400
    hint: if its CA is private, save the CA certificate as /etc/windlass/certs.d/registry.test/ca.crt or ~/.config/windlass/certs.d/registry.test/ca.crt, or set `ca` in windlass.toml
    ");
}

/// `--config` overrides `WINDLASS_CONFIG`, which overrides the user's file; a named file must exist and be valid.
#[test]
fn the_configuration_can_be_named() {
    let windlass = Windlass::new();
    windlass.configure("root = \"/nowhere/usual\"\n");
    fs::write(windlass.path("one.toml"), "downloads = 7\n").unwrap();
    fs::write(windlass.path("two.toml"), "downlods = 7\n").unwrap();
    let downloads = |args: &[&str]| {
        let mut command = windlass.command(args);
        let output = command.env("WINDLASS_CONFIG", "one.toml").output().unwrap();
        let shown = windlass.show(&output);
        let line = shown
            .lines()
            .find(|line| line.starts_with("pull.downloads"));
        let words = line.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        words.unwrap_or(shown)
    };
    let runs = [
        downloads(&["config", "show"]),
        downloads(&["--config", "two.toml", "images"]),
        downloads(&["--config", "three.toml", "images"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    pull.downloads 7 [dir]/one.toml:1
    exit: 1
    --- stderr
    error: [dir]/two.toml:1:1: downlods: there is no such key; did you mean `downloads`?
    hint: fix the file, or choose another one with --config

    exit: 1
    --- stderr
    error: [dir]/three.toml: there is no such file
    hint: fix the file, or choose another one with --config
    ");
}

/// The configured store is used unless the command line names another one.
#[test]
fn the_store_can_be_configured() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    let windlass = Windlass::with(&registry);
    windlass.configure("root = \"images\"\n");
    let mut command = windlass.command(args(&registry.name("app:1")));
    let output = command.env_remove("WINDLASS_ROOT").output().unwrap();
    assert!(output.status.success(), "{}", windlass.show(&output));
    assert!(windlass.path("home/.config/windlass/images").exists());
    assert!(!windlass.root().exists());
}

/// MF-7: the error names the setting that allows such manifests.
#[test]
fn schema_1_is_refused_with_the_setting_that_allows_it() {
    let registry = Registry::start();
    let windlass = Windlass::with(&registry);
    registry.push_schema1(
        Schema1Builder::new("app", "1").layer(LayerBuilder::of_size(1000)),
        "app:1",
    );
    let name = registry.name("app:1");
    insta::assert_snapshot!(windlass.run(["pull", "--progress=none", &name]), @r"
    exit: 1
    --- stderr
    error: pulling registry.test/app:1: app:1 at http://registry.test: unusable manifest: the manifest is of Docker's schema 1: push the image again, or allow such manifests with `schema1 = true`
    hint: rebuild and push the image with a current builder, or allow schema 1 with `schema1 = true` in windlass.toml
    ");
    windlass.configure("schema1 = true\n");
    windlass.stdout(["pull", "-q", &name]);
}

/// A `Retry-After` that is too long to wait for is part of the hint.
#[test]
fn a_rate_limit_hint_has_the_wait() {
    let registry = Registry::start();
    registry.push(image(), "app:1");
    registry
        .every_manifest()
        .for_any_method()
        .status(429)
        .retry_after(3600)
        .forever();
    let windlass = Windlass::with(&registry);
    insta::assert_snapshot!(windlass.run(["digest", &registry.name("app:1")]), @r"
    exit: 1
    --- stderr
    error: resolving the digest of registry.test/app:1: app:1 at http://registry.test: too many requests, retry after 3600 s
    hint: wait 1h, or log in for a higher limit: `windlass login registry.test`
    ");
}

/// An invalid proxy is reported before anything is sent.
#[test]
fn an_invalid_proxy_is_reported() {
    let windlass = Windlass::new();
    let mut command = windlass.command(["digest", "registry.test/app:1"]);
    let output = command
        .env("ALL_PROXY", "gopher://gopher:hunter2@proxy.test")
        .output();
    insta::assert_snapshot!(windlass.show(&output.unwrap()), @r"
    exit: 1
    --- stderr
    error: the http proxy cannot be used: its scheme is not http, https, socks5 or socks5h
    hint: check HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, or `proxy` in windlass.toml
    ");
}

/// `[pull]` and `[partials]` take effect unless the command line overrides them.
#[test]
fn pull_settings_take_effect() {
    let registry = Registry::start();
    let image = registry.push(image(), "app:1");
    let layer = image.layers[0].digest;
    let windlass = Windlass::with(&registry);
    let name = registry.name("app:1");
    let host = registry.host();
    windlass.configure(&format!(
        "[pull]\nretry = 2\nretry-delay = \"1ms\"\n[partials]\nmax-size = 0\n[registry.\"{host}\"]\nlimit-rate = \"2MB\"\n"
    ));
    registry
        .blob(&layer)
        .cut_after(500)
        .then()
        .status(503)
        .forever();
    windlass.run(args(&name));
    // The first attempt, and one retry: it downloaded too few bytes to reset the count.
    assert_eq!(registry.requested_ranges(&layer).len(), 2);
    let df: serde_json::Value = serde_json::from_str(&windlass.stdout(["df", "--json"])).unwrap();
    assert_eq!(df["partial_blobs"], serde_json::json!([]));
    let mut once = windlass.command(args(&name));
    once.arg("--retry=0").output().unwrap();
    assert_eq!(registry.requested_ranges(&layer).len(), 3);
    insta::assert_snapshot!(windlass.stdout(["config", "show", &host]), @r"
    registry.test
      1. http://registry.test  registry
         used for     pull, resolve
         TLS          none: plain http
         credentials  none
         from         default
      2. https://registry.test  registry
         used for     pull, resolve
         TLS          not verified
         credentials  none
         from         default
      at most 2MB/s
    ");
}

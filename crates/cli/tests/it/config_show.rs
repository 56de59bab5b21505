//! `windlass config show`: the configuration that is in effect, without secrets.

use std::fs;

use windlass_testing::{Ca, Registry};

use crate::harness::Windlass;

/// A home directory with a configuration of everything.
fn configured() -> Windlass {
    let windlass = Windlass::new();
    windlass.configure(
        r#"
downloads = 5
insecure-registries = ["10.0.0.0/8"]

[proxy]
https = "http://gopher:hunter2@proxy.test:3128"
no-proxy = "intern.test"

[timeouts]
connect = "3s"

[registry."docker.io"]
mirror = [{ url = "https://mirror.test:5000/hub", header = { X-Key = "hunter2" }, capabilities = ["pull"] }]

[registry."direct.test"]
proxy = "direct"
"#,
    );
    let certs = windlass.path("home/.config/docker/certs.d/mirror.test:5000");
    fs::create_dir_all(&certs).unwrap();
    fs::write(certs.join("ca.crt"), Ca::new().pem()).unwrap();
    let auth = "Z29waGVyOmh1bnRlcjI=";
    windlass.configure_docker(&serde_json::json!({
        "auths": { "https://index.docker.io/v1/": { "auth": auth } },
        "credHelpers": { "mirror.test:5000": "vault" },
    }));
    windlass
}

fn assert_no_secret(text: &str) {
    for secret in ["hunter2", "gopher", "Z29w"] {
        assert!(!text.contains(secret), "{text}");
    }
}

/// Returns the text with three spaces between columns, whose width depends on the paths of the machine.
fn with_fixed_columns(text: &str) -> String {
    let line = |line: &str| {
        let columns = line
            .split("   ")
            .map(str::trim)
            .filter(|column| !column.is_empty());
        columns.collect::<Vec<_>>().join("   ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// I7.
#[test]
fn all_settings_are_shown_with_their_files() {
    let windlass = configured();
    let mut command = windlass.command(["config", "show", "--insecure-registry", "plain.test"]);
    let shown = windlass.show(
        &command
            .env("HTTP_PROXY", "http://gopher:hunter2@env.test")
            .output()
            .unwrap(),
    );
    assert_no_secret(&shown);
    insta::assert_snapshot!(with_fixed_columns(&shown), @r"
    exit: 0
    --- stdout
    FILE   STATE
    [dir]/home/.config/windlass/windlass.toml   read
    [dir]/home/.config/windlass/certs.d   missing
    [dir]/home/.config/docker/certs.d   read
    [dir]/home/.config/docker/certs.d/mirror.test:5000   read
    [dir]/home/.config/containers/certs.d   missing
    [dir]/home/.docker/config.json   for credentials
    [dir]/home/.config/containers/auth.json   missing
    [dir]/home/.dockercfg   missing

    SETTING   VALUE   FROM
    root   [dir]/store   command line
    schema1   false   default
    insecure-registries   10.0.0.0/8, plain.test   [dir]/home/.config/windlass/windlass.toml:3, command line
    ca   -   default
    proxy.http   http://hidden@env.test   environment
    proxy.https   http://hidden@proxy.test:3128   [dir]/home/.config/windlass/windlass.toml:6
    proxy.no-proxy   intern.test   [dir]/home/.config/windlass/windlass.toml:7
    timeouts.connect   3s   [dir]/home/.config/windlass/windlass.toml:10
    timeouts.response   30s   default
    timeouts.floor   30720   default
    timeouts.token   15s   default
    timeouts.ping   15s   default
    pull.downloads   5   [dir]/home/.config/windlass/windlass.toml:2
    pull.unpacks   4   default
    pull.connections   4   default
    pull.split-from   32MiB   default
    pull.chunk   8MiB   default
    pull.retry   5   default
    pull.retry-delay   1s   default
    pull.timeout   30s   default
    pull.limit-rate   off   default
    partials.max-age   7d   default
    partials.max-size   16GiB   default

    REGISTRY   HOSTS   FROM
    direct.test   the registry itself   default
    docker.io   https://mirror.test:5000/hub, the registry itself   [dir]/home/.config/windlass/windlass.toml:12
    *   the registry itself   default
    ");
    assert!(!windlass.root().exists());
}

/// I7: the mirrors and the registry in order, and the settings of each.
#[test]
fn a_registry_is_shown_with_its_hosts() {
    let windlass = configured();
    let runs = [
        windlass.run(["config", "show", "docker.io"]),
        windlass.run(["config", "show", "direct.test/owner/app:1"]),
        windlass.run(["config", "show", "localhost:5000"]),
        windlass.run(["config", "show", "10.1.2.3:5000"]),
        windlass.run([
            "config",
            "show",
            "other.test",
            "--insecure-registry=other.test",
        ]),
    ];
    let shown = runs.join("\n");
    assert_no_secret(&shown);
    insta::assert_snapshot!(shown, @r"
    exit: 0
    --- stdout
    docker.io
      1. https://mirror.test:5000/hub  mirror
         used for     pull
         TLS          verified, 1 file with additional CAs
         proxy        http://hidden@proxy.test:3128
         headers      X-Key
         credentials  docker-credential-vault, configured in [dir]/home/.docker/config.json
         from         [dir]/home/.config/windlass/windlass.toml:13
      2. https://registry-1.docker.io  registry
         used for     pull, resolve
         TLS          verified
         proxy        http://hidden@proxy.test:3128
         credentials  [dir]/home/.docker/config.json, under https://index.docker.io/v1/
         from         default
      3. https://registry-1.docker.io  registry
         used for     pull, resolve
         only within  10.0.0.0/8
         TLS          not verified
         credentials  [dir]/home/.docker/config.json, under https://index.docker.io/v1/
         from         default
      4. http://registry-1.docker.io  registry
         used for     pull, resolve
         only within  10.0.0.0/8
         TLS          none: plain http
         credentials  [dir]/home/.docker/config.json, under https://index.docker.io/v1/
         from         default

    exit: 0
    --- stdout
    direct.test
      1. https://direct.test  registry
         used for     pull, resolve
         TLS          verified
         credentials  none
         from         default
      2. https://direct.test  registry
         used for     pull, resolve
         only within  10.0.0.0/8
         TLS          not verified
         credentials  none
         from         default
      3. http://direct.test  registry
         used for     pull, resolve
         only within  10.0.0.0/8
         TLS          none: plain http
         credentials  none
         from         default

    exit: 0
    --- stdout
    localhost:5000
      1. http://localhost:5000  registry
         used for     pull, resolve
         TLS          none: plain http
         credentials  none
         from         default
      2. https://localhost:5000  registry
         used for     pull, resolve
         TLS          not verified
         credentials  none
         from         default

    exit: 0
    --- stdout
    10.1.2.3:5000
      1. https://10.1.2.3:5000  registry
         used for     pull, resolve
         TLS          not verified
         proxy        http://hidden@proxy.test:3128
         credentials  none
         from         default
      2. http://10.1.2.3:5000  registry
         used for     pull, resolve
         TLS          none: plain http
         credentials  none
         from         default

    exit: 0
    --- stdout
    other.test
      1. https://other.test  registry
         used for     pull, resolve
         TLS          not verified
         proxy        http://hidden@proxy.test:3128
         credentials  none
         from         default
      2. http://other.test  registry
         used for     pull, resolve
         TLS          none: plain http
         credentials  none
         from         default
    ");
}

/// I7.
#[test]
fn json_is_one_object() {
    let windlass = configured();
    let shown = windlass.stdout(["config", "show", "--json", "alpine"]);
    assert_no_secret(&shown);
    let config: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let settings = config["settings"].as_array().unwrap();
    let settings: Vec<_> = settings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(settings.join("\n"));
    let registries = serde_json::to_string_pretty(&config["registries"]).unwrap();
    insta::assert_snapshot!(registries, @r#"
    [
      {
        "endpoints": [
          {
            "ca": 1,
            "capabilities": [
              "pull"
            ],
            "client_certificate": false,
            "credentials": "docker-credential-vault, configured in [dir]/home/.docker/config.json",
            "from": {
              "file": {
                "line": 13,
                "path": "[dir]/home/.config/windlass/windlass.toml"
              }
            },
            "headers": [
              "X-Key"
            ],
            "proxy": "http://hidden@proxy.test:3128",
            "role": "mirror",
            "skip_verify": false,
            "url": "https://mirror.test:5000/hub"
          },
          {
            "ca": 0,
            "capabilities": [
              "pull",
              "resolve"
            ],
            "client_certificate": false,
            "credentials": "[dir]/home/.docker/config.json, under https://index.docker.io/v1/",
            "from": "default",
            "headers": [],
            "proxy": "http://hidden@proxy.test:3128",
            "role": "registry",
            "skip_verify": false,
            "url": "https://registry-1.docker.io"
          },
          {
            "ca": 0,
            "capabilities": [
              "pull",
              "resolve"
            ],
            "client_certificate": false,
            "credentials": "[dir]/home/.docker/config.json, under https://index.docker.io/v1/",
            "from": "default",
            "headers": [],
            "proxy": null,
            "role": "registry",
            "skip_verify": true,
            "url": "https://registry-1.docker.io",
            "within": [
              "10.0.0.0/8"
            ]
          },
          {
            "ca": 0,
            "capabilities": [
              "pull",
              "resolve"
            ],
            "client_certificate": false,
            "credentials": "[dir]/home/.docker/config.json, under https://index.docker.io/v1/",
            "from": "default",
            "headers": [],
            "proxy": null,
            "role": "registry",
            "skip_verify": false,
            "url": "http://registry-1.docker.io",
            "within": [
              "10.0.0.0/8"
            ]
          }
        ],
        "foreign_layers": [],
        "from": {
          "file": {
            "line": 12,
            "path": "[dir]/home/.config/windlass/windlass.toml"
          }
        },
        "registry": "docker.io"
      }
    ]
    "#);
}

/// Without any file, the defaults are shown, and the paths that were searched.
#[test]
fn defaults_are_shown_without_files() {
    insta::assert_snapshot!(with_fixed_columns(&Windlass::new().run(["config", "show"])), @r"
    exit: 0
    --- stdout
    FILE   STATE
    [dir]/home/.config/windlass/windlass.toml   missing
    [dir]/home/.config/windlass/certs.d   missing
    [dir]/home/.config/docker/certs.d   missing
    [dir]/home/.config/containers/certs.d   missing
    [dir]/home/.docker/config.json   missing
    [dir]/home/.config/containers/auth.json   missing
    [dir]/home/.dockercfg   missing

    SETTING   VALUE   FROM
    root   [dir]/store   command line
    schema1   false   default
    insecure-registries   -   default
    ca   -   default
    proxy.http   -   default
    proxy.https   -   default
    proxy.no-proxy   -   default
    timeouts.connect   10s   default
    timeouts.response   30s   default
    timeouts.floor   30720   default
    timeouts.token   15s   default
    timeouts.ping   15s   default
    pull.downloads   3   default
    pull.unpacks   4   default
    pull.connections   4   default
    pull.split-from   32MiB   default
    pull.chunk   8MiB   default
    pull.retry   5   default
    pull.retry-delay   1s   default
    pull.timeout   30s   default
    pull.limit-rate   off   default
    partials.max-age   7d   default
    partials.max-size   16GiB   default

    REGISTRY   HOSTS   FROM
    *   the registry itself   default
    ");
}

/// An error in the configuration of a registry is part of the output.
#[test]
fn a_registry_that_cannot_be_used_is_shown_with_the_error() {
    let windlass = Windlass::new();
    let certs = windlass.path("home/.config/windlass/certs.d/broken.test");
    fs::create_dir_all(&certs).unwrap();
    fs::write(certs.join("hosts.toml"), "server = \"ftp://x\"\n").unwrap();
    let runs = [
        windlass.run(["config", "show", "broken.test"]),
        windlass.run(["digest", "broken.test/app:1"]),
    ];
    insta::assert_snapshot!(runs.join("\n"), @r"
    exit: 0
    --- stdout
    broken.test
      cannot be used: the configuration of broken.test cannot be used: [dir]/home/.config/windlass/certs.d/broken.test/hosts.toml:1:1: server: the scheme must be `http` or `https`

    exit: 1
    --- stderr
    error: resolving the digest of broken.test/app:1: the configuration of broken.test cannot be used: [dir]/home/.config/windlass/certs.d/broken.test/hosts.toml:1:1: server: the scheme must be `http` or `https`
    hint: fix the configuration; `windlass config show broken.test` lists its files
    ");
    let registry = Registry::start();
    assert!(registry.log().is_empty());
}

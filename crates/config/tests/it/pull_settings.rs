//! The settings of pulls, from the files to the engine's configuration.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::{Value, json};
use windlass_config::Settings;
use windlass_pull::PullerConfig;

use crate::invalid_pull_settings::error_of;
use crate::support::{Files, applied, overview};

const EVERY_KEY: &str = r#"
[pull]
downloads = 6
unpacks = 2
connections = 8
split-from = "64MiB"
chunk = "1.5MiB"
retry = 7
retry-delay = "300ms"
timeout = "1m"
limit-rate = "80Mbit"

[partials]
max-age = "2w"
max-size = "20GB"

[registry."reg.example.com"]
limit-rate = "2MB/s"

[registry."index.docker.io"]
limit-rate = 500000
mirror = ["m.test"]
"#;

/// Returns the settings of these two `windlass.toml` files.
fn settings(system: &str, user: &str) -> Settings {
    let files = Files::new(&[("system.toml", system), ("user.toml", user)]);
    files.load().unwrap().settings
}

/// Returns the engine's configuration with these two `windlass.toml` files.
fn engine(system: &str, user: &str) -> PullerConfig {
    let files = Files::new(&[("system.toml", system), ("user.toml", user)]);
    applied(&files.load().unwrap())
}

/// Returns the settings of pulls in these two `windlass.toml` files, as `KEY VALUE`.
fn configured(system: &str, user: &str) -> Vec<String> {
    let files = Files::new(&[("system.toml", system), ("user.toml", user)]);
    configured_in(&files)
}

fn configured_in(files: &Files) -> Vec<String> {
    let settings = overview(&files.load().unwrap()).settings.into_iter();
    settings
        .filter(|setting| setting.origin.is_some())
        .map(|setting| format!("{} {}", setting.key, setting.text))
        .collect()
}

/// TM-7, DM-10.
#[test]
fn every_key_is_read() {
    insta::assert_snapshot!(configured(EVERY_KEY, "").join("\n"), @r"
    pull.downloads 6
    pull.unpacks 2
    pull.connections 8
    pull.split-from 64MiB
    pull.chunk 1536KiB
    pull.retry 7
    pull.retry-delay 300ms
    pull.timeout 1m
    pull.limit-rate 10MB/s
    partials.max-age 14d
    partials.max-size 20GB
    ");
}

/// Each value is in its own field.
#[test]
fn every_key_reaches_the_engine() {
    let config = engine(EVERY_KEY, "");
    assert_eq!((config.downloads, config.unpacks), (6, 2));
    let split = &config.split;
    assert_eq!(
        (split.connections, split.from, split.chunk),
        (8, 64 << 20, 3 << 19)
    );
    assert_eq!(config.retry.attempts, 7);
    assert_eq!(config.retry.first_pause, Duration::from_millis(300));
    assert_eq!(config.registry.timeouts.stall, Duration::from_secs(60));
    assert_eq!(config.rate, NonZeroU64::new(10_000_000));
    assert_eq!(
        config.retention.max_age,
        Duration::from_secs(14 * 24 * 60 * 60)
    );
    assert_eq!(config.retention.max_bytes, 20_000_000_000);
    let rates = [("docker.io", 500_000), ("reg.example.com", 2_000_000)];
    let rates = rates.map(|(name, rate)| (name.to_owned(), NonZeroU64::new(rate).unwrap()));
    assert_eq!(config.registry_rates, rates.into());
}

/// No pause is shorter than the first one.
#[test]
fn a_long_retry_delay_raises_the_longest_pause() {
    let config = engine("pull.retry-delay = '1m'", "");
    assert_eq!(config.retry.longest_pause, Duration::from_secs(60));
    let config = engine("pull.retry-delay = '2s'", "");
    let default = PullerConfig::default().retry.longest_pause;
    assert_eq!(config.retry.longest_pause, default);
}

#[test]
fn empty_tables_set_nothing() {
    assert_eq!(settings("", ""), Settings::default());
    assert_eq!(settings("[pull]\n[partials]", ""), Settings::default());
}

/// A limit of zero is a value, and differs from a missing key.
#[test]
fn limits_can_be_turned_off() {
    for none in ["0", "\"0\"", "\"off\"", "\"0MB/s\"", "0x0"] {
        let text = format!("pull.limit-rate = {none}");
        assert_eq!(configured(&text, ""), ["pull.limit-rate off"], "{none}");
    }
    let none = "pull.downloads = 0\npull.unpacks = 0\npull.split-from = 0\npartials.max-age = '0'\npartials.max-size = 0";
    let expected = [
        "pull.downloads 0",
        "pull.unpacks 0",
        "pull.split-from 0B",
        "partials.max-age 0s",
        "partials.max-size 0B",
    ];
    assert_eq!(configured(none, ""), expected);
}

#[test]
fn the_users_file_overrides_key_by_key() {
    let user = "[pull]\nunpacks = 1\nlimit-rate = 'off'\n[partials]\nmax-size = '1GiB'\n[registry.'docker.io']\nlimit-rate = 0\n[registry.'reg.example.com']\nlimit-rate = '1kB'";
    let mut expected = configured(EVERY_KEY, "");
    expected[1] = "pull.unpacks 1".to_owned();
    expected[8] = "pull.limit-rate off".to_owned();
    expected[10] = "partials.max-size 1GiB".to_owned();
    assert_eq!(configured(EVERY_KEY, user), expected);
    let rates = [("reg.example.com".to_owned(), NonZeroU64::new(1000).unwrap())];
    assert_eq!(engine(EVERY_KEY, user).registry_rates, rates.into());
    assert_eq!(configured("", EVERY_KEY), configured(EVERY_KEY, EVERY_KEY));
}

/// The keys of earlier versions mean the same.
#[test]
fn older_keys_are_the_same_settings() {
    let older = "downloads = 5\nattempts = 6\ntimeouts.stall = '7s'";
    let newer = "[pull]\ndownloads = 1\nretry = 2\ntimeout = '3s'";
    let expected = ["pull.downloads 5", "pull.retry 6", "pull.timeout 7s"];
    assert_eq!(configured(older, ""), expected);
    assert_eq!(configured(newer, older), expected);
    let expected = ["pull.downloads 1", "pull.retry 2", "pull.timeout 3s"];
    assert_eq!(configured(older, newer), expected);
    for (text, expected) in [
        (
            "downloads = 3\npull.downloads = 3",
            "2:6: pull.downloads: `downloads` sets the same: remove one of the two",
        ),
        (
            "pull.retry = 3\nattempts = 3",
            "1:6: pull.retry: `attempts` sets the same: remove one of the two",
        ),
        (
            "[pull]\ntimeout = '3s'\n[timeouts]\nstall = '4s'",
            "2:1: pull.timeout: `timeouts.stall` sets the same: remove one of the two",
        ),
    ] {
        assert_eq!(error_of(text), expected);
    }
}

/// DM-10, TM-7: both `windlass.toml` files override Docker's file.
#[test]
fn limits_in_dockers_file_are_weaker() {
    let daemon = r#"{"max-concurrent-downloads": 9, "max-download-attempts": 8, "max-concurrent-uploads": "x"}"#;
    let files = Files::new(&[("daemon.json", daemon)]);
    let values = || configured_in(&files);
    assert_eq!(values(), ["pull.downloads 9", "pull.retry 8"]);
    files.write("system.toml", "pull.downloads = 2");
    assert_eq!(values(), ["pull.downloads 2", "pull.retry 8"]);
    files.write("user.toml", "pull.retry = 3");
    assert_eq!(values(), ["pull.downloads 2", "pull.retry 3"]);
    files.write("user.toml", "daemon-json = false");
    assert_eq!(values(), ["pull.downloads 2"]);
}

/// The limit of a registry does not configure its hosts.
#[test]
fn a_registry_with_a_limit_has_the_hosts_of_other_files() {
    let files = Files::new(&[
        (
            "system.toml",
            "[registry.'a.test']\nlimit-rate = '1MB'\n[registry.'b.test']\nlimit-rate = '1MB'\n[registry.'*']\nmirror = ['all.test']",
        ),
        ("first/a.test/hosts.toml", "server = 'hosts-toml.test'"),
        ("first/c.test/hosts.toml", "server = 1"),
    ]);
    let loaded = files.load().unwrap();
    let hosts = |registry| crate::support::hosts(&loaded, registry);
    assert_eq!(hosts("a.test"), ["https://hosts-toml.test/"]);
    assert_eq!(hosts("b.test"), ["https://all.test/"]);
    let rates = applied(&loaded).registry_rates;
    let names: Vec<&str> = rates.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.test", "b.test"]);
}

#[test]
fn the_overview_has_the_lines_of_values() {
    let daemon = r#"{"max-download-attempts": 8}"#;
    let user = "[pull]\nunpacks = 1\nlimit-rate = 'off'\n[registry.'docker.io']\nlimit-rate = 0";
    let system = EVERY_KEY.replace("retry = 7\n", "");
    let files = Files::new(&[
        ("system.toml", &system),
        ("user.toml", user),
        ("daemon.json", daemon),
    ]);
    let overview = overview(&files.load().unwrap());
    let shown = |value: &Value| {
        let text = serde_json::to_string(value).unwrap();
        text.replace(&format!("{}", files.path("").display()), "")
    };
    let settings = serde_json::to_value(&overview.settings).unwrap();
    let settings = settings.as_array().unwrap().iter();
    let of_pulls = settings.filter(|it| {
        let key = it["key"].as_str().unwrap();
        key.starts_with("pull.") || key.starts_with("partials.")
    });
    let lines: Vec<String> = of_pulls.map(shown).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {"key":"pull.downloads","origin":{"line":3,"path":"system.toml"},"value":6}
    {"key":"pull.unpacks","origin":{"line":2,"path":"user.toml"},"value":1}
    {"key":"pull.connections","origin":{"line":5,"path":"system.toml"},"value":8}
    {"key":"pull.split-from","origin":{"line":6,"path":"system.toml"},"value":67108864}
    {"key":"pull.chunk","origin":{"line":7,"path":"system.toml"},"value":1572864}
    {"key":"pull.retry","origin":{"line":null,"path":"daemon.json"},"value":8}
    {"key":"pull.retry-delay","origin":{"line":8,"path":"system.toml"},"value":0.3}
    {"key":"pull.timeout","origin":{"line":9,"path":"system.toml"},"value":60.0}
    {"key":"pull.limit-rate","origin":{"line":3,"path":"user.toml"},"value":0}
    {"key":"partials.max-age","origin":{"line":13,"path":"system.toml"},"value":1209600.0}
    {"key":"partials.max-size","origin":{"line":14,"path":"system.toml"},"value":20000000000}
    "#);
    let registries = overview.registries.iter();
    let lines: Vec<String> = registries
        .map(|it| format!("{}: {}", it.name, shown(&json!(it.limit_rate))))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    docker.io: {"key":"limit-rate","origin":{"line":5,"path":"user.toml"},"value":0}
    reg.example.com: {"key":"limit-rate","origin":{"line":17,"path":"system.toml"},"value":2000000}
    *: null
    "#);
}

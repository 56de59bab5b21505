//! How pulls are to go about their work.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::{Value, json};
use windlass_config::{PullSettings, Rate};
use windlass_registry::RegistryConfig;

use crate::pulls_refused::refused;
use crate::support::Files;

const EVERYTHING: &str = r#"
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

fn limited(bytes: u64) -> Rate {
    Rate::Limited(NonZeroU64::new(bytes).unwrap())
}

/// Returns the settings of a machine whose two `windlass.toml` say this.
fn settings(system: &str, user: &str) -> PullSettings {
    let files = Files::new(&[("system.toml", system), ("user.toml", user)]);
    files.load().unwrap().pull_settings()
}

/// TM-7, DM-10.
#[test]
fn every_key_is_read() {
    let rates = [("docker.io", 500_000), ("reg.example.com", 2_000_000)];
    let expected = PullSettings {
        downloads: Some(6),
        unpacks: Some(2),
        connections: Some(8),
        split_from: Some(64 << 20),
        chunk: Some(3 << 19),
        retry: Some(7),
        retry_delay: Some(Duration::from_millis(300)),
        timeout: Some(Duration::from_secs(60)),
        limit_rate: Some(limited(10_000_000)),
        partials_max_age: Some(Duration::from_secs(14 * 24 * 3600)),
        partials_max_size: Some(20_000_000_000),
        registry_rates: rates
            .map(|(name, rate)| (name.to_owned(), NonZeroU64::new(rate).unwrap()))
            .into(),
    };
    assert_eq!(settings(EVERYTHING, ""), expected);
    let files = Files::new(&[("user.toml", EVERYTHING)]);
    let mut config = RegistryConfig::default();
    files.load().unwrap().apply(&mut config);
    assert_eq!(config.timeouts.stall, Duration::from_secs(60));
}

#[test]
fn nothing_said_is_nothing_set() {
    assert_eq!(settings("", ""), PullSettings::default());
    assert_eq!(settings("[pull]\n[partials]", ""), PullSettings::default());
}

/// None at all is something else than nothing said.
#[test]
fn no_limit_can_be_said() {
    for none in ["0", "\"0\"", "\"off\"", "\"0MB/s\"", "0x0"] {
        let text = format!("pull.limit-rate = {none}");
        assert_eq!(
            settings(&text, "").limit_rate,
            Some(Rate::Unlimited),
            "{none}"
        );
    }
    let none = "pull.downloads = 0\npull.unpacks = 0\npull.split-from = 0\npartials.max-age = '0'\npartials.max-size = 0";
    let expected = PullSettings {
        downloads: Some(0),
        unpacks: Some(0),
        split_from: Some(0),
        partials_max_age: Some(Duration::ZERO),
        partials_max_size: Some(0),
        ..PullSettings::default()
    };
    assert_eq!(settings(none, ""), expected);
}

#[test]
fn the_users_file_wins_key_by_key() {
    let user = "[pull]\nunpacks = 1\nlimit-rate = 'off'\n[partials]\nmax-size = '1GiB'\n[registry.'docker.io']\nlimit-rate = 0\n[registry.'reg.example.com']\nlimit-rate = '1kB'";
    let mut expected = settings(EVERYTHING, "");
    expected.unpacks = Some(1);
    expected.limit_rate = Some(Rate::Unlimited);
    expected.partials_max_size = Some(1 << 30);
    expected.registry_rates =
        [("reg.example.com".to_owned(), NonZeroU64::new(1000).unwrap())].into();
    assert_eq!(settings(EVERYTHING, user), expected);
    assert_eq!(settings("", EVERYTHING), settings(EVERYTHING, EVERYTHING));
}

/// The names that were there before `[pull]` mean the same.
#[test]
fn older_names_are_the_same_settings() {
    let older = "downloads = 5\nattempts = 6\ntimeouts.stall = '7s'";
    let newer = "[pull]\ndownloads = 1\nretry = 2\ntimeout = '3s'";
    let values = |settings: PullSettings| (settings.downloads, settings.retry, settings.timeout);
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let expected = (Some(5), Some(6), seconds(7));
    assert_eq!(values(settings(older, "")), expected);
    assert_eq!(values(settings(newer, older)), expected);
    let expected = (Some(1), Some(2), seconds(3));
    assert_eq!(values(settings(older, newer)), expected);
    for (text, expected) in [
        (
            "downloads = 3\npull.downloads = 3",
            "2:6: pull.downloads: `downloads` says the same: leave out one of the two",
        ),
        (
            "pull.retry = 3\nattempts = 3",
            "1:6: pull.retry: `attempts` says the same: leave out one of the two",
        ),
        (
            "[pull]\ntimeout = '3s'\n[timeouts]\nstall = '4s'",
            "2:1: pull.timeout: `timeouts.stall` says the same: leave out one of the two",
        ),
    ] {
        assert_eq!(refused(text), expected);
    }
}

/// DM-10, TM-7: Docker's file is asked after both of windlass's.
#[test]
fn dockers_limits_are_weaker() {
    let daemon = r#"{"max-concurrent-downloads": 9, "max-download-attempts": 8, "max-concurrent-uploads": "x"}"#;
    let files = Files::new(&[("daemon.json", daemon)]);
    let load = || files.load().unwrap().pull_settings();
    let expected = PullSettings {
        downloads: Some(9),
        retry: Some(8),
        ..PullSettings::default()
    };
    assert_eq!(load(), expected);
    files.write("system.toml", "pull.downloads = 2");
    let expected = PullSettings {
        downloads: Some(2),
        ..expected
    };
    assert_eq!(load(), expected);
    files.write("user.toml", "pull.retry = 3");
    let expected = PullSettings {
        retry: Some(3),
        ..expected
    };
    assert_eq!(load(), expected);
    files.write("user.toml", "daemon-json = false");
    let expected = PullSettings {
        retry: None,
        ..expected
    };
    assert_eq!(load(), expected);
}

/// Who answers for a registry is not said by how fast it may.
#[test]
fn a_rate_leaves_it_to_others_who_answers() {
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
    let rates = loaded.pull_settings().registry_rates;
    let names: Vec<&str> = rates.keys().map(String::as_str).collect();
    assert_eq!(names, ["a.test", "b.test"]);
}

#[test]
fn everything_is_shown_with_its_line() {
    let daemon = r#"{"max-download-attempts": 8}"#;
    let user = "[pull]\nunpacks = 1\nlimit-rate = 'off'\n[registry.'docker.io']\nlimit-rate = 0";
    let system = EVERYTHING.replace("retry = 7\n", "");
    let files = Files::new(&[
        ("system.toml", &system),
        ("user.toml", user),
        ("daemon.json", daemon),
    ]);
    let overview = files.load().unwrap().overview(None);
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

//! Each setting, alone in a file.

use windlass_config::{Configuration, setting_documentation};

use crate::support::{CERTIFICATE, Files, overview};

/// The keys, values that are not their defaults, and the values as they are shown.
const VALUES: [(&str, &str, &str); 23] = [
    ("root", "'/images'", "/images"),
    ("schema1", "true", "true"),
    ("insecure-registries", "['lab:5000']", "lab:5000"),
    ("ca", "'company.pem'", "company.pem"),
    ("proxy.http", "'http://p.test'", "http://p.test"),
    ("proxy.https", "'http://p.test'", "http://p.test"),
    ("proxy.no-proxy", "['a.test', 'b.test']", "a.test,b.test"),
    ("timeouts.connect", "'11s'", "11s"),
    ("timeouts.response", "'12s'", "12s"),
    ("timeouts.floor", "13", "13"),
    ("timeouts.token", "'14s'", "14s"),
    ("timeouts.ping", "'16s'", "16s"),
    ("pull.downloads", "17", "17"),
    ("pull.unpacks", "18", "18"),
    ("pull.connections", "19", "19"),
    ("pull.split-from", "'20MiB'", "20MiB"),
    ("pull.chunk", "'21MiB'", "21MiB"),
    ("pull.retry", "22", "22"),
    ("pull.retry-delay", "'23s'", "23s"),
    ("pull.timeout", "'24s'", "24s"),
    ("pull.limit-rate", "'25MB'", "25MB/s"),
    ("partials.max-age", "'26h'", "26h"),
    ("partials.max-size", "'27GiB'", "27GiB"),
];

/// The settings that are not shown, because the overview has the files that they name.
const HIDDEN: [&str; 2] = ["certs-dirs", "daemon-json"];

/// Returns all settings as they are shown.
fn shown(loaded: &Configuration, files: &Files) -> Vec<(&'static str, String)> {
    let directory = files.path("").display().to_string();
    let settings = overview(loaded).settings.into_iter();
    let settings = settings.map(|setting| (setting.key, setting.text.replace(&directory, "")));
    settings.collect()
}

/// Every setting has its own field: a value changes that setting, and no other one.
#[test]
fn a_value_changes_one_setting() {
    let keys = setting_documentation()
        .into_iter()
        .map(|setting| setting.key);
    let shown_keys: Vec<_> = keys.filter(|key| !HIDDEN.contains(key)).collect();
    assert_eq!(VALUES.map(|(key, ..)| key), *shown_keys);
    let files = Files::new(&[("company.pem", CERTIFICATE)]);
    let defaults = shown(&files.load().unwrap(), &files);
    for (key, value, text) in VALUES {
        files.write("user.toml", format!("{key} = {value}"));
        let changed = shown(&files.load().unwrap(), &files);
        let changed: Vec<_> = { changed.into_iter() }
            .filter(|setting| !defaults.contains(setting))
            .collect();
        assert_eq!(changed, [(key, text.to_owned())]);
    }
}

/// The default of each setting can be written in a file, and is shown as it is written.
#[test]
fn documented_defaults_can_be_written() {
    let files = Files::new(&[]);
    let defaults = shown(&files.load().unwrap(), &files);
    for setting in setting_documentation() {
        let Some(value) = setting.default.strip_prefix('`') else {
            continue;
        };
        let value = value.strip_suffix('`').unwrap();
        if HIDDEN.contains(&setting.key) || value.ends_with("PROXY") || setting.key == "root" {
            continue;
        }
        files.write("user.toml", format!("{} = {value}", setting.key));
        assert_eq!(shown(&files.load().unwrap(), &files), defaults, "{value}");
    }
}

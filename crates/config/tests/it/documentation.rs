//! What the manual shows works.

use crate::support::{CERTIFICATE, Files, KEY};

const MANUAL: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn every_example_can_be_loaded() {
    let examples: Vec<&str> = MANUAL.split("```toml\n").skip(1).collect();
    assert_eq!(examples.len(), 7);
    for example in examples {
        let (example, _) = example.split_once("```").unwrap();
        let files = Files::new(&[
            ("company.pem", CERTIFICATE),
            ("registry.pem", CERTIFICATE),
            ("me.pem", CERTIFICATE),
            ("me.key", KEY),
        ]);
        files.write("system.toml", example.replace("/etc/ssl/", ""));
        let loaded = files.load().unwrap();
        assert!(loaded.unusable.is_empty(), "{example}");
    }
}

#[test]
fn every_setting_that_is_shown_is_in_the_manual() {
    let files = Files::new(&[]);
    let loaded = files.load().unwrap();
    for setting in loaded.overview(None).settings {
        assert!(
            MANUAL.contains(&format!("`{}`", setting.key)),
            "{}",
            setting.key
        );
    }
}

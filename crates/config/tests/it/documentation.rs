//! The documentation of the configuration is complete and correct.

use std::fmt::Write as _;
use std::path::PathBuf;

use windlass_config::{
    RegistryKeyReference, SettingReference, host_key_references, registry_key_references,
    setting_references,
};

use crate::support::{CERTIFICATE, Files, KEY};

/// The variable that makes the test write the tables into the page instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";
const PAGE: &str = include_str!("../../../../docs/configuration.md");

#[test]
fn every_example_can_be_loaded() {
    let examples: Vec<&str> = PAGE.split("```toml\n").skip(1).collect();
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

/// The tables in the page are those that the definitions of the settings produce.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a variable is the only argument that a test can have"
)]
fn the_tables_are_those_of_the_definitions() {
    let settings = setting_references();
    let (general, pulls) = settings.iter().partition::<Vec<_>, _>(|setting| {
        !setting.key.starts_with("pull.") && !setting.key.starts_with("partials.")
    });
    let tables = [
        ("settings", setting_table(&general)),
        ("pull settings", setting_table(&pulls)),
        ("registry keys", key_table(&registry_key_references())),
        ("host keys", key_table(&host_key_references())),
    ];
    let mut page = PAGE.to_owned();
    for (name, table) in tables {
        page = with_table(&page, name, &table);
    }
    if std::env::var_os(UPDATE).is_some() {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        std::fs::write(path, page).unwrap();
        return;
    }
    let mut lines = page.lines().zip(PAGE.lines());
    let different = lines.find(|(expected, found)| expected != found);
    assert_eq!(
        different, None,
        "docs/configuration.md differs from the definitions of the settings: run `{UPDATE}=1 cargo test -p windlass-config`"
    );
    assert_eq!(page.len(), PAGE.len());
}

/// Returns the page with `table` between the two comments of this name.
fn with_table(page: &str, name: &str, table: &str) -> String {
    let (begin, end) = (
        format!("<!-- begin {name} -->"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}\n{table}{end}{after}")
}

fn setting_table(settings: &[&SettingReference]) -> String {
    let mut table = "| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for setting in settings {
        let older = match setting.older_key {
            Some(key) => format!(" Older name: `{key}`."),
            None => String::new(),
        };
        writeln!(
            table,
            "| `{}` | {} | {} | {}{older} |",
            setting.key, setting.syntax, setting.default, setting.documentation
        )
        .unwrap();
    }
    table
}

fn key_table(keys: &[RegistryKeyReference]) -> String {
    let mut table = "| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            key.key, key.syntax, key.default, key.documentation
        )
        .unwrap();
    }
    table
}

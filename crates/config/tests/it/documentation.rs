//! The documentation of the configuration is complete and correct.

use std::fmt::Write as _;
use std::path::PathBuf;

use windlass_config::{
    DaemonSettingDocumentation, RegistryKeyDocumentation, SettingDocumentation,
    daemon_setting_documentation, host_key_documentation, registry_key_documentation,
    setting_documentation,
};

use crate::support::{CERTIFICATE, Files, KEY};

/// The variable that makes the test write the tables into the page instead of comparing them.
const UPDATE: &str = "UPDATE_DOCS";
const PAGE: &str = include_str!("../../../../docs/configuration.md");
const DAEMON_PAGE: &str = include_str!("../../../../docs/daemon.md");

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

/// The tables in `configuration.md` are those that the definitions of the settings produce.
#[test]
fn the_tables_of_settings_are_those_of_the_definitions() {
    let settings = setting_documentation();
    let (general, pulls) = settings.iter().partition::<Vec<_>, _>(|setting| {
        !setting.key.starts_with("pull.") && !setting.key.starts_with("partials.")
    });
    let tables = [
        ("settings", setting_table(&general)),
        ("pull settings", setting_table(&pulls)),
        ("registry keys", key_table(&registry_key_documentation())),
        ("host keys", key_table(&host_key_documentation())),
    ];
    check_page("configuration.md", PAGE, &tables);
}

/// The same for the daemon's own settings in `daemon.md`.
#[test]
fn the_table_of_the_daemon_is_that_of_the_definitions() {
    let table = daemon_table(&daemon_setting_documentation());
    check_page("daemon.md", DAEMON_PAGE, &[("daemon settings", table)]);
}

/// Compares a page with the tables that it should have, or writes them into it if [`UPDATE`] is set.
#[expect(
    clippy::disallowed_methods,
    reason = "a variable is the only argument that a test can have"
)]
fn check_page(name: &str, page: &str, tables: &[(&str, String)]) {
    let mut expected = page.to_owned();
    for (title, table) in tables {
        expected = with_table(&expected, title, table);
    }
    if std::env::var_os(UPDATE).is_some() {
        let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        std::fs::write(docs.join(name), expected).unwrap();
        return;
    }
    let mut lines = expected.lines().zip(page.lines());
    let different = lines.find(|(expected, found)| expected != found);
    assert_eq!(
        different, None,
        "docs/{name} differs from the definitions of the settings: run `{UPDATE}=1 cargo test -p windlass-config`"
    );
    assert_eq!(expected.len(), page.len());
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

fn setting_table(settings: &[&SettingDocumentation]) -> String {
    let mut table = "| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for setting in settings {
        let older = match setting.older_key {
            Some(key) => format!(" Older name: `{key}`."),
            None => String::new(),
        };
        writeln!(
            table,
            "| `{}` | {} | {} | {}{older} |",
            setting.key, setting.syntax, setting.default, setting.description
        )
        .unwrap();
    }
    table
}

fn key_table(keys: &[RegistryKeyDocumentation]) -> String {
    let mut table = "| key | value | default | |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            key.key, key.syntax, key.default, key.description
        )
        .unwrap();
    }
    table
}

fn daemon_table(settings: &[DaemonSettingDocumentation]) -> String {
    let mut table = "| option | key | ↻ | |\n|---|---|---|---|\n".to_owned();
    for setting in settings {
        let DaemonSettingDocumentation {
            key,
            options,
            is_reloaded,
            description,
        } = setting;
        let reloaded = if *is_reloaded { "↻" } else { "" };
        writeln!(
            table,
            "| {options} | `{key}` | {reloaded} | {description} |"
        )
        .unwrap();
    }
    table
}

//! SIGHUP (EP-8, EP-9).

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::TestDaemon;
use crate::harness::Windlass;

fn registries(daemon: &TestDaemon) -> Value {
    let mut info = daemon.get("/info").json();
    info["RegistryConfig"].take()
}

#[test]
fn the_configuration_is_read_again_in_one_step_or_not_at_all() {
    let windlass = Windlass::new();
    let file = windlass.path("daemon.json");
    let host = format!("unix://{}", windlass.path("d.sock").display());
    let write = |json: &str| fs::write(&file, format!("{{\"hosts\": [\"{host}\"], {json}}}"));
    write(r#""registry-mirrors": ["https://one.test"], "labels": ["a=1"]"#).unwrap();
    let daemon = TestDaemon::start_command(
        &windlass,
        windlass.command(["daemon", "--config-file", "daemon.json"]),
    );
    let before = registries(&daemon);
    assert_eq!(before["Mirrors"], serde_json::json!(["https://one.test/"]));

    write(r#""registry-mirrors": ["https://two.test"], "insecure-registries": ["lab:5000"], "labels": ["a=2"], "log-level": "debug", "group": "0""#).unwrap();
    daemon.send(Signal::HUP);
    let text = daemon.wait_for_notification("RELOADING=1");
    let (name, time) = text.split_once('\n').unwrap().1.split_once('=').unwrap();
    assert_eq!(name, "MONOTONIC_USEC");
    assert!(time.trim_end().parse::<u64>().is_ok(), "{text}");
    daemon.wait_for_notification("READY=1");
    let after = registries(&daemon);
    assert_eq!(after["Mirrors"], serde_json::json!(["https://two.test/"]));
    assert_eq!(after["IndexConfigs"]["lab:5000"]["Secure"], false);
    assert_eq!(
        daemon.get("/info").json()["Labels"],
        serde_json::json!(["a=2"])
    );
    insta::assert_snapshot!(daemon.logged(&windlass, "configuration"), @"INFO reloaded the configuration");
    daemon.wait_for_log(1, "keys=group");
    daemon.wait_for_log(1, "DEBUG answered");

    // One invalid entry discards the whole new configuration.
    write(r#""registry-mirrors": ["https://three.test"], "insecure-registries": ["-bad"], "labels": ["a=3"]"#).unwrap();
    daemon.send(Signal::HUP);
    daemon.wait_for_notification("READY=1");
    assert_eq!(registries(&daemon), after);
    insta::assert_snapshot!(daemon.logged(&windlass, "ERROR"), @"ERROR cannot use the new configuration: it stays as it was error=[dir]/daemon.json:1:90: insecure-registries[0]: expected HOST, HOST:PORT or a range such as 10.0.0.0/8");
    assert!(daemon.stop().success());
}
